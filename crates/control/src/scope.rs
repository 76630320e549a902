//! One proxy looking at the mesh: what it sees, and what generation has to say about it.

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use base::{Hostname, ObjectRef};

use crate::mesh_view::MeshView;
use crate::mesh_view::model::{MtlsMode, Port, Service, TargetPort};
use crate::mesh_view::settings::MeshSettings;
use crate::mesh_view::virtual_service::VirtualService;
use crate::node::NodeInfo;

/// Something that the owner of an object should know; it stands in the object's status.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Warning {
    pub object: ObjectRef,
    /// One word, as Kubernetes' conditions have it.
    pub reason: &'static str,
    pub message: String,
}

/// A port of a workload that a service names.
#[derive(Debug, Clone)]
pub(crate) struct InboundPort {
    /// Where the workload listens.
    pub(crate) target: u32,
    pub(crate) port: Port,
    pub(crate) service: Arc<Service>,
}

/// A proxy's view of the mesh.
pub(crate) struct Scope<'a> {
    pub(crate) view: &'a MeshView,
    pub(crate) node: &'a NodeInfo,
    services: Vec<Arc<Service>>,
    by_host: HashMap<Arc<str>, Arc<Service>>,
    /// VirtualServices of the sidecars, oldest first.
    mesh_rules: Vec<Arc<VirtualService>>,
    exact: HashMap<Hostname, Vec<usize>>,
    wildcards: Vec<(Hostname, usize)>,
    warnings: RefCell<Vec<Warning>>,
}

impl<'a> Scope<'a> {
    pub(crate) fn new(view: &'a MeshView, node: &'a NodeInfo) -> Self {
        let services = view.visible_services(&node.namespace);
        let by_host = services
            .iter()
            .map(|service| (Arc::clone(&service.hostname), Arc::clone(service)))
            .collect();
        let mesh_rules: Vec<Arc<VirtualService>> = view
            .virtual_services()
            .iter()
            .filter(|rules| rules.is_for_mesh() && rules.export_to.allows(&node.namespace))
            .cloned()
            .collect();
        let mut exact: HashMap<Hostname, Vec<usize>> = HashMap::new();
        let mut wildcards = Vec::new();
        for (index, rules) in mesh_rules.iter().enumerate() {
            for host in &rules.hosts {
                if host.is_wildcard() {
                    wildcards.push((host.clone(), index));
                } else {
                    exact.entry(host.clone()).or_default().push(index);
                }
            }
        }
        // Stable: of equal hosts the older VirtualService stays first.
        wildcards.sort_by(|a, b| Hostname::by_specificity(&a.0, &b.0));
        Self {
            view,
            node,
            services,
            by_host,
            mesh_rules,
            exact,
            wildcards,
            warnings: RefCell::default(),
        }
    }

    pub(crate) fn settings(&self) -> &MeshSettings {
        self.view.settings()
    }

    /// Visible services, oldest first.
    pub(crate) fn services(&self) -> &[Arc<Service>] {
        &self.services
    }

    pub(crate) fn service(&self, host: &str) -> Option<&Arc<Service>> {
        self.by_host.get(host)
    }

    /// VirtualServices of the sidecars, oldest first.
    pub(crate) fn mesh_virtual_services(&self) -> &[Arc<VirtualService>] {
        &self.mesh_rules
    }

    /// VirtualServices of the sidecars for a host: the most specific host first, then the oldest.
    pub(crate) fn virtual_services_for(
        &self,
        host: &str,
    ) -> impl Iterator<Item = &Arc<VirtualService>> {
        let host = Hostname::parse(host).ok();
        let exact = host
            .as_ref()
            .and_then(|host| self.exact.get(host))
            .into_iter()
            .flatten()
            .copied();
        let wild = self
            .wildcards
            .iter()
            .filter(move |(wildcard, _)| {
                host.as_ref()
                    .is_some_and(|host| wildcard != host && wildcard.covers(host))
            })
            .map(|(_, index)| *index);
        exact.chain(wild).map(|index| &self.mesh_rules[index])
    }

    /// The first of them that passes a test.
    pub(crate) fn virtual_service_for(
        &self,
        host: &str,
        test: impl Fn(&VirtualService) -> bool,
    ) -> Option<&Arc<VirtualService>> {
        self.virtual_services_for(host).find(|rules| test(rules))
    }

    /// Whether the proxy speaks IPv4; a proxy with both families is served in IPv4.
    pub(crate) fn is_ipv4(&self) -> bool {
        self.node.addresses.is_empty() || self.node.addresses.iter().any(IpAddr::is_ipv4)
    }

    /// The address that stands for all.
    pub(crate) fn wildcard(&self) -> &'static str {
        if self.is_ipv4() { "0.0.0.0" } else { "::" }
    }

    /// Whether an address is of the proxy's family.
    pub(crate) fn speaks(&self, address: IpAddr) -> bool {
        address.is_ipv4() == self.is_ipv4()
    }

    /// The mutual TLS mode of one of the workload's own ports.
    pub(crate) fn mtls(&self, port: Option<u32>) -> (MtlsMode, Vec<ObjectRef>) {
        self.view
            .peer_policies()
            .mode(&self.node.namespace, &self.node.labels, port)
    }

    pub(crate) fn warn(&self, warning: Warning) {
        let mut warnings = self.warnings.borrow_mut();
        if !warnings.contains(&warning) {
            warnings.push(warning);
        }
    }

    /// A mark in the list of warnings.
    pub(crate) fn warnings_so_far(&self) -> usize {
        self.warnings.borrow().len()
    }

    /// The warnings since a mark.
    pub(crate) fn warnings_since(&self, mark: usize) -> Vec<Warning> {
        self.warnings.borrow()[mark..].to_vec()
    }

    /// The ports of the workload that services name, by the port that it listens on. Of two services with the same one
    /// the older decides how it is treated.
    pub(crate) fn inbound_ports(&self) -> Vec<InboundPort> {
        let mut ports: Vec<InboundPort> = Vec::new();
        for service in self.view.services() {
            if !service.selects(&self.node.namespace, &self.node.labels) {
                continue;
            }
            for port in service
                .ports
                .iter()
                .filter(|port| port.protocol != base::Protocol::Udp)
            {
                let Some(target) = self.target(&port.target) else {
                    continue;
                };
                if ports.iter().all(|known| known.target != target) {
                    ports.push(InboundPort {
                        target,
                        port: port.clone(),
                        service: Arc::clone(service),
                    });
                }
            }
        }
        ports.sort_by_key(|port| port.target);
        ports
    }

    /// The ports that the proxy's own services map to, by service port.
    pub(crate) fn target_ports(&self) -> HashMap<u32, Vec<u32>> {
        let mut map: HashMap<u32, Vec<u32>> = HashMap::new();
        for service in self.view.services() {
            if !service.is_kubernetes() || !service.selects(&self.node.namespace, &self.node.labels)
            {
                continue;
            }
            for port in &service.ports {
                if let Some(target) = self.target(&port.target) {
                    let targets = map.entry(port.number).or_default();
                    if !targets.contains(&target) {
                        targets.push(target);
                    }
                }
            }
        }
        map
    }

    /// A named port is one of the pod's containers'.
    fn target(&self, target: &TargetPort) -> Option<u32> {
        match target {
            TargetPort::Number(number) => Some(*number),
            TargetPort::Name(name) => {
                let pod = self.view.pod(&self.node.namespace, &self.node.name)?;
                let spec = pod.spec.spec.as_ref()?;
                let sidecars = spec.init_containers.iter().flatten();
                let containers = spec.containers.iter().chain(sidecars);
                let mut ports = containers.flat_map(|container| container.ports.iter().flatten());
                let port = ports.find(|port| port.name.as_deref() == Some(&**name))?;
                u32::try_from(port.container_port).ok()
            }
        }
    }
}
