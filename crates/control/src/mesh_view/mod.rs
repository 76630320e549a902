//! Everything that generation reads of a snapshot, indexed once for all proxies.
//!
//! A view is built from the one before it: what came from an unchanged object is taken over as it is, and
//! every table has a content hash, so that generation can tell which resources a change may touch.

pub mod destination_rule;
pub mod gateway;
pub mod model;
pub mod peer_policy;
mod registry;
pub mod settings;
pub(crate) mod telemetry;
pub mod virtual_service;
pub(crate) mod workload;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use api::snapshot::{Resource, Snapshot};
use base::{ContentHash, ContentHasher, Hostname, ObjectKey};
use k8s_openapi::api::core::v1 as core;

use self::destination_rule::{DestinationRule, DestinationRules, EffectiveRule};
use self::gateway::Gateway;
use self::model::{EndpointSet, MtlsMode, Service};
use self::peer_policy::PeerPolicies;
use self::settings::MeshSettings;
use self::telemetry::{AccessLogs, Logs};
use self::virtual_service::VirtualService;
use self::workload::Workloads;
use crate::generate::Warning;
use crate::listener::http::Side;

/// Content hashes of the tables of a view.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TableHashes {
    pub mesh: ContentHash,
    pub services: ContentHash,
    /// Endpoints of services that are bound to the addresses of their pods.
    pub headless_endpoints: ContentHash,
    pub endpoints: ContentHash,
    pub virtual_services: ContentHash,
    pub destination_rules: ContentHash,
    pub gateways: ContentHash,
    pub peer_policies: ContentHash,
    pub telemetry: ContentHash,
}

/// An indexed snapshot.
#[derive(Debug)]
pub struct MeshView {
    pub(crate) snapshot: Arc<Snapshot>,
    settings: Arc<MeshSettings>,
    /// Oldest first.
    services: Vec<Arc<Service>>,
    by_host: HashMap<Arc<str>, Vec<Arc<Service>>>,
    endpoints: HashMap<(Arc<str>, Arc<str>), Arc<EndpointSet>>,
    /// Oldest first.
    virtual_services: Vec<Arc<VirtualService>>,
    destination_rules: DestinationRules,
    /// Oldest first.
    gateways: Vec<Arc<Gateway>>,
    peer_policies: PeerPolicies,
    access_logs: AccessLogs,
    hashes: TableHashes,
    asks_for_labels: bool,
}

impl MeshView {
    /// Indexes a snapshot; what did not change is taken from `previous`.
    #[must_use]
    pub fn new(snapshot: &Arc<Snapshot>, previous: Option<&Self>) -> Self {
        let settings = match previous {
            Some(previous) if Arc::ptr_eq(&previous.snapshot.mesh, &snapshot.mesh) => {
                Arc::clone(&previous.settings)
            }
            _ => Arc::new(MeshSettings::new(&snapshot.mesh)),
        };
        let previous = previous.filter(|previous| previous.settings.hash == settings.hash);
        let services = services(snapshot, &settings, previous);
        let endpoints = endpoints(snapshot, &services);
        let virtual_services = virtual_services(snapshot, &settings, previous);
        let destination_rules = destination_rules(snapshot, &settings, previous);
        let gateways = gateways(snapshot, previous);
        let peer_policies = PeerPolicies::new(
            snapshot.peer_authentications.values(),
            &settings.root_namespace,
        );
        let access_logs = AccessLogs::new(
            &snapshot.mesh,
            snapshot.telemetries.values(),
            &settings.root_namespace,
        );
        let hashes = TableHashes {
            virtual_services: hash_of(virtual_services.iter().map(|rules| rules.hash)),
            destination_rules: hash_of(destination_rules.iter().map(|rule| rule.hash)),
            gateways: hash_of(gateways.iter().map(|gateway| gateway.hash)),
            ..registry_hashes(snapshot, &settings, &services, &endpoints)
        };
        let mut by_host: HashMap<Arc<str>, Vec<Arc<Service>>> = HashMap::new();
        for service in &services {
            by_host
                .entry(Arc::clone(&service.hostname))
                .or_default()
                .push(Arc::clone(service));
        }
        Self {
            asks_for_labels: virtual_services.iter().any(|rules| rules.asks_for_labels())
                || destination_rules
                    .iter()
                    .any(|rule| !rule.selector.is_empty()),
            snapshot: Arc::clone(snapshot),
            settings,
            services,
            by_host,
            endpoints,
            virtual_services,
            destination_rules: DestinationRules::new(destination_rules),
            gateways,
            peer_policies,
            access_logs,
            hashes,
        }
    }

    /// Mesh-wide settings.
    #[must_use]
    pub fn settings(&self) -> &MeshSettings {
        &self.settings
    }

    /// Content hashes of the tables.
    #[must_use]
    pub fn hashes(&self) -> TableHashes {
        self.hashes
    }

    /// Whether the labels of a client's pod can make a difference to what it sends.
    #[must_use]
    pub fn asks_for_labels(&self) -> bool {
        self.asks_for_labels
    }

    /// All services, oldest first.
    #[must_use]
    pub fn services(&self) -> &[Arc<Service>] {
        &self.services
    }

    /// What a proxy in `namespace` sees, oldest first: of services with the same host its own namespace's, then
    /// Kubernetes', then the oldest.
    #[must_use]
    pub fn visible_services(&self, namespace: &str) -> Vec<Arc<Service>> {
        self.services
            .iter()
            .filter(|service| {
                service.export_to.allows(namespace)
                    && self
                        .service(&service.hostname, namespace)
                        .is_some_and(|best| Arc::ptr_eq(best, service))
            })
            .cloned()
            .collect()
    }

    /// The service that `host` means to a proxy in `namespace`.
    #[must_use]
    pub fn service(&self, host: &str, namespace: &str) -> Option<&Arc<Service>> {
        self.by_host
            .get(host)?
            .iter()
            .filter(|service| service.export_to.allows(namespace))
            .min_by_key(|service| (&*service.namespace != namespace, !service.is_kubernetes()))
    }

    /// Ready endpoints of a service.
    #[must_use]
    pub fn endpoints(&self, service: &Service) -> &EndpointSet {
        static NONE: std::sync::LazyLock<EndpointSet> =
            std::sync::LazyLock::new(EndpointSet::default);
        self.endpoints.get(&id(service)).map_or(&NONE, |set| set)
    }

    /// VirtualServices, oldest first.
    #[must_use]
    pub fn virtual_services(&self) -> &[Arc<VirtualService>] {
        &self.virtual_services
    }

    /// VirtualServices bound to a gateway that a proxy in `namespace` may see, oldest first.
    pub fn virtual_services_of<'a>(
        &'a self,
        gateway: &'a str,
        namespace: &'a str,
    ) -> impl Iterator<Item = &'a Arc<VirtualService>> + 'a {
        self.virtual_services.iter().filter(move |rules| {
            rules.gateways.iter().any(|name| name == gateway) && rules.export_to.allows(namespace)
        })
    }

    /// All DestinationRules.
    #[must_use]
    pub fn destination_rules(&self) -> &DestinationRules {
        &self.destination_rules
    }

    /// The DestinationRule in force for a service, as a client sees it.
    #[must_use]
    pub fn destination_rule(
        &self,
        service: &Service,
        client: (&str, &BTreeMap<String, String>),
    ) -> Option<EffectiveRule> {
        let host = Hostname::parse(&service.hostname).ok()?;
        self.destination_rules.effective(
            &host,
            &service.namespace,
            client,
            &self.settings.root_namespace,
        )
    }

    /// Gateways, oldest first.
    #[must_use]
    pub fn gateways(&self) -> &[Arc<Gateway>] {
        &self.gateways
    }

    /// PeerAuthentications.
    #[must_use]
    pub fn peer_policies(&self) -> &PeerPolicies {
        &self.peer_policies
    }

    /// The mutual TLS mode of a workload's port.
    #[must_use]
    pub fn mtls_mode(
        &self,
        namespace: &str,
        labels: &BTreeMap<String, String>,
        port: u32,
    ) -> MtlsMode {
        self.peer_policies.mode(namespace, labels, Some(port)).0
    }

    /// What is odd about objects, whatever proxy looks at them.
    #[must_use]
    pub fn warnings(&self) -> Vec<Warning> {
        self.access_logs.warnings()
    }

    pub(crate) fn access_log(
        &self,
        namespace: &str,
        labels: &BTreeMap<String, String>,
        side: Side,
    ) -> Logs {
        self.access_logs.of(namespace, labels, side)
    }

    /// A pod of the snapshot.
    #[must_use]
    pub fn pod(&self, namespace: &str, name: &str) -> Option<&Arc<Resource<core::Pod>>> {
        self.snapshot.pods.get(&ObjectKey::new(namespace, name))
    }

    /// A Secret of the snapshot.
    #[must_use]
    pub fn secret(&self, namespace: &str, name: &str) -> Option<&Arc<Resource<core::Secret>>> {
        self.snapshot.secrets.get(&ObjectKey::new(namespace, name))
    }
}

fn id(service: &Service) -> (Arc<str>, Arc<str>) {
    (
        Arc::clone(&service.namespace),
        Arc::clone(&service.hostname),
    )
}

/// Hashes of the tables that are not made of rules.
fn registry_hashes(
    snapshot: &Snapshot,
    settings: &MeshSettings,
    services: &[Arc<Service>],
    endpoints: &HashMap<(Arc<str>, Arc<str>), Arc<EndpointSet>>,
) -> TableHashes {
    let of = |wanted: fn(&Service) -> bool| {
        let services = services.iter().filter(|service| wanted(service));
        let sets = services.filter_map(|service| endpoints.get(&id(service)));
        hash_of(sets.map(|set| set.hash))
    };
    TableHashes {
        mesh: settings.hash,
        services: hash_of(services.iter().map(|service| service.hash)),
        endpoints: of(|_| true),
        headless_endpoints: of(|service| service.headless),
        peer_policies: hash_of(
            snapshot
                .peer_authentications
                .values()
                .map(|policy| policy.hash),
        ),
        telemetry: hash_of(
            snapshot
                .telemetries
                .values()
                .map(|telemetry| telemetry.hash),
        ),
        ..TableHashes::default()
    }
}

fn hash_of(hashes: impl Iterator<Item = ContentHash>) -> ContentHash {
    let mut hasher = ContentHasher::default();
    for hash in hashes {
        hasher.write(&hash.0.to_le_bytes());
    }
    hasher.finish()
}

fn services(
    snapshot: &Snapshot,
    settings: &MeshSettings,
    previous: Option<&MeshView>,
) -> Vec<Arc<Service>> {
    let mut services: Vec<Arc<Service>> = Vec::with_capacity(snapshot.services.len());
    let known: HashMap<(Arc<str>, Arc<str>), &Arc<Service>> = previous
        .map(|previous| {
            previous
                .services
                .iter()
                .map(|service| (id(service), service))
                .collect()
        })
        .unwrap_or_default();
    let mut add = |service: Service| {
        // An equal service keeps its identity, which spares comparing it again further down.
        match known.get(&id(&service)) {
            Some(same) if same.hash == service.hash => services.push(Arc::clone(same)),
            _ => services.push(Arc::new(service)),
        }
    };
    snapshot
        .services
        .values()
        .filter_map(|resource| registry::kubernetes_service(resource, settings))
        .for_each(&mut add);
    snapshot
        .service_entries
        .values()
        .flat_map(|resource| registry::entry_services(resource, settings))
        .for_each(&mut add);
    services.sort_by(|a, b| {
        (a.created, &a.hostname, &a.namespace).cmp(&(b.created, &b.hostname, &b.namespace))
    });
    // Of two entries of a namespace for the same host the older one counts.
    let mut seen = HashSet::new();
    services.retain(|service| seen.insert(id(service)));
    services
}

fn endpoints(
    snapshot: &Snapshot,
    services: &[Arc<Service>],
) -> HashMap<(Arc<str>, Arc<str>), Arc<EndpointSet>> {
    let workloads = Workloads(snapshot);
    services
        .iter()
        .filter_map(|service| {
            let set = if service.is_kubernetes() {
                registry::kubernetes_endpoints(service, snapshot, &workloads)
            } else {
                let entry = snapshot.service_entries.get(&service.origin.key)?;
                registry::entry_endpoints(service, entry, snapshot, &workloads)
            };
            Some((id(service), Arc::new(set)))
        })
        .collect()
}

fn virtual_services(
    snapshot: &Snapshot,
    settings: &MeshSettings,
    previous: Option<&MeshView>,
) -> Vec<Arc<VirtualService>> {
    let known: HashMap<&ObjectKey, &Arc<VirtualService>> = previous
        .map(|previous| {
            previous
                .virtual_services
                .iter()
                .map(|rules| (&rules.origin.key, rules))
                .collect()
        })
        .unwrap_or_default();
    let mut all: Vec<Arc<VirtualService>> = snapshot
        .virtual_services
        .values()
        .map(|resource| match known.get(&resource.meta.key) {
            Some(same) if same.hash == resource.hash && same.created == resource.meta.created => {
                Arc::clone(same)
            }
            _ => Arc::new(VirtualService::new(resource, settings)),
        })
        .collect();
    all.sort_by(|a, b| (a.created, &a.origin.key).cmp(&(b.created, &b.origin.key)));
    all
}

fn destination_rules(
    snapshot: &Snapshot,
    settings: &MeshSettings,
    previous: Option<&MeshView>,
) -> Vec<Arc<DestinationRule>> {
    let known: HashMap<&ObjectKey, &Arc<DestinationRule>> = previous
        .map(|previous| {
            previous
                .destination_rules
                .iter()
                .map(|rule| (&rule.origin.key, rule))
                .collect()
        })
        .unwrap_or_default();
    snapshot
        .destination_rules
        .values()
        .filter_map(|resource| match known.get(&resource.meta.key) {
            Some(same) if same.hash == resource.hash && same.created == resource.meta.created => {
                Some(Arc::clone(same))
            }
            _ => DestinationRule::new(resource, settings).map(Arc::new),
        })
        .collect()
}

fn gateways(snapshot: &Snapshot, previous: Option<&MeshView>) -> Vec<Arc<Gateway>> {
    let known: HashMap<&ObjectKey, &Arc<Gateway>> = previous
        .map(|previous| {
            previous
                .gateways
                .iter()
                .map(|gateway| (&gateway.origin.key, gateway))
                .collect()
        })
        .unwrap_or_default();
    let mut all: Vec<Arc<Gateway>> = snapshot
        .gateways
        .values()
        .map(|resource| match known.get(&resource.meta.key) {
            Some(same) if same.hash == resource.hash && same.created == resource.meta.created => {
                Arc::clone(same)
            }
            _ => Arc::new(Gateway {
                origin: resource.meta.reference(),
                created: resource.meta.created,
                spec: resource.spec.clone(),
                hash: resource.hash,
            }),
        })
        .collect();
    all.sort_by(|a, b| (a.created, &a.origin.key).cmp(&(b.created, &b.origin.key)));
    all
}
