//! One sidecar or gateway: identity first, then the engine, then readiness; drained at the end.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ::agent::admin::Admin;
use ::agent::drain::{Drained, drain};
use ::agent::envoy::{Bootstrap, bootstrap, relay, serve_sds};
use ::agent::health::Health;
use ::agent::identity::{Kept, Sources, TlsFor, keep};
use ::agent::node::{Files, NodeEnv, Role};
use anyhow::Context;
use base::SpiffeId;
use tokio::sync::watch;

use super::engine::{Engine, Start};
use super::{EngineArg, Managed};
use crate::processes::{runtime, terminated};

/// After SIGTERM and before draining: endpoints are withdrawn meanwhile
/// (Istio `MINIMUM_DRAIN_DURATION` with `EXIT_ON_ZERO_ACTIVE_CONNECTIONS`).
const MINIMUM_DRAIN: Duration = Duration::from_millis(500);

/// Istio's `drainDuration` when nobody says otherwise.
const DRAIN_TIME: Duration = Duration::from_secs(45);

pub(crate) fn run(role: Role, args: &Managed) -> anyhow::Result<()> {
    net::telemetry::init(net::telemetry::Format::Text, &args.log_level);
    runtime(1)?.block_on(manage(role, args))
}

async fn manage(role: Role, args: &Managed) -> anyhow::Result<()> {
    let vars: BTreeMap<String, String> = std::env::vars().collect();
    let text = |path: &Path| std::fs::read_to_string(path).unwrap_or_default();
    let files = Files {
        labels: text(&args.labels),
        annotations: text(&args.annotations),
        mesh: text(&args.mesh_config),
    };
    let env = NodeEnv::read(role, &vars, &files)?;
    let directory = args.config_dir.display().to_string();
    let places = Bootstrap::in_directory(&directory);
    let (publish, material) = watch::channel(None);
    let tls = TlsFor::new(Sources {
        address: env.ca_address.clone(),
        roots: args.root_cert.clone(),
        token: args.token.clone(),
    });
    let identity = SpiffeId::new(
        env.trust_domain.as_str(),
        env.namespace.as_str(),
        env.service_account.as_str(),
    );
    let kept = Kept::new(&args.config_dir);
    tokio::spawn(keep(identity, tls.clone(), kept, publish));
    let xds_tls = tls.clone();
    let (xds, target) = (places.xds_socket.clone(), env.discovery_address.clone());
    tokio::spawn(async move {
        if let Err(error) = relay(xds.as_ref(), target, move || xds_tls.config()).await {
            tracing::error!(%error, socket = %xds, "xDS relay");
        }
    });
    let (sds, secrets) = (places.sds_socket.clone(), material.clone());
    tokio::spawn(async move {
        if let Err(error) = serve_sds(sds.as_ref(), secrets).await {
            tracing::error!(%error, socket = %sds, "SDS");
        }
    });
    let admin = Admin::local(places.admin_port);
    let health = Health {
        admin: admin.clone(),
        material: material.clone(),
        probes: Arc::new(probes(&vars)?),
        app_address: env.ip.clone(),
    };
    let listener =
        tokio::net::TcpListener::bind((Ipv4Addr::UNSPECIFIED, places.agent_port)).await?;
    tokio::spawn(async move { axum::serve(listener, health.router()).await });
    certificate(material.clone()).await;
    let document = bootstrap(&env, &places, args.engine == EngineArg::Ferromesh);
    let mut engine = Engine::start(Start {
        args,
        document,
        material,
        concurrency: concurrency(args.concurrency, env.proxy_config.concurrency),
        drain_time: env
            .proxy_config
            .drain_duration
            .map_or(DRAIN_TIME, Into::into),
    })
    .await?;
    let ended = tokio::select! {
        result = engine.wait() => Some(result),
        () = terminated() => None,
    };
    if let Some(result) = ended {
        return result.context("the proxy ended by itself");
    }
    tokio::time::sleep(MINIMUM_DRAIN).await;
    let limit = env.termination_drain;
    match drain(&admin, limit).await {
        Drained::Empty => tracing::info!("drained"),
        Drained::Cut { open } => {
            tracing::warn!(open, ?limit, "connections cut at the end of the drain")
        }
    }
    engine.stop().await
}

/// Worker threads, of which 0 means one for each core: as the command line says, else the settings.
fn concurrency(argument: Option<usize>, settings: Option<i32>) -> usize {
    let settings = settings.and_then(|n| usize::try_from(n).ok());
    match argument.or(settings) {
        Some(0) => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        Some(threads) => threads,
        None => 2,
    }
}

/// No listener opens before the workload can prove who it is.
async fn certificate(mut material: watch::Receiver<Option<::agent::identity::Material>>) {
    let _ = material.wait_for(Option::is_some).await;
}

fn probes(vars: &BTreeMap<String, String>) -> anyhow::Result<::agent::inject::Probes> {
    vars.get("ISTIO_KUBE_APP_PROBERS")
        .map_or(Ok(BTreeMap::new()), |text| serde_json::from_str(text))
        .context("environment variable ISTIO_KUBE_APP_PROBERS")
}
