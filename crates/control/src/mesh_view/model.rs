//! What the mesh consists of, independent of how Kubernetes or Istio write it.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use base::{ContentHash, ObjectRef, Protocol};

use crate::node::Locality;

/// Namespaces to which an object is visible.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ExportTo {
    Everywhere,
    /// `~`: nowhere.
    Nowhere,
    Namespaces(Vec<Arc<str>>),
}

impl ExportTo {
    /// Reads an `exportTo` list; `.` stands for `own`. An empty list means `default`.
    #[must_use]
    pub fn parse(list: &[String], own: &str, default: &[String]) -> Self {
        let list = if list.is_empty() { default } else { list };
        if list.is_empty() || list.iter().any(|item| item == "*") {
            return Self::Everywhere;
        }
        let namespaces: Vec<Arc<str>> = list
            .iter()
            .filter(|item| *item != "~")
            .map(|item| {
                if item == "." {
                    own.into()
                } else {
                    item.as_str().into()
                }
            })
            .collect();
        if namespaces.is_empty() {
            Self::Nowhere
        } else {
            Self::Namespaces(namespaces)
        }
    }

    /// Whether a proxy in `namespace` may see the object.
    #[must_use]
    pub fn allows(&self, namespace: &str) -> bool {
        match self {
            Self::Everywhere => true,
            Self::Nowhere => false,
            Self::Namespaces(list) => list.iter().any(|item| &**item == namespace),
        }
    }
}

/// How a client finds the endpoints of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Resolution {
    /// From the control plane (Istio's `ClientSideLB`).
    Endpoints,
    /// The application resolved it; connections go where they were going (`Passthrough`).
    Passthrough,
}

/// A port of a service.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Port {
    pub name: Arc<str>,
    pub number: u32,
    pub protocol: Protocol,
    /// Where the workload listens.
    pub target: TargetPort,
}

/// `targetPort` of a service.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum TargetPort {
    Number(u32),
    /// The name of a container's port.
    Name(Arc<str>),
}

/// A service of the mesh: a Kubernetes Service, or one host of a ServiceEntry.
#[derive(Debug, Clone)]
pub struct Service {
    pub hostname: Arc<str>,
    pub name: Arc<str>,
    pub namespace: Arc<str>,
    pub origin: ObjectRef,
    pub created: i64,
    /// Virtual addresses and, for ServiceEntries, ranges. Empty for headless services.
    pub addresses: Vec<ipnet::IpNet>,
    pub ports: Vec<Port>,
    pub resolution: Resolution,
    /// A Kubernetes service without a virtual address.
    pub headless: bool,
    /// A ServiceEntry with `location: MESH_EXTERNAL`.
    pub external: bool,
    pub export_to: ExportTo,
    /// Pods that the service selects; `None` selects nothing.
    pub selector: Option<BTreeMap<String, String>>,
    /// Names that servers may present instead of their identity (ServiceEntry `subjectAltNames`).
    pub subject_alt_names: Vec<String>,
    pub hash: ContentHash,
}

impl Service {
    /// Whether it came from Kubernetes.
    #[must_use]
    pub fn is_kubernetes(&self) -> bool {
        &*self.origin.kind == "Service"
    }

    /// The port with this number.
    #[must_use]
    pub fn port(&self, number: u32) -> Option<&Port> {
        self.ports.iter().find(|port| port.number == number)
    }

    /// Single virtual addresses, in order.
    pub fn hosts(&self) -> impl Iterator<Item = IpAddr> + '_ {
        self.addresses
            .iter()
            .filter(|net| net.prefix_len() == net.max_prefix_len())
            .map(ipnet::IpNet::addr)
    }

    /// Whether the service selects a workload with these labels.
    #[must_use]
    pub fn selects(&self, namespace: &str, labels: &BTreeMap<String, String>) -> bool {
        &*self.namespace == namespace
            && self
                .selector
                .as_ref()
                .is_some_and(|selector| !selector.is_empty() && subset_of(selector, labels))
    }
}

/// Whether each of `wanted` is among `labels`.
#[must_use]
pub fn subset_of(wanted: &BTreeMap<String, String>, labels: &BTreeMap<String, String>) -> bool {
    wanted
        .iter()
        .all(|(key, value)| labels.get(key) == Some(value))
}

/// What is known of the workload behind an endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Workload {
    /// Name of the Deployment or of the pod.
    pub name: Arc<str>,
    pub namespace: Arc<str>,
    pub labels: BTreeMap<String, String>,
    pub service_account: Arc<str>,
    pub locality: Locality,
    /// Whether a sidecar takes mutual TLS for it (label `security.istio.io/tlsMode: istio`).
    pub mesh_tls: bool,
    /// The pod or WorkloadEntry host it was read from, if any.
    pub pod: Option<Arc<str>>,
}

impl Workload {
    /// `app`-like name for telemetry (`service.istio.io/canonical-name`, `app.kubernetes.io/name`, `app`, else the workload).
    #[must_use]
    pub fn canonical_name(&self) -> &str {
        [
            "service.istio.io/canonical-name",
            "app.kubernetes.io/name",
            "app",
        ]
        .iter()
        .find_map(|key| self.labels.get(*key))
        .map_or(&self.name, String::as_str)
    }

    /// Version for telemetry (`service.istio.io/canonical-revision`, `app.kubernetes.io/version`, `version`, else `latest`).
    #[must_use]
    pub fn canonical_revision(&self) -> &str {
        [
            "service.istio.io/canonical-revision",
            "app.kubernetes.io/version",
            "version",
        ]
        .iter()
        .find_map(|key| self.labels.get(*key))
        .map_or("latest", String::as_str)
    }
}

/// One ready endpoint of a service port.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Endpoint {
    pub address: IpAddr,
    pub port: u32,
    pub weight: u32,
    pub workload: Arc<Workload>,
}

/// The ready endpoints of a service, by service port.
#[derive(Debug, Clone, Default)]
pub struct EndpointSet {
    pub by_port: BTreeMap<u32, Vec<Endpoint>>,
    pub hash: ContentHash,
}

impl EndpointSet {
    /// Endpoints of one port.
    #[must_use]
    pub fn of(&self, port: u32) -> &[Endpoint] {
        self.by_port.get(&port).map_or(&[], Vec::as_slice)
    }
}

/// Effective mutual TLS of a workload's port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum MtlsMode {
    Disable,
    /// Istio's default (`pilot/pkg/model/authentication.go`).
    #[default]
    Permissive,
    Strict,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(items: &[&str]) -> Vec<String> {
        items.iter().map(|item| (*item).to_owned()).collect()
    }

    #[test]
    fn export_to_reads_dots_stars_and_tildes() {
        let of = |items: &[&str]| ExportTo::parse(&list(items), "a", &[]);
        assert!(of(&[]).allows("b"));
        assert!(of(&["*"]).allows("b"));
        assert!(of(&["."]).allows("a") && !of(&["."]).allows("b"));
        assert!(of(&[".", "b"]).allows("b"));
        assert!(!of(&["~"]).allows("a"));
        assert!(
            !ExportTo::parse(&[], "a", &list(&["."])).allows("b"),
            "the mesh's default"
        );
    }
}
