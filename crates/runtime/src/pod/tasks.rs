//! What a worker does beside its loop: start a container, run a hook, probe.

use std::fs;
use std::io;
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use api::kinds;
use api::store::Query;
use base::ObjectKey;
use k8s_openapi::api::core::v1::Container;

use super::container::{Context, Refused, resolve, termination_path};
use super::prober::Target;
use super::sandbox::Sandbox;
use super::{Shared, client};
use crate::env::service_links;
use crate::facts::Facts;
use crate::plan::Ended;
use crate::shim::protocol::{Exit, Reply, Request, Run};
use crate::source::Sources;

/// Starts one run of a container.
pub(super) async fn start(
    shared: Arc<Shared>,
    facts: Facts,
    sandbox: Sandbox,
    container: Container,
    attempt: u32,
) -> Result<Run, Refused> {
    let sources = Sources {
        store: shared.store.clone(),
        namespace: facts.namespace().into(),
    };
    let links = links(&shared, &facts).await;
    let context = Context {
        facts: &facts,
        sources: &sources,
        images: &shared.images,
        links,
        directory: &sandbox.directory,
        data_dir: &shared.data_dir,
    };
    let spec = resolve(&container, attempt, &context).await?;
    let refused = |message: String| Refused {
        reason: "RunContainerError",
        message,
    };
    termination_file(&sandbox, &container, attempt).map_err(|error| refused(error.to_string()))?;
    forget_old_runs(&sandbox, &container, attempt);
    match client::call(
        &sandbox.directory,
        &Request::Start(Box::new(spec)),
        Vec::new(),
    )
    .await
    {
        Ok(Reply::Changed(run)) => Ok(run),
        Ok(Reply::Failed(message)) => Err(refused(message)),
        Ok(_) => Err(refused("unexpected answer of the shim".into())),
        Err(error) => Err(refused(format!("the pod's shim: {error}"))),
    }
}

fn termination_file(sandbox: &Sandbox, container: &Container, attempt: u32) -> io::Result<()> {
    let path = termination_path(&sandbox.directory, &container.name, attempt);
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::File::create(&path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o666))
}

/// Keeps the run before this one, for `kubectl logs --previous`, and nothing older.
fn forget_old_runs(sandbox: &Sandbox, container: &Container, attempt: u32) {
    let directory = sandbox.directory.join("containers").join(&container.name);
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        let number = |text: &str| text.split('.').next().and_then(|n| n.parse::<u32>().ok());
        if let Some(n) = name.strip_prefix("layer-").and_then(number) {
            if n < attempt {
                let _ = fs::remove_dir_all(entry.path());
            }
        } else if name
            .strip_prefix("termination-")
            .or(Some(name))
            .and_then(number)
            .is_some_and(|n| n + 1 < attempt)
        {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Variables for the API server and, with `enableServiceLinks`, for the services of the namespace.
async fn links(shared: &Shared, facts: &Facts) -> Vec<(String, String)> {
    let mut links = Vec::new();
    let key = ObjectKey::new("default", "kubernetes");
    if let Ok(service) = shared.store.get(&kinds::SERVICE, &key).await {
        links.extend(links_of(&service));
    }
    if facts
        .pod
        .spec
        .as_ref()
        .and_then(|spec| spec.enable_service_links)
        != Some(false)
    {
        let query = Query {
            namespace: Some(facts.namespace().into()),
            ..Query::default()
        };
        for service in shared
            .store
            .list(&kinds::SERVICE, &query)
            .await
            .unwrap_or_default()
        {
            links.extend(links_of(&service));
        }
    }
    links
}

fn links_of(service: &serde_json::Value) -> Vec<(String, String)> {
    let ip = service["spec"]["clusterIP"]
        .as_str()
        .filter(|ip| !ip.is_empty() && *ip != "None");
    let (Some(ip), Some(name)) = (ip, service["metadata"]["name"].as_str()) else {
        return Vec::new();
    };
    let ports: Vec<_> = service["spec"]["ports"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|port| {
            let number = u16::try_from(port["port"].as_u64()?).ok()?;
            Some((port["name"].as_str().map(str::to_owned), number))
        })
        .collect();
    service_links(name, ip, &ports)
}

/// Where probes and hooks of the pod go.
pub(super) fn target(facts: &Facts, sandbox: &Sandbox) -> Target {
    Target {
        network: sandbox.network.clone(),
        pod_ip: IpAddr::V4(facts.pod_ip),
        directory: sandbox.directory.clone(),
    }
}

/// The kubelet reads no more of a termination message.
const MESSAGE: u64 = 4096;

/// How a run ended, with its termination message.
pub(super) fn ended(sandbox: &Sandbox, container: &Container, run: &Run, exit: &Exit) -> Ended {
    let path = termination_path(&sandbox.directory, &container.name, run.attempt);
    let mut message = crate::shim::tail_of(&path, MESSAGE).unwrap_or_default();
    let from_logs =
        container.termination_message_policy.as_deref() == Some("FallbackToLogsOnError");
    if message.is_empty() && from_logs && exit.code != 0 {
        let log = super::container::log_path(&sandbox.directory, &container.name, run.attempt);
        let tail = crate::shim::tail_of(&log, 2 * MESSAGE).unwrap_or_default();
        let lines: Vec<_> = tail
            .lines()
            .filter_map(|line| line.splitn(4, ' ').nth(3))
            .collect();
        message = lines[lines.len().saturating_sub(80)..].join("\n");
        while message.len() > 2048 {
            message.pop();
        }
    }
    Ended {
        code: exit.code,
        reason: match exit {
            Exit {
                out_of_memory: true,
                ..
            } => "OOMKilled",
            Exit { code: 0, .. } => "Completed",
            Exit { .. } => "Error",
        },
        message,
        started: run.started,
        finished: exit.at,
    }
}
