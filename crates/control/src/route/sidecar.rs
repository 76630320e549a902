//! Outbound routes of sidecars (`pilot/pkg/networking/core/httproute.go`, `buildSidecarOutboundHTTPRouteConfig`).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use base::ObjectRef;

use super::http::{self, Place};
use super::{DomainRegister, Made, configuration, domains, matching, service_route, with_timeout};
use crate::generate::Scope;
use crate::listener::chains::ListenerProtocol;
use crate::mesh_view::model::{Port, Service};
use crate::mesh_view::virtual_service::VirtualService;
use crate::names;
use crate::pb::route_v3;
use route_v3::route::Action;
use route_v3::route_action::ClusterSpecifier;

/// All outbound route configurations of a sidecar.
pub(crate) fn configurations(scope: &Scope<'_>) -> Vec<Made> {
    let mut by_port: BTreeMap<u32, Vec<&Arc<Service>>> = BTreeMap::new();
    let mut shared: BTreeMap<u32, bool> = BTreeMap::new();
    let mut made = Vec::new();
    for service in scope.services() {
        for port in &service.ports {
            let protocol = ListenerProtocol::from(port.protocol);
            if protocol == ListenerProtocol::Tcp {
                continue;
            }
            by_port.entry(port.number).or_default().push(service);
            let own_listener =
                protocol == ListenerProtocol::Auto && has_own_listener(scope, service);
            *shared.entry(port.number).or_default() |= !own_listener;
            if own_listener {
                made.push(sniffed(scope, service, port));
            }
        }
    }
    for (port, services) in by_port {
        if shared.get(&port) == Some(&true) {
            made.push(Shared::new(scope, port).build(&services));
        }
    }
    made
}

/// Whether a sniffed port of the service is bound to addresses of its own and so has routes of its own.
fn has_own_listener(scope: &Scope<'_>, service: &Service) -> bool {
    service.headless || service.hosts().any(|address| scope.speaks(address))
}

/// Routes of one sniffed service port. Whatever authority the application uses, the address already chose the service.
fn sniffed(scope: &Scope<'_>, service: &Arc<Service>, port: &Port) -> Made {
    let name = names::host_port(&service.hostname, port.number);
    let (routes, source) = routes_to(scope, service, port.number);
    let mut provenance = origin(service);
    provenance.extend(source);
    let host = virtual_host(name.clone(), vec!["*".to_owned()], routes);
    (configuration(name, vec![host]), provenance)
}

fn origin(service: &Service) -> Vec<ObjectRef> {
    if service.is_kubernetes() {
        Vec::new()
    } else {
        vec![service.origin.clone()]
    }
}

/// The routes to a service: those of the most specific VirtualService that has any here, else the service itself.
fn routes_to(
    scope: &Scope<'_>,
    service: &Service,
    port: u32,
) -> (Vec<route_v3::Route>, Option<ObjectRef>) {
    for rules in scope.virtual_services_for(&service.hostname) {
        let routes = mesh_routes(scope, rules, port);
        if !routes.is_empty() {
            return (routes, Some(rules.origin.clone()));
        }
    }
    (vec![service_route(scope, &service.hostname, port)], None)
}

fn mesh_routes(scope: &Scope<'_>, rules: &VirtualService, port: u32) -> Vec<route_v3::Route> {
    let mesh = ["mesh".to_owned()];
    let place = Place {
        scope,
        gateways: &mesh,
        port,
        tls: false,
    };
    http::routes(&place, rules)
}

/// The attempt number goes to the upstream, as Istio has it (`GetProxyHeaders`, `IncludeRequestAttemptCount`).
fn virtual_host(
    name: String,
    domains: Vec<String>,
    routes: Vec<route_v3::Route>,
) -> route_v3::VirtualHost {
    route_v3::VirtualHost {
        name,
        domains,
        routes,
        include_request_attempt_count: true,
        ..Default::default()
    }
}

/// The routes of a port that many services share.
struct Shared<'a> {
    scope: &'a Scope<'a>,
    port: u32,
    register: DomainRegister,
    hosts: Vec<route_v3::VirtualHost>,
    provenance: Vec<ObjectRef>,
}

impl<'a> Shared<'a> {
    fn new(scope: &'a Scope<'a>, port: u32) -> Self {
        Self {
            scope,
            port,
            register: DomainRegister::default(),
            hosts: Vec::new(),
            provenance: Vec::new(),
        }
    }

    fn build(mut self, services: &[&Arc<Service>]) -> Made {
        for service in services {
            let (routes, source) = routes_to(self.scope, service, self.port);
            self.provenance.extend(origin(service));
            self.provenance.extend(source);
            let domains = domains(
                &service.hostname,
                &self.scope.node.dns_domain,
                Some(service),
            );
            self.add(&service.hostname, domains, routes);
        }
        self.hosts_outside_the_registry(services);
        self.hosts.sort_by(|a, b| a.name.cmp(&b.name));
        let unclaimed = self.register.claim(vec!["*".to_owned()]);
        if !unclaimed.is_empty() {
            self.hosts.push(catch_all(self.scope));
        }
        self.provenance.sort();
        self.provenance.dedup();
        (
            configuration(names::shared_route(self.port), self.hosts),
            self.provenance,
        )
    }

    /// Hosts that only a VirtualService names are routed on the ports of the services that it names too, or on port 80.
    fn hosts_outside_the_registry(&mut self, services: &[&Arc<Service>]) {
        for rules in self.scope.mesh_virtual_services() {
            let known = |host: &str| {
                services
                    .iter()
                    .any(|service| rules.names(host, &service.hostname))
            };
            let here = self.port == 80 || rules.hosts.iter().any(|host| known(host.as_str()));
            if !here {
                continue;
            }
            let unknown: Vec<_> = rules
                .hosts
                .iter()
                .filter(|host| !known(host.as_str()))
                .collect();
            if unknown.is_empty() {
                continue;
            }
            let routes = mesh_routes(self.scope, rules, self.port);
            if routes.is_empty() {
                continue;
            }
            self.provenance.push(rules.origin.clone());
            for host in unknown {
                let domains = domains(host.as_str(), &self.scope.node.dns_domain, None);
                self.add(host.as_str(), domains, routes.clone());
            }
        }
    }

    fn add(&mut self, host: &str, domains: Vec<String>, routes: Vec<route_v3::Route>) {
        let domains = self.register.claim(domains);
        if !domains.is_empty() {
            self.hosts.push(virtual_host(
                names::host_port(host, self.port),
                domains,
                routes,
            ));
        }
    }
}

/// Requests to hosts that the mesh does not know, by `outboundTrafficPolicy`.
fn catch_all(scope: &Scope<'_>) -> route_v3::VirtualHost {
    let (name, action) = if scope.settings().allow_any {
        let action = route_v3::RouteAction {
            cluster_specifier: Some(ClusterSpecifier::Cluster(
                names::PASSTHROUGH_CLUSTER.to_owned(),
            )),
            ..Default::default()
        };
        let action = with_timeout(action, Duration::ZERO);
        ("allow_any", Action::Route(action))
    } else {
        let refusal = route_v3::DirectResponseAction {
            status: 502,
            ..Default::default()
        };
        ("block_all", Action::DirectResponse(refusal))
    };
    let route = route_v3::Route {
        name: name.to_owned(),
        r#match: Some(matching::everything()),
        action: Some(action),
        ..Default::default()
    };
    virtual_host(name.to_owned(), vec!["*".to_owned()], vec![route])
}
