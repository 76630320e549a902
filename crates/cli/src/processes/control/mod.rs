//! The control plane process: snapshots → planner → xDS, with the CA, admission, statuses and, for
//! `up`, the controllers.

mod admission;
mod authority;
mod debug;
mod install;
mod serve;
mod status;

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ::agent::inject::{Engine, Settings};
use anyhow::Context;
use api::kinds;
use api::store::{ResourceType, Store, StoreError};
use base::ObjectKey;
use control::{Planner, PlannerOptions};
use tokio_util::sync::CancellationToken;

use super::{EngineArg, connect, internal_kubeconfig, runtime, terminated};
use crate::exit::{Code, Failure};
use crate::reference::{MONITORING, SECURE_XDS, WEBHOOKS, XDS};
use crate::up::NODE_IP;
use crate::up::notify::Inherited;

/// The kinds that the mesh's configuration is made of.
pub(crate) const WATCHED: &[ResourceType] = &[
    kinds::NAMESPACE,
    kinds::SERVICE,
    kinds::ENDPOINT_SLICE,
    kinds::POD,
    kinds::NODE,
    kinds::SECRET,
    kinds::CONFIG_MAP,
    kinds::SERVICE_ACCOUNT,
    kinds::VIRTUAL_SERVICE,
    kinds::DESTINATION_RULE,
    kinds::GATEWAY,
    kinds::SERVICE_ENTRY,
    kinds::PEER_AUTHENTICATION,
    kinds::TELEMETRY,
    kinds::PROXY_CONFIG,
];

/// How a control plane runs.
pub(crate) struct Setup {
    pub(crate) kubeconfig: PathBuf,
    pub(crate) listen: IpAddr,
    pub(crate) engine: EngineArg,
    /// Run the controllers of Kubernetes that `up` needs, and install the mesh's own objects.
    pub(crate) embedded: Option<PathBuf>,
}

/// The control plane of `up`.
pub(super) fn run_embedded(data_dir: &Path, engine: EngineArg) -> anyhow::Result<()> {
    run(Setup {
        kubeconfig: internal_kubeconfig(data_dir),
        listen: NODE_IP.into(),
        engine,
        embedded: Some(data_dir.to_owned()),
    })
}

pub(crate) fn run(setup: Setup) -> anyhow::Result<()> {
    net::telemetry::init(net::telemetry::Format::Text, "info");
    let mut inherited = Inherited::take();
    inherited.follow_supervisor();
    runtime(2)?.block_on(async {
        let store = connect(&setup.kubeconfig).await?;
        if setup.embedded.is_none() {
            reachable(&setup.kubeconfig, &*store).await?;
        }
        let shutdown = CancellationToken::new();
        start(&setup, store, &shutdown).await?;
        inherited.ready();
        tracing::info!(
            listen = %setup.listen, engine = setup.engine.name(),
            "serving: 15010 xDS, 15012 xDS and CA over TLS, 15014 monitoring, 15017 webhooks"
        );
        terminated().await;
        shutdown.cancel();
        Ok(())
    })
}

/// Says at once why nothing will work, where a person has named an API server.
async fn reachable(kubeconfig: &Path, store: &dyn Store) -> anyhow::Result<()> {
    let key = ObjectKey::new("", "istio-system");
    let shown = kubeconfig.display();
    match store.get(&kinds::NAMESPACE, &key).await {
        Ok(_) | Err(StoreError::NotFound(_)) => Ok(()),
        Err(StoreError::Unavailable(why)) => Err(Failure::new(
            Code::Failure,
            format!("the API server that {shown} names cannot be reached: {why}"),
        )
        .remedy(format!("kubectl --kubeconfig {shown} get --raw /readyz"))
        .into()),
        Err(StoreError::Refused { code, message }) => Err(Failure::new(
            Code::Failure,
            format!("the API server refuses the credentials of {shown}: {code} {message}"),
        )
        .remedy(format!(
            "kubectl --kubeconfig {shown} auth can-i '*' '*' --all-namespaces"
        ))
        .into()),
        Err(error) => Err(error).with_context(|| format!("kubeconfig {shown}")),
    }
}

async fn start(
    setup: &Setup,
    store: Arc<dyn Store>,
    shutdown: &CancellationToken,
) -> anyhow::Result<()> {
    install::crds(&*store).await?;
    if setup.embedded.is_some() {
        install::system(&*store).await?;
    } else {
        install::namespace(&*store).await?;
    }
    let authority = authority::Authority::start(store.clone()).await?;
    if setup.embedded.is_some() {
        let options = controllers::Options {
            mesh_roots: Some(authority.roots()),
            load_balancer: Some(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST)),
        };
        tokio::spawn(controllers::run(store.clone(), options, shutdown.clone()));
    } else {
        let roots = authority.roots();
        tokio::spawn(controllers::publish_roots(
            store.clone(),
            roots,
            shutdown.clone(),
        ));
    }
    let snapshots = source::snapshots(&store, WATCHED);
    let revisions = source::Revisions::load(store.clone(), "istio-system")
        .await
        .context("last resolved revisions")?;
    let persist = revisions.clone();
    tokio::spawn(async move { persist.persist().await });
    let (planner, updates) = Planner::start(
        snapshots.clone(),
        PlannerOptions {
            istiod: "istiod.istio-system".into(),
            last_resolved: Arc::new(status::Kept(revisions)),
            authenticator: Some(authority.authenticator()),
        },
    );
    tokio::spawn(status::write(store.clone(), updates));
    let settings = Settings {
        engine: match setup.engine {
            EngineArg::Ferromesh => Engine::Ferromesh,
            EngineArg::Envoy => Engine::Envoy,
        },
        proxy_image: match setup.engine {
            EngineArg::Ferromesh => "ferromesh/proxy".into(),
            EngineArg::Envoy => "ferromesh/agent".into(),
        },
        ..Settings::default()
    };
    let webhooks = admission::router(settings, snapshots.clone());
    let address = |port| SocketAddr::new(setup.listen, port);
    serve::plain_grpc(address(XDS), planner.clone(), shutdown).await?;
    serve::secure_grpc(address(SECURE_XDS), planner.clone(), &authority, shutdown).await?;
    serve::https(address(WEBHOOKS), webhooks, &authority, shutdown).await?;
    serve::http(
        address(MONITORING),
        debug::router(planner, snapshots),
        shutdown,
    )
    .await?;
    if setup.embedded.is_some() {
        install::webhooks(&*store, &authority.bundle()).await?;
    }
    Ok(())
}
