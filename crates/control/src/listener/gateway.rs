//! What a gateway listens on (`pilot/pkg/networking/core/gateway.go`, `buildGatewayListeners`).

use base::{ObjectRef, Protocol};

use super::http::{Options, Routes, Side};
use super::outbound::Made;
use super::tcp::{self, Destination};
use super::{access_log, http, inspectors};
use crate::generate::Scope;
use crate::mesh_view::gateway::{GatewayListener, GatewayServer, MergedGateway};
use crate::mesh_view::telemetry::Logs;
use crate::names;
use crate::pb::{self, accesslog_v3, core_v3, listener_v3};
use crate::route;
use crate::route::http::Place;
use crate::tls;

/// All listeners of a gateway.
pub(crate) fn listeners(scope: &Scope<'_>, gateway: &MergedGateway) -> Vec<Made> {
    let Logs { files, sources } =
        scope
            .view
            .access_log(&scope.node.namespace, &scope.node.labels, Side::Gateway);
    let log = access_log::per_request(&files);
    let unmatched = access_log::per_listener(&files);
    gateway
        .listeners
        .iter()
        .filter_map(|merged| Builder { scope, log: &log }.listener(merged, &unmatched))
        .map(|(listener, mut provenance)| {
            provenance.extend(sources.iter().cloned());
            (listener, provenance)
        })
        .collect()
}

struct Builder<'a> {
    scope: &'a Scope<'a>,
    log: &'a [accesslog_v3::AccessLog],
}

impl Builder<'_> {
    fn listener(
        &self,
        merged: &GatewayListener,
        unmatched: &[accesslog_v3::AccessLog],
    ) -> Option<Made> {
        let bind = if merged.bind.is_empty() {
            self.scope.wildcard()
        } else {
            &merged.bind
        };
        let name = names::listener(bind, merged.port);
        let mut chains = Vec::new();
        let mut provenance: Vec<ObjectRef> = Vec::new();
        // Plain-text servers of a port share one chain and one route configuration.
        if let Some(first) = merged
            .servers
            .iter()
            .find(|server| server.is_http() && server.tls.is_none())
        {
            chains.push(self.http_chain(&name, first, merged.has_tls()));
        }
        for server in &merged.servers {
            provenance.push(server.origin.clone());
            if server.tls.is_some() && server.is_http() {
                chains.push(self.https_chain(&name, server));
            } else if !server.is_http() {
                chains.extend(self.tcp_chains(server, &mut provenance));
            }
        }
        if chains.is_empty() {
            return None;
        }
        provenance.sort();
        provenance.dedup();
        let listener_filters = inspectors::for_chains(&chains);
        let listener = listener_v3::Listener {
            name,
            address: pb::address(bind, merged.port),
            filter_chains: chains,
            listener_filters,
            traffic_direction: core_v3::TrafficDirection::Outbound as i32,
            access_log: unmatched.to_vec(),
            ..Default::default()
        };
        Some((listener, provenance))
    }

    fn http_chain(
        &self,
        listener: &str,
        server: &GatewayServer,
        beside_tls: bool,
    ) -> listener_v3::FilterChain {
        listener_v3::FilterChain {
            filter_chain_match: beside_tls.then(|| listener_v3::FilterChainMatch {
                transport_protocol: "raw_buffer".to_owned(),
                ..Default::default()
            }),
            filters: vec![self.manager(listener, server)],
            ..Default::default()
        }
    }

    fn https_chain(&self, listener: &str, server: &GatewayServer) -> listener_v3::FilterChain {
        listener_v3::FilterChain {
            filter_chain_match: server_names(server),
            transport_socket: server
                .tls
                .as_ref()
                .map(|tls| tls::gateway_server(&tls.context(true))),
            filters: vec![self.manager(listener, server)],
            ..Default::default()
        }
    }

    fn manager(&self, listener: &str, server: &GatewayServer) -> listener_v3::Filter {
        http::connection_manager(Options {
            side: Side::Gateway,
            stat_prefix: format!("outbound_{listener}"),
            routes: Routes::Served(server.route_name.clone()),
            protocol: Protocol::Http,
            access_log: self.log,
            mesh: self.scope.settings(),
            node: self.scope.node,
        })
    }

    /// TCP, with or without TLS termination: the rules of the VirtualServices bound to the server.
    fn tcp_chains(
        &self,
        server: &GatewayServer,
        provenance: &mut Vec<ObjectRef>,
    ) -> Vec<listener_v3::FilterChain> {
        let gateways = [server.gateway_name.clone()];
        let place = Place {
            scope: self.scope,
            gateways: &gateways,
            port: server.service_port,
            tls: server.tls.is_some(),
        };
        let mut chains = Vec::new();
        for rules in self
            .scope
            .view
            .virtual_services_of(&server.gateway_name, &self.scope.node.namespace)
        {
            if rules.spec.tcp.is_empty() || server.common_hosts(rules).is_empty() {
                continue;
            }
            provenance.push(rules.origin.clone());
            if route::tcp::routes(&place, &rules.spec.tcp, &mut chains) {
                break;
            }
        }
        chains
            .into_iter()
            .map(|chain| {
                let mut matcher = chain.filter_chain_match();
                if server.tls.is_some()
                    && let Some(names) = server_names(server)
                {
                    matcher.get_or_insert_default().server_names = names.server_names;
                }
                let prefix = match &chain.destination {
                    Destination::Cluster(name) => name.clone(),
                    Destination::Weighted(_) => server.gateway_name.clone(),
                };
                listener_v3::FilterChain {
                    filter_chain_match: matcher,
                    transport_socket: server
                        .tls
                        .as_ref()
                        .map(|tls| tls::gateway_server(&tls.context(false))),
                    filters: tcp::proxy(&prefix, &chain.destination, self.log, self.scope.node),
                    ..Default::default()
                }
            })
            .collect()
    }
}

/// The server's hosts as server names; `*` asks for no name.
fn server_names(server: &GatewayServer) -> Option<listener_v3::FilterChainMatch> {
    if server.hosts.iter().any(|host| host.name.as_str() == "*") {
        // The TLS inspector still has to run beside servers with names.
        return Some(listener_v3::FilterChainMatch {
            transport_protocol: "tls".to_owned(),
            ..Default::default()
        });
    }
    let mut names: Vec<String> = server
        .hosts
        .iter()
        .map(|host| host.name.as_str().to_owned())
        .collect();
    names.sort();
    names.dedup();
    Some(listener_v3::FilterChainMatch {
        server_names: names,
        ..Default::default()
    })
}
