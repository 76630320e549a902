//! From an indexed snapshot and a proxy to the proxy's resources: a pure function with a memory.
//!
//! A proxy's resources come in parts: clusters with their endpoints, outbound listeners and routes, and what is
//! the proxy's own. A part is a function of some tables of the mesh and of a few properties of the proxy; proxies that agree in them
//! share it, and a change of other tables leaves it alone.

use std::collections::HashMap;
use std::sync::Arc;

use base::{ContentHash, ContentHasher, ObjectRef};
use xds::type_url::{CLUSTER, ENDPOINT, LISTENER, ROUTE, SECRET};
use xds::{Resource, View};

use crate::cluster::{self, Target, fixed};
use crate::fragments::Fragments;
use crate::listener;
use crate::listener::http::Side;
use crate::mesh_view::gateway::MergedGateway;
use crate::mesh_view::model::{Port, Resolution, Service, Workload};
use crate::mesh_view::workload::Workloads;
use crate::mesh_view::{MeshView, TableHashes};
use crate::node::{Locality, NodeInfo, NodeKind};
use crate::{credentials, endpoint, route, secret};

pub use crate::scope::Warning;
pub(crate) use crate::scope::{InboundPort, Scope};

/// What one proxy should have.
#[derive(Debug, Clone, Default)]
pub struct Generated {
    pub view: Arc<View>,
    pub warnings: Vec<Warning>,
}

/// Generates without a memory. `verified`: whether the proxy proved to be of its namespace, without which it gets no credentials.
#[must_use]
pub fn generate(view: &MeshView, node: &NodeInfo, verified: bool) -> Generated {
    Generator::default().generate(view, node, verified)
}

#[derive(Debug, Default)]
struct Part {
    resources: Vec<Arc<Resource>>,
    warnings: Vec<Warning>,
}

/// Generates for many proxies and many snapshots, and remembers what it made.
#[derive(Debug, Default)]
pub struct Generator {
    fragments: Fragments,
    parts: HashMap<(&'static str, ContentHash), (Arc<Part>, u64)>,
    generation: u64,
}

impl Generator {
    /// Begins with a new snapshot; what the last two snapshots did not need is forgotten.
    pub fn next_generation(&mut self) {
        self.generation += 1;
        self.fragments.next_generation();
        let oldest = self.generation.saturating_sub(2);
        self.parts.retain(|_, (_, used)| *used >= oldest);
    }

    /// The resources of a proxy.
    pub fn generate(&mut self, view: &MeshView, node: &NodeInfo, verified: bool) -> Generated {
        let node = &effective(view, node);
        let scope = std::cell::OnceCell::new();
        let scope = || scope.get_or_init(|| Scope::new(view, node));
        let keys = Keys::new(view, node, verified);
        let mut parts = vec![self.part("clusters", keys.clusters, |fragments| {
            clusters(fragments, scope(), keys.client)
        })];
        match node.kind {
            NodeKind::Sidecar => {
                parts.push(self.part("outbound", keys.outbound, |fragments| {
                    outbound(fragments, scope())
                }));
                parts.push(self.part("inbound", keys.inbound, |fragments| {
                    inbound(fragments, scope())
                }));
            }
            NodeKind::Router => {
                // Of a secret that a Gateway names, too, the gateway's stays: it comes last.
                parts.push(self.part("credentials", keys.credentials, |fragments| {
                    credentials(fragments, scope(), verified)
                }));
                parts.push(self.part("gateway", keys.gateway, |fragments| {
                    gateway(fragments, scope(), verified)
                }));
            }
        }
        Generated {
            view: Arc::new(
                parts
                    .iter()
                    .flat_map(|part| &part.resources)
                    .cloned()
                    .collect(),
            ),
            warnings: parts
                .iter()
                .flat_map(|part| &part.warnings)
                .cloned()
                .collect(),
        }
    }

    fn part(
        &mut self,
        name: &'static str,
        key: ContentHash,
        build: impl FnOnce(&mut Fragments) -> Part,
    ) -> Arc<Part> {
        if let Some((part, used)) = self.parts.get_mut(&(name, key)) {
            *used = self.generation;
            return Arc::clone(part);
        }
        let part = Arc::new(build(&mut self.fragments));
        self.parts
            .insert((name, key), (Arc::clone(&part), self.generation));
        part
    }
}

/// A pod's labels may have changed since its proxy connected; and an agent may not know where it runs.
fn effective(view: &MeshView, node: &NodeInfo) -> NodeInfo {
    let mut node = node.clone();
    if let Some(pod) = view.pod(&node.namespace, &node.name) {
        node.labels.clone_from(&pod.meta.labels);
        if node.locality == Locality::default() {
            let workload: Arc<Workload> = Workloads(&view.snapshot).of_pod(pod);
            node.locality = workload.locality.clone();
        }
    }
    node
}

/// Hashes of what each part depends on.
struct Keys {
    client: ContentHash,
    clusters: ContentHash,
    outbound: ContentHash,
    inbound: ContentHash,
    credentials: ContentHash,
    gateway: ContentHash,
}

impl Keys {
    fn new(view: &MeshView, node: &NodeInfo, verified: bool) -> Self {
        let TableHashes {
            mesh,
            services,
            headless_endpoints,
            endpoints,
            virtual_services,
            destination_rules,
            gateways,
            peer_policies,
            telemetry: _,
        } = view.hashes();
        let client = client(view, node);
        let pod = view
            .pod(&node.namespace, &node.name)
            .map_or_else(ContentHash::default, |pod| pod.hash);
        let log = |side| {
            let mut hasher = ContentHasher::default();
            hasher.write(
                format!("{:?}", view.access_log(&node.namespace, &node.labels, side)).as_bytes(),
            );
            hasher.finish()
        };
        let secrets = secrets(view, node);
        Self {
            client,
            clusters: all([
                client,
                mesh,
                services,
                endpoints,
                destination_rules,
                peer_policies,
            ]),
            outbound: all([
                client,
                own_addresses(view, node),
                mesh,
                services,
                headless_endpoints,
                virtual_services,
                log(Side::Outbound),
            ]),
            inbound: all([
                client,
                node.hash(),
                pod,
                mesh,
                services,
                destination_rules,
                peer_policies,
                log(Side::Inbound),
            ]),
            credentials: all([
                client,
                node.hash(),
                mesh,
                services,
                destination_rules,
                secrets,
                ContentHash(u64::from(verified)),
            ]),
            gateway: all([
                client,
                node.hash(),
                pod,
                mesh,
                services,
                virtual_services,
                gateways,
                secrets,
                log(Side::Gateway),
                ContentHash(u64::from(verified)),
            ]),
        }
    }
}

/// Secrets of the namespace; there are few, and only gateways ask.
fn secrets(view: &MeshView, node: &NodeInfo) -> ContentHash {
    if node.kind == NodeKind::Sidecar {
        return ContentHash::default();
    }
    let secrets = view.snapshot.secrets.values();
    all(secrets
        .filter(|secret| secret.meta.key.namespace == node.namespace)
        .map(|secret| secret.hash))
}

fn all(hashes: impl IntoIterator<Item = ContentHash>) -> ContentHash {
    let mut hasher = ContentHasher::default();
    for hash in hashes {
        hasher.write(&hash.0.to_le_bytes());
    }
    hasher.finish()
}

/// What makes clients different from each other when they look outwards. Labels count only if some rule asks for them.
fn client(view: &MeshView, node: &NodeInfo) -> ContentHash {
    let NodeInfo {
        id: _,
        kind,
        engine,
        namespace,
        name: _,
        service_account: _,
        labels,
        addresses,
        dns_domain,
        cluster_id,
        istio_version: _,
        interception: _,
        istio_filters,
        locality,
        proxy_config: _,
        has_agent,
    } = node;
    let ipv4 = addresses.is_empty() || addresses.iter().any(std::net::IpAddr::is_ipv4);
    let labels = view.asks_for_labels().then_some(labels);
    let mut hasher = ContentHasher::default();
    let text = format!(
        "{kind:?} {engine:?} {namespace} {labels:?} {ipv4} {dns_domain} {cluster_id} {istio_filters:?} {locality:?} {has_agent}"
    );
    hasher.write(text.as_bytes());
    hasher.finish()
}

/// A pod of a headless service has no outbound listener for itself, so its address matters.
fn own_addresses(view: &MeshView, node: &NodeInfo) -> ContentHash {
    let mut hasher = ContentHasher::default();
    for service in view.services().iter().filter(|service| service.headless) {
        for endpoint in view.endpoints(service).by_port.values().flatten() {
            if node.addresses.contains(&endpoint.address) {
                hasher.write(endpoint.address.to_string().as_bytes());
            }
        }
    }
    hasher.finish()
}

/// Clusters of every visible service, port and subset, with endpoints where the proxy gets them from us.
fn clusters(fragments: &mut Fragments, scope: &Scope<'_>, client: ContentHash) -> Part {
    let mut part = Part::default();
    let before = scope.view.hashes();
    let context = all([client, before.mesh]);
    for service in scope.services() {
        let rule = scope
            .view
            .destination_rule(service, (&scope.node.namespace, &scope.node.labels));
        let identities = identities(scope, service);
        for port in service
            .ports
            .iter()
            .filter(|port| port.protocol != base::Protocol::Udp)
        {
            let all_take_mtls = service.resolution == Resolution::Passthrough
                || takes_passthrough(rule.as_ref(), port);
            let all_take_mtls = all_take_mtls && cluster::all_take_mtls(scope, service, port);
            let subsets = rule.iter().flat_map(|rule| &rule.subsets);
            for subset in std::iter::once(None).chain(subsets.map(Some)) {
                let target = Target {
                    service,
                    port,
                    subset,
                    rule: rule.as_ref(),
                    identities: &identities,
                    all_take_mtls,
                };
                target_resources(fragments, scope, &target, context, &mut part);
            }
        }
    }
    let mesh = scope.settings();
    for fixed in [fixed::passthrough(mesh), fixed::black_hole(mesh)] {
        let name = fixed.name.clone();
        part.resources
            .push(fragments.get(CLUSTER, &name, before.mesh, || (fixed, Vec::new())));
    }
    part
}

fn takes_passthrough(
    rule: Option<&crate::mesh_view::destination_rule::EffectiveRule>,
    port: &Port,
) -> bool {
    use api::istio::SimpleLb;
    rule.is_some_and(|rule| {
        std::iter::once(None)
            .chain(rule.subsets.iter().map(Some))
            .any(|subset| {
                rule.policy_of(port.number, subset)
                    .load_balancer
                    .and_then(|lb| lb.simple)
                    == Some(SimpleLb::Passthrough)
            })
    })
}

fn target_resources(
    fragments: &mut Fragments,
    scope: &Scope<'_>,
    target: &Target<'_>,
    context: ContentHash,
    part: &mut Part,
) {
    let name = target.name();
    let rule = target
        .rule
        .map_or_else(ContentHash::default, |rule| rule.hash);
    let mut hasher = ContentHasher::default();
    hasher.write(format!("{:?} {}", target.identities, target.all_take_mtls).as_bytes());
    let cluster_input = all([context, target.service.hash, rule, hasher.finish()]);
    part.resources
        .push(fragments.get(CLUSTER, &name, cluster_input, || {
            (cluster::outbound(scope, target), target.provenance())
        }));
    part.warnings
        .extend(cluster::credential_warning(scope, target));
    if target.has_endpoints(scope.node.kind, &target.policy()) {
        let set = scope.view.endpoints(target.service);
        let endpoint_input = all([context, rule, set.hash, scope.view.hashes().peer_policies]);
        part.resources
            .push(fragments.get(ENDPOINT, &name, endpoint_input, || {
                (endpoint::assignment(scope, target), target.provenance())
            }));
    }
}

/// SPIFFE ids of a service's workloads, in the mesh's trust domain and its aliases.
fn identities(scope: &Scope<'_>, service: &Service) -> Vec<String> {
    let endpoints = scope.view.endpoints(service).by_port.values().flatten();
    let mut identities: Vec<String> = endpoints
        .map(|endpoint| &endpoint.workload)
        .filter(|workload| workload.mesh_tls && !workload.service_account.is_empty())
        .flat_map(|workload| {
            scope.settings().trust_domains().map(|domain| {
                base::SpiffeId::new(
                    domain,
                    Arc::clone(&workload.namespace),
                    Arc::clone(&workload.service_account),
                )
                .to_string()
            })
        })
        .collect();
    identities.sort();
    identities.dedup();
    identities
}

fn outbound(fragments: &mut Fragments, scope: &Scope<'_>) -> Part {
    let mut part = Part::default();
    let warnings = scope.warnings_so_far();
    part.listeners(fragments, listener::outbound::listeners(scope));
    part.routes(fragments, route::sidecar::configurations(scope));
    part.warnings = scope.warnings_since(warnings);
    part
}

fn inbound(fragments: &mut Fragments, scope: &Scope<'_>) -> Part {
    let mut part = Part::default();
    let ports = scope.inbound_ports();
    part.listeners(fragments, vec![listener::inbound::listener(scope, &ports)]);
    for port in &ports {
        let rule = scope
            .view
            .destination_rule(&port.service, (&scope.node.namespace, &scope.node.labels));
        let policy = rule
            .as_ref()
            .map(|rule| rule.policy_of(port.port.number, None));
        let cluster = fixed::inbound(scope, port, policy.as_ref());
        let sources = rule.map(|rule| rule.sources).unwrap_or_default();
        part.resources
            .push(fragments.intern(CLUSTER, &cluster.name, &cluster, sources));
    }
    let passthrough = fixed::inbound_passthrough(scope);
    part.resources
        .push(fragments.intern(CLUSTER, &passthrough.name, &passthrough, Vec::new()));
    part
}

fn credentials(fragments: &mut Fragments, scope: &Scope<'_>, verified: bool) -> Part {
    let mut part = Part::default();
    let (of_clusters, withheld) = credentials::of_clusters(scope, verified);
    for secret::Served { secret, provenance } in of_clusters {
        part.resources
            .push(fragments.intern(SECRET, &secret.name, &secret, provenance));
    }
    part.warnings = withheld;
    part
}

fn gateway(fragments: &mut Fragments, scope: &Scope<'_>, verified: bool) -> Part {
    let mut part = Part::default();
    let warnings = scope.warnings_so_far();
    let mut merged = MergedGateway::new(
        scope.view.gateways(),
        &scope.node.labels,
        &scope.target_ports(),
    );
    let mut secrets: HashMap<String, Arc<Resource>> = HashMap::new();
    let namespace = &scope.node.namespace;
    merged.retain_credentials(|tls| {
        if verified {
            secret::of_server(scope.view, namespace, tls).map(|_| ())
        } else {
            Err(secret::unproved(scope.node))
        }
    });
    for server in merged.servers() {
        let Some(Ok(served)) = server
            .tls
            .as_ref()
            .map(|tls| secret::of_server(scope.view, namespace, tls))
        else {
            continue;
        };
        for secret::Served {
            secret,
            mut provenance,
        } in served
        {
            provenance.push(server.origin.clone());
            let resource = fragments.intern(SECRET, &secret.name, &secret, provenance);
            secrets.insert(secret.name.clone(), resource);
        }
    }
    part.resources.extend(secrets.into_values());
    part.listeners(fragments, listener::gateway::listeners(scope, &merged));
    part.routes(fragments, route::gateway::configurations(scope, &merged));
    part.warnings = merged.warnings;
    part.warnings.extend(scope.warnings_since(warnings));
    part
}

impl Part {
    fn listeners(
        &mut self,
        fragments: &mut Fragments,
        made: Vec<(crate::pb::listener_v3::Listener, Vec<ObjectRef>)>,
    ) {
        for (listener, provenance) in made {
            self.resources
                .push(fragments.intern(LISTENER, &listener.name, &listener, provenance));
        }
    }

    fn routes(
        &mut self,
        fragments: &mut Fragments,
        made: Vec<(crate::pb::route_v3::RouteConfiguration, Vec<ObjectRef>)>,
    ) {
        for (routes, provenance) in made {
            self.resources
                .push(fragments.intern(ROUTE, &routes.name, &routes, provenance));
        }
    }
}
