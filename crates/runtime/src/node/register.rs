//! The Node object and its heartbeat lease.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use api::kinds;
use api::store::{Patch, StoreError};
use base::ObjectKey;
use serde_json::{Value, json};

use crate::pod::Shared;
use crate::time;

const HEARTBEAT: Duration = Duration::from_secs(10);
const LEASE_NAMESPACE: &str = "kube-node-lease";
const PODS: &str = "250";

/// Thousandths of CPUs, and bytes of memory.
pub(super) fn capacity() -> (u64, u64) {
    let cpus = std::thread::available_parallelism().map_or(1, |n| n.get() as u64);
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let total = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kib = total
        .and_then(|rest| rest.trim().trim_end_matches(" kB").parse::<u64>().ok())
        .unwrap_or(0);
    (cpus * 1000, kib * 1024)
}

/// Keeps the objects alive.
pub(super) async fn run(
    shared: Arc<Shared>,
    labels: BTreeMap<String, String>,
    cidr: (Ipv4Addr, u8),
    port: u16,
) {
    let started = time::now();
    loop {
        let written = register(&shared, &labels, cidr, port, started).await;
        let wait = match written {
            Ok(()) => {
                if let Err(error) = renew(&shared).await {
                    tracing::debug!(%error, "lease not renewed");
                }
                HEARTBEAT
            }
            Err(error) => {
                tracing::debug!(%error, "node not registered");
                Duration::from_millis(500)
            }
        };
        tokio::time::sleep(wait).await;
    }
}

async fn register(
    shared: &Shared,
    labels: &BTreeMap<String, String>,
    cidr: (Ipv4Addr, u8),
    port: u16,
    started: i64,
) -> Result<(), StoreError> {
    let name = shared.node_name.as_str();
    let key = ObjectKey::new("", name);
    let store = &shared.store;
    let spec = json!({ "podCIDR": format!("{}/{}", cidr.0, cidr.1), "podCIDRs": [format!("{}/{}", cidr.0, cidr.1)] });
    let mut all = labels.clone();
    let arch = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    for (label, value) in [
        ("kubernetes.io/hostname", name),
        ("kubernetes.io/os", "linux"),
        ("kubernetes.io/arch", arch),
    ] {
        all.entry(label.into()).or_insert_with(|| value.into());
    }
    match store.get(&kinds::NODE, &key).await {
        Ok(_) => {}
        Err(StoreError::NotFound(_)) => {
            let node = json!({
                "apiVersion": "v1", "kind": "Node",
                "metadata": { "name": name, "labels": all },
                "spec": spec,
            });
            match store.create(&kinds::NODE, node).await {
                Ok(_) | Err(StoreError::AlreadyExists(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Err(error) => return Err(error),
    }
    store
        .patch_status(
            &kinds::NODE,
            &key,
            Patch::Merge(json!({ "status": status(shared, port, started) })),
        )
        .await?;
    Ok(())
}

fn status(shared: &Shared, port: u16, started: i64) -> Value {
    let (milli, memory) = shared.capacity;
    let resources = json!({ "cpu": format!("{milli}m"), "memory": format!("{}Ki", memory / 1024), "pods": PODS });
    let condition = |kind: &str, status: &str, reason: &str, message: &str| {
        json!({
            "type": kind, "status": status, "reason": reason, "message": message,
            "lastHeartbeatTime": time::format(time::now()), "lastTransitionTime": time::format(started),
        })
    };
    let uname = nix::sys::utsname::uname().ok();
    let kernel = uname
        .as_ref()
        .and_then(|uname| uname.release().to_str())
        .unwrap_or_default();
    let version = concat!("v1.32.0-ferromesh.", env!("CARGO_PKG_VERSION"));
    json!({
        "capacity": resources,
        "allocatable": resources,
        "addresses": [
            { "type": "InternalIP", "address": shared.node_ip.to_string() },
            { "type": "Hostname", "address": shared.node_name },
        ],
        "daemonEndpoints": { "kubeletEndpoint": { "Port": port } },
        "conditions": [
            condition("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
            condition("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
            condition("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
            condition("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
        ],
        "nodeInfo": {
            "architecture": std::env::consts::ARCH, "operatingSystem": "linux", "kernelVersion": kernel,
            "osImage": "the host", "containerRuntimeVersion": concat!("ferromesh://", env!("CARGO_PKG_VERSION")),
            "kubeletVersion": version, "kubeProxyVersion": version,
            "machineID": "", "systemUUID": "", "bootID": "",
        },
    })
}

async fn renew(shared: &Shared) -> Result<(), StoreError> {
    let name = shared.node_name.as_str();
    let key = ObjectKey::new(LEASE_NAMESPACE, name);
    let spec = json!({
        "holderIdentity": name, "leaseDurationSeconds": 40, "renewTime": time::format_micro(time::now()),
    });
    let patch = Patch::Merge(json!({ "spec": spec }));
    match shared.store.patch(&kinds::LEASE, &key, patch).await {
        Err(StoreError::NotFound(_)) => {
            let lease = json!({
                "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
                "metadata": { "name": name, "namespace": LEASE_NAMESPACE },
                "spec": spec,
            });
            shared.store.create(&kinds::LEASE, lease).await.map(|_| ())
        }
        other => other.map(|_| ()),
    }
}
