//! Routes of gateway servers (`pilot/pkg/networking/core/gateway.go`, `buildGatewayHTTPRouteConfig`).

use std::collections::BTreeMap;

use base::{Hostname, ObjectRef};

use super::http::{self, Place};
use super::{Made, configuration, matching};
use crate::generate::Scope;
use crate::mesh_view::gateway::{GatewayServer, MergedGateway};
use crate::names;
use crate::pb::route_v3;
use route_v3::virtual_host::TlsRequirementType;

/// All route configurations of a gateway: one for each plain-text port, one for each server that terminates TLS.
pub(crate) fn configurations(scope: &Scope<'_>, gateway: &MergedGateway) -> Vec<Made> {
    let mut by_name: BTreeMap<&str, Vec<&GatewayServer>> = BTreeMap::new();
    for server in gateway.servers().filter(|server| server.is_http()) {
        by_name.entry(&server.route_name).or_default().push(server);
    }
    by_name
        .into_iter()
        .map(|(name, servers)| Builder::new(scope).build(name, &servers))
        .collect()
}

struct Builder<'a> {
    scope: &'a Scope<'a>,
    hosts: BTreeMap<Hostname, route_v3::VirtualHost>,
    provenance: Vec<ObjectRef>,
}

impl<'a> Builder<'a> {
    fn new(scope: &'a Scope<'a>) -> Self {
        Self {
            scope,
            hosts: BTreeMap::new(),
            provenance: Vec::new(),
        }
    }

    fn build(mut self, name: &str, servers: &[&GatewayServer]) -> Made {
        for server in servers {
            self.provenance.push(server.origin.clone());
            self.server(server);
        }
        let port = servers.first().map_or(0, |server| server.service_port);
        let mut hosts: Vec<_> = self.hosts.into_values().collect();
        for host in &mut hosts {
            // Rules of several VirtualServices follow each other; what takes everything goes last.
            host.routes
                .sort_by_key(|route| route.r#match.as_ref().is_some_and(matching::is_everything));
        }
        if hosts.is_empty() {
            // Nothing is bound: 404 for all.
            hosts.push(route_v3::VirtualHost {
                name: format!("blackhole:{port}"),
                domains: vec!["*".to_owned()],
                ..Default::default()
            });
        }
        self.provenance.sort();
        self.provenance.dedup();
        (configuration(name.to_owned(), hosts), self.provenance)
    }

    fn server(&mut self, server: &GatewayServer) {
        let gateways = [server.gateway_name.clone()];
        let place = Place {
            scope: self.scope,
            gateways: &gateways,
            port: server.service_port,
            tls: server.tls.is_some(),
        };
        for rules in self
            .scope
            .view
            .virtual_services_of(&server.gateway_name, &self.scope.node.namespace)
        {
            let hosts = server.common_hosts(rules);
            if hosts.is_empty() {
                continue;
            }
            let routes = http::routes(&place, rules);
            if routes.is_empty() {
                continue;
            }
            self.provenance.push(rules.origin.clone());
            for host in hosts {
                self.host(&host, server)
                    .routes
                    .extend(routes.iter().cloned());
            }
        }
        if server.https_redirect {
            for host in server.hosts.iter().map(|host| host.name.clone()) {
                self.host(&host, server);
            }
        }
    }

    fn host(&mut self, host: &Hostname, server: &GatewayServer) -> &mut route_v3::VirtualHost {
        let entry = self
            .hosts
            .entry(host.clone())
            .or_insert_with(|| route_v3::VirtualHost {
                name: names::host_port(host.as_str(), server.service_port),
                domains: vec![host.as_str().to_owned()],
                include_request_attempt_count: true,
                ..Default::default()
            });
        if server.https_redirect {
            entry.require_tls = TlsRequirementType::All as i32;
        }
        entry
    }
}
