//! What a sidecar listens on for its own workload: the capture port, shared HTTP ports, and service addresses.
//!
//! `pilot/pkg/networking/core/listener.go`, `buildSidecarOutboundListeners`. Where Istio drops the younger of two
//! services that meet on a wildcard port, HTTP and TCP live together here: HTTP is told apart by sniffing.

use std::collections::BTreeMap;
use std::sync::Arc;

use base::ObjectRef;

use super::chains::{ListenerProtocol, PLAINTEXT_HTTP};
use super::http::{Options, Routes, Side};
use super::tcp::{self, Destination};
use super::{access_log, http, inspectors};
use crate::generate::Scope;
use crate::mesh_view::model::{Port, Resolution, Service};
use crate::mesh_view::telemetry::Logs;
use crate::names;
use crate::pb::{self, accesslog_v3, boolean, core_v3, listener_v3, uint32};
use crate::route::tcp::TcpChain;

/// A listener and the objects it was made from.
pub(crate) type Made = (listener_v3::Listener, Vec<ObjectRef>);

/// All outbound listeners of a sidecar.
pub(crate) fn listeners(scope: &Scope<'_>) -> Vec<Made> {
    let mut bound: BTreeMap<(String, u32), Entry> = BTreeMap::new();
    for service in scope.services() {
        for port in &service.ports {
            place(scope, service, port, &mut bound);
        }
    }
    let Logs { files, sources } =
        scope
            .view
            .access_log(&scope.node.namespace, &scope.node.labels, Side::Outbound);
    let log = access_log::per_request(&files);
    let unmatched = access_log::per_listener(&files);
    let mut made = vec![(virtual_outbound(scope, &log, &unmatched), sources.clone())];
    for ((bind, port), mut entry) in bound {
        entry.provenance.extend(sources.iter().cloned());
        made.push(entry.listener(scope, &bind, port, &log, &unmatched));
    }
    made
}

#[derive(Default)]
struct Entry {
    /// Route configuration of the HTTP chain.
    http: Option<String>,
    http_protocol: Option<base::Protocol>,
    tcp: Vec<(TcpChain, String)>,
    provenance: Vec<ObjectRef>,
}

fn place(
    scope: &Scope<'_>,
    service: &Arc<Service>,
    port: &Port,
    bound: &mut BTreeMap<(String, u32), Entry>,
) {
    if port.protocol == base::Protocol::Udp {
        return;
    }
    let wildcard = scope.wildcard().to_owned();
    let protocol = ListenerProtocol::from(port.protocol);
    if protocol == ListenerProtocol::Http {
        let entry = bound.entry((wildcard, port.number)).or_default();
        entry
            .http
            .get_or_insert_with(|| names::shared_route(port.number));
        entry.http_protocol.get_or_insert(port.protocol);
        entry.came_from(service);
        return;
    }
    let (routes, sources) = crate::route::tcp::chains(scope, service, port);
    for bind in binds(scope, service, port) {
        let on_wildcard = bind == wildcard;
        let entry = bound.entry((bind, port.number)).or_default();
        if protocol == ListenerProtocol::Auto {
            entry.http.get_or_insert_with(|| {
                if on_wildcard {
                    names::shared_route(port.number)
                } else {
                    names::host_port(&service.hostname, port.number)
                }
            });
            entry.http_protocol.get_or_insert(port.protocol);
        }
        entry.came_from(service);
        entry.provenance.extend(sources.iter().cloned());
        for chain in &routes {
            entry.add_tcp(narrowed(chain, service, port, on_wildcard), service, port);
        }
    }
}

/// Where a TCP or sniffed port is bound: each virtual address; without one, each pod of a headless service, else the
/// wildcard, where ranges and server names tell services apart.
fn binds(scope: &Scope<'_>, service: &Service, port: &Port) -> Vec<String> {
    let addresses: Vec<String> = service
        .hosts()
        .filter(|address| scope.speaks(*address))
        .map(|address| address.to_string())
        .collect();
    if !addresses.is_empty() {
        return addresses;
    }
    if service.headless && service.resolution == Resolution::Passthrough {
        return scope
            .view
            .endpoints(service)
            .of(port.number)
            .iter()
            .map(|endpoint| endpoint.address)
            .filter(|address| !scope.node.addresses.contains(address) && scope.speaks(*address))
            .map(|address| address.to_string())
            .collect();
    }
    vec![scope.wildcard().to_owned()]
}

/// On the wildcard, a service is recognised by its address ranges or, for TLS, by the server name.
fn narrowed(chain: &TcpChain, service: &Service, port: &Port, on_wildcard: bool) -> TcpChain {
    let mut chain = chain.clone();
    if on_wildcard {
        if chain.ranges.is_empty() {
            chain.ranges.clone_from(&service.addresses);
        }
        if port.protocol.is_tls() && chain.server_names.is_empty() && chain.ranges.is_empty() {
            chain.server_names = vec![service.hostname.to_string()];
        }
    }
    chain
}

impl Entry {
    fn came_from(&mut self, service: &Service) {
        if !service.is_kubernetes() {
            self.provenance.push(service.origin.clone());
        }
    }

    /// The older service keeps a match that two services claim.
    fn add_tcp(&mut self, chain: TcpChain, service: &Service, port: &Port) {
        if self.tcp.iter().all(|(other, _)| !other.same_match(&chain)) {
            let prefix = match &chain.destination {
                Destination::Cluster(name) => name.clone(),
                Destination::Weighted(_) => {
                    names::outbound_cluster(port.number, "", &service.hostname)
                }
            };
            self.tcp.push((chain, prefix));
        }
    }

    fn listener(
        mut self,
        scope: &Scope<'_>,
        bind: &str,
        port: u32,
        log: &[accesslog_v3::AccessLog],
        unmatched: &[accesslog_v3::AccessLog],
    ) -> Made {
        let name = names::listener(bind, port);
        let mut chains = Vec::new();
        if let Some(routes) = self.http.take() {
            chains.push(self.http_chain(scope, &name, routes, log));
        }
        let mut has_catch_all = false;
        for (chain, prefix) in &self.tcp {
            let matcher = chain.filter_chain_match();
            has_catch_all |= matcher.is_none();
            chains.push(listener_v3::FilterChain {
                filter_chain_match: matcher,
                filters: tcp::proxy(prefix, &chain.destination, log, scope.node),
                ..Default::default()
            });
        }
        self.provenance.sort();
        self.provenance.dedup();
        let inspectors = inspectors::for_chains(&chains);
        let listener = listener_v3::Listener {
            name,
            address: pb::address(bind, port),
            default_filter_chain: (bind == scope.wildcard() && !has_catch_all)
                .then(|| catch_all(scope, "PassthroughFilterChain", log)),
            filter_chains: chains,
            bind_to_port: boolean(false),
            traffic_direction: core_v3::TrafficDirection::Outbound as i32,
            continue_on_listener_filters_timeout: !inspectors.is_empty(),
            listener_filters_timeout: if inspectors.is_empty() {
                None
            } else {
                pb::duration(scope.settings().protocol_detection_timeout)
            },
            listener_filters: inspectors,
            access_log: unmatched.to_vec(),
            ..Default::default()
        };
        (listener, self.provenance)
    }

    fn http_chain(
        &self,
        scope: &Scope<'_>,
        name: &str,
        routes: String,
        log: &[accesslog_v3::AccessLog],
    ) -> listener_v3::FilterChain {
        listener_v3::FilterChain {
            filter_chain_match: Some(listener_v3::FilterChainMatch {
                application_protocols: PLAINTEXT_HTTP
                    .iter()
                    .map(|alpn| (*alpn).to_owned())
                    .collect(),
                transport_protocol: "raw_buffer".to_owned(),
                ..Default::default()
            }),
            filters: vec![http::connection_manager(Options {
                side: Side::Outbound,
                stat_prefix: format!("outbound_{name}"),
                routes: Routes::Served(routes),
                protocol: self.http_protocol.unwrap_or(base::Protocol::Auto),
                access_log: log,
                mesh: scope.settings(),
                node: scope.node,
            })],
            ..Default::default()
        }
    }
}

/// What happens to traffic that nothing claims, by `outboundTrafficPolicy`.
fn catch_all(
    scope: &Scope<'_>,
    name: &str,
    log: &[accesslog_v3::AccessLog],
) -> listener_v3::FilterChain {
    let cluster = if scope.settings().allow_any {
        names::PASSTHROUGH_CLUSTER
    } else {
        names::BLACK_HOLE_CLUSTER
    };
    listener_v3::FilterChain {
        name: name.to_owned(),
        filters: tcp::proxy(
            cluster,
            &Destination::Cluster(cluster.to_owned()),
            log,
            scope.node,
        ),
        ..Default::default()
    }
}

/// The capture listener. It hands connections to the listener of their original destination and keeps what nothing
/// claims; connections to its own port would loop, so they end in the black hole.
fn virtual_outbound(
    scope: &Scope<'_>,
    log: &[accesslog_v3::AccessLog],
    unmatched: &[accesslog_v3::AccessLog],
) -> listener_v3::Listener {
    let loops = listener_v3::FilterChain {
        name: "virtualOutbound-blackhole".to_owned(),
        filter_chain_match: Some(listener_v3::FilterChainMatch {
            destination_port: uint32(names::OUTBOUND_CAPTURE_PORT),
            ..Default::default()
        }),
        filters: tcp::proxy(
            names::BLACK_HOLE_CLUSTER,
            &Destination::Cluster(names::BLACK_HOLE_CLUSTER.to_owned()),
            &[],
            scope.node,
        ),
        ..Default::default()
    };
    listener_v3::Listener {
        name: names::VIRTUAL_OUTBOUND.to_owned(),
        address: pb::address(scope.wildcard(), names::OUTBOUND_CAPTURE_PORT),
        use_original_dst: boolean(true),
        filter_chains: vec![loops, catch_all(scope, "virtualOutbound-catchall-tcp", log)],
        traffic_direction: core_v3::TrafficDirection::Outbound as i32,
        access_log: unmatched.to_vec(),
        ..Default::default()
    }
}
