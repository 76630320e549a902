//! Makes or finds a pod's sandbox and fills its volumes.

use std::io;
use std::sync::Arc;

use k8s_openapi::api::core::v1::PodSpec;
use tokio::sync::Mutex;

use super::container::fs_group;
use super::sandbox::{Record, Sandbox, Sandboxes};
use super::{Shared, etc};
use crate::facts::Facts;
use crate::shim::protocol::PodConfig;
use crate::source::Sources;
use crate::volume::{self, Origin, Tokens, payload_of};

/// What went wrong, as an event says it.
#[derive(Debug, Clone)]
pub(super) struct Failure {
    pub(super) reason: &'static str,
    pub(super) message: String,
    /// The sandbox, when it was there already.
    pub(super) sandbox: Option<Sandbox>,
}

/// Brings the pod to where its first container can start.
pub(super) async fn prepare(
    shared: Arc<Shared>,
    facts: Facts,
    tokens: Arc<Mutex<Tokens>>,
    existing: Option<Sandbox>,
) -> Result<Sandbox, Failure> {
    let failed = |reason, message: String, sandbox| Failure {
        reason,
        message,
        sandbox,
    };
    let spec = facts.pod.spec.clone().unwrap_or_default();
    let sandbox = match existing {
        Some(sandbox) => sandbox,
        None => {
            let (shared, facts, spec) = (shared.clone(), facts.clone(), spec.clone());
            let made = tokio::task::spawn_blocking(move || create(&shared, &facts, &spec)).await;
            made.map_err(io::Error::other)
                .and_then(|made| made)
                .map_err(|error| failed("FailedCreatePodSandBox", error.to_string(), None))?
        }
    };
    let mounted = provide(&shared, &facts, &spec, &tokens, &sandbox).await;
    mounted.map_err(|message| failed("FailedMount", message, Some(sandbox.clone())))?;
    Ok(sandbox)
}

fn create(shared: &Shared, facts: &Facts, spec: &PodSpec) -> io::Result<Sandbox> {
    let host_network = spec.host_network == Some(true);
    let record = Record {
        namespace: facts.namespace().into(),
        name: facts.name().into(),
        uid: facts.uid().into(),
        ip: facts.pod_ip,
        host_network,
        node_namespace: Sandboxes::node_namespace()?,
    };
    let config = PodConfig {
        hostname: facts.hostname(),
        memory: volume::memory_file_systems(spec),
        host_ipc: spec.host_ipc == Some(true),
    };
    let sandbox = shared.sandboxes.create(record, &config)?;
    etc::write(&sandbox.directory, facts, spec, &shared.dns)?;
    Ok(sandbox)
}

async fn provide(
    shared: &Shared,
    facts: &Facts,
    spec: &PodSpec,
    tokens: &Mutex<Tokens>,
    sandbox: &Sandbox,
) -> Result<(), String> {
    let group = fs_group(spec);
    let inside = sandbox.inside();
    for item in spec.volumes.iter().flatten() {
        let origin = volume::origin(item)?;
        // An emptyDir on disk lies outside the shim's memory file systems, and is the same from here.
        let explain = |error: io::Error| {
            format!(
                "MountVolume.SetUp failed for volume {:?}: {error}",
                item.name
            )
        };
        volume::provide(item, &origin, &inside, group).map_err(explain)?;
    }
    refresh(shared, facts, tokens, sandbox).await.map(|_| ())
}

/// Writes what comes from the API anew. Returns when a token is due, in Unix seconds.
pub(super) async fn refresh(
    shared: &Shared,
    facts: &Facts,
    tokens: &Mutex<Tokens>,
    sandbox: &Sandbox,
) -> Result<Option<i64>, String> {
    let spec = facts.pod.spec.clone().unwrap_or_default();
    let group = fs_group(&spec);
    let sources = Sources {
        store: shared.store.clone(),
        namespace: facts.namespace().into(),
    };
    let mut tokens = tokens.lock().await;
    for item in spec.volumes.iter().flatten() {
        let explain = |error: String| {
            format!(
                "MountVolume.SetUp failed for volume {:?}: {error}",
                item.name
            )
        };
        let Some(files) = payload_of(item, facts, &sources, &mut tokens)
            .await
            .map_err(explain)?
        else {
            continue;
        };
        let Origin::Api(path) = volume::origin(item)? else {
            continue;
        };
        let directory = sandbox.inside().join(path);
        volume::atomic::write(&directory, &files, group)
            .map_err(|error| explain(error.to_string()))?;
    }
    Ok(tokens.refresh_at())
}
