//! What is known of the workload behind an address.

use std::sync::Arc;

use api::istio::WorkloadEntry;
use api::snapshot::{Resource, Snapshot};
use base::ObjectKey;
use k8s_openapi::api::core::v1 as core;
use k8s_openapi::api::discovery::v1 as discovery;

use super::model::Workload;
use crate::node::Locality;

/// Label that the injector sets on pods whose proxy takes mutual TLS.
const TLS_MODE: &str = "security.istio.io/tlsMode";

/// Finds workloads in a snapshot.
pub(crate) struct Workloads<'a>(pub(crate) &'a Snapshot);

impl Workloads<'_> {
    /// The workload of an EndpointSlice's endpoint: its pod, by reference or by address, or nothing but a place.
    pub(crate) fn of_endpoint(
        &self,
        endpoint: &discovery::Endpoint,
        namespace: &str,
    ) -> Arc<Workload> {
        let referred = endpoint
            .target_ref
            .as_ref()
            .filter(|target| target.kind.as_deref() == Some("Pod"))
            .and_then(|target| {
                let namespace = target.namespace.as_deref().unwrap_or(namespace);
                self.0
                    .pods
                    .get(&ObjectKey::new(namespace, target.name.as_deref()?))
            });
        let at_address = || {
            let address = endpoint.addresses.first()?;
            let mut pods = self.0.indices.pods_at(address);
            // Pods of the host's network share an address and cannot be told apart.
            let only = pods.next()?;
            if pods.next().is_some() {
                None
            } else {
                self.0.pods.get(only)
            }
        };
        match referred.or_else(at_address) {
            Some(pod) => self.of_pod(pod),
            None => Arc::new(Workload {
                namespace: namespace.into(),
                locality: endpoint
                    .node_name
                    .as_deref()
                    .map(|node| self.locality(node))
                    .unwrap_or_default(),
                ..Workload::default()
            }),
        }
    }

    /// The workload of a pod.
    pub(crate) fn of_pod(&self, pod: &Resource<core::Pod>) -> Arc<Workload> {
        let spec = pod.spec.spec.as_ref();
        let account = spec
            .and_then(|spec| spec.service_account_name.as_deref())
            .filter(|name| !name.is_empty());
        Arc::new(Workload {
            name: owner(pod),
            namespace: Arc::clone(&pod.meta.key.namespace),
            labels: pod.meta.labels.clone(),
            service_account: account.unwrap_or("default").into(),
            locality: pod
                .meta
                .labels
                .get("istio-locality")
                // Labels cannot hold slashes.
                .map(|text| parse_locality(&text.replace('.', "/")))
                .or_else(|| {
                    spec.and_then(|spec| spec.node_name.as_deref())
                        .map(|node| self.locality(node))
                })
                .unwrap_or_default(),
            mesh_tls: pod
                .meta
                .labels
                .get(TLS_MODE)
                .is_some_and(|mode| mode == "istio"),
            pod: Some(Arc::clone(&pod.meta.key.name)),
        })
    }

    fn locality(&self, node: &str) -> Locality {
        let Some(node) = self.0.nodes.get(&ObjectKey::new("", node)) else {
            return Locality::default();
        };
        let label = |key: &str| -> Arc<str> {
            node.meta
                .labels
                .get(key)
                .map_or_else(|| "".into(), |value| value.as_str().into())
        };
        Locality {
            region: label("topology.kubernetes.io/region"),
            zone: label("topology.kubernetes.io/zone"),
            sub_zone: label("topology.istio.io/subzone"),
        }
    }
}

/// Name of what manages a pod: the Deployment above its ReplicaSet, the controller itself, or the pod
/// (`pkg/kube/inject`, `GetWorkloadMetaFromPod`).
fn owner(pod: &Resource<core::Pod>) -> Arc<str> {
    let controller = pod
        .spec
        .metadata
        .owner_references
        .iter()
        .flatten()
        .find(|owner| owner.controller == Some(true));
    let Some(controller) = controller else {
        return Arc::clone(&pod.meta.key.name);
    };
    if controller.kind == "ReplicaSet"
        && let Some(hash) = pod.meta.labels.get("pod-template-hash")
        && let Some(deployment) = controller
            .name
            .strip_suffix(hash.as_str())
            .and_then(|name| name.strip_suffix('-'))
    {
        return deployment.into();
    }
    controller.name.as_str().into()
}

/// Whether a pod is ready and stays.
pub(crate) fn is_ready(pod: &core::Pod) -> bool {
    pod.metadata.deletion_timestamp.is_none()
        && pod
            .status
            .as_ref()
            .and_then(|status| status.conditions.as_ref())
            .into_iter()
            .flatten()
            .any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

/// The workload of a ServiceEntry's endpoint.
pub(crate) fn of_entry(entry: &WorkloadEntry, namespace: &str, name: &str) -> Workload {
    Workload {
        name: name.into(),
        namespace: namespace.into(),
        labels: entry.labels.clone(),
        service_account: entry.service_account.as_str().into(),
        locality: parse_locality(&entry.locality),
        mesh_tls: entry
            .labels
            .get(TLS_MODE)
            .is_some_and(|mode| mode == "istio"),
        pod: None,
    }
}

/// `region/zone/subzone`
fn parse_locality(text: &str) -> Locality {
    let mut parts = text.splitn(3, '/').map(Arc::from);
    Locality {
        region: parts.next().unwrap_or_default(),
        zone: parts.next().unwrap_or_default(),
        sub_zone: parts.next().unwrap_or_default(),
    }
}
