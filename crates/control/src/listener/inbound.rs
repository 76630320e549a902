//! What a sidecar does with connections to its workload: one listener with chains per port and TLS mode.
//!
//! `pilot/pkg/networking/core/listener_inbound.go`.

use std::time::Duration;

use base::{ObjectRef, Protocol};

use super::chains::{self, Chain, ListenerProtocol};
use super::http::{Options, Routes, Side};
use super::tcp::{self, Destination};
use super::{access_log, http, inspectors};
use crate::generate::{InboundPort, Scope};
use crate::mesh_view::telemetry::Logs;
use crate::names;
use crate::pb::{self, accesslog_v3, boolean, core_v3, duration, listener_v3, route_v3, uint32};
use crate::route;
use crate::tls;
use route_v3::route_action::{ClusterSpecifier, MaxStreamDuration};

/// The inbound capture listener.
pub(crate) fn listener(
    scope: &Scope<'_>,
    ports: &[InboundPort],
) -> (listener_v3::Listener, Vec<ObjectRef>) {
    let Logs { files, sources } =
        scope
            .view
            .access_log(&scope.node.namespace, &scope.node.labels, Side::Inbound);
    let log = access_log::per_request(&files);
    let builder = Builder { scope, log: &log };
    let mut chains = vec![builder.black_hole()];
    let (default_mode, mut provenance) = scope.mtls(None);
    provenance.extend(sources);
    chains.extend(builder.passthrough(None, default_mode));
    for port in scope
        .view
        .peer_policies()
        .ports_of(&scope.node.namespace, &scope.node.labels)
    {
        if ports.iter().all(|known| known.target != port) {
            let (mode, sources) = scope.mtls(Some(port));
            provenance.extend(sources);
            chains.extend(builder.passthrough(Some(port), mode));
        }
    }
    for port in ports {
        let (mode, sources) = scope.mtls(Some(port.target));
        provenance.extend(sources);
        let protocol = ListenerProtocol::from(port.port.protocol);
        for chain in chains::of(protocol, mode) {
            chains.push(builder.service_chain(port, chain));
        }
    }
    provenance.sort();
    provenance.dedup();
    let mut filters = vec![inspectors::original_dst()];
    filters.extend(inspectors::for_chains(&chains));
    let listener = listener_v3::Listener {
        name: names::VIRTUAL_INBOUND.to_owned(),
        address: pb::address(scope.wildcard(), names::INBOUND_CAPTURE_PORT),
        filter_chains: chains,
        listener_filters: filters,
        listener_filters_timeout: duration(scope.settings().protocol_detection_timeout),
        continue_on_listener_filters_timeout: true,
        traffic_direction: core_v3::TrafficDirection::Inbound as i32,
        access_log: access_log::per_listener(&files),
        ..Default::default()
    };
    (listener, provenance)
}

struct Builder<'a> {
    scope: &'a Scope<'a>,
    log: &'a [accesslog_v3::AccessLog],
}

impl Builder<'_> {
    /// A connection to the capture port itself would come back for ever.
    fn black_hole(&self) -> listener_v3::FilterChain {
        listener_v3::FilterChain {
            name: "virtualInbound-blackhole".to_owned(),
            filter_chain_match: Some(listener_v3::FilterChainMatch {
                destination_port: uint32(names::INBOUND_CAPTURE_PORT),
                ..Default::default()
            }),
            filters: self.nowhere(),
            ..Default::default()
        }
    }

    fn nowhere(&self) -> Vec<listener_v3::Filter> {
        let cluster = names::BLACK_HOLE_CLUSTER;
        let destination = Destination::Cluster(cluster.to_owned());
        tcp::proxy(cluster, &destination, &[], self.scope.node)
    }

    /// Ports that no service names: sniffed, and guarded by the same policy.
    fn passthrough(
        &self,
        port: Option<u32>,
        mode: crate::mesh_view::model::MtlsMode,
    ) -> Vec<listener_v3::FilterChain> {
        chains::of(ListenerProtocol::Auto, mode)
            .into_iter()
            .map(|chain| {
                let name = if chain.http {
                    "virtualInbound-catchall-http"
                } else {
                    names::VIRTUAL_INBOUND
                };
                let filters = if chain.http {
                    self.http(
                        names::INBOUND_PASSTHROUGH_CLUSTER.to_owned(),
                        inline_route(names::INBOUND_PASSTHROUGH_CLUSTER, 0, ":0/*"),
                        Protocol::Auto,
                    )
                } else {
                    self.tcp(names::INBOUND_PASSTHROUGH_CLUSTER)
                };
                self.chain(name.to_owned(), port, chain, filters)
            })
            .collect()
    }

    fn service_chain(&self, port: &InboundPort, chain: Chain) -> listener_v3::FilterChain {
        let cluster = names::inbound_cluster(port.target);
        let name = names::listener(self.scope.wildcard(), port.target);
        let filters = if chain.http {
            let operation = format!("{}:{}/*", port.service.hostname, port.port.number);
            let routes = inline_route(&cluster, port.port.number, &operation);
            self.http(format!("inbound_{name}"), routes, port.port.protocol)
        } else {
            self.tcp(&cluster)
        };
        self.chain(name, Some(port.target), chain, filters)
    }

    fn chain(
        &self,
        name: String,
        port: Option<u32>,
        chain: Chain,
        filters: Vec<listener_v3::Filter>,
    ) -> listener_v3::FilterChain {
        let Chain {
            alpn,
            transport,
            http,
            terminate_tls,
        } = chain;
        // Without a certificate mutual TLS is closed. Its chain stays, so that a STRICT port does not fall to
        // the chains of other ports.
        let closed = terminate_tls && !self.scope.node.has_agent;
        listener_v3::FilterChain {
            name,
            filter_chain_match: Some(listener_v3::FilterChainMatch {
                destination_port: port.and_then(uint32),
                application_protocols: alpn.iter().map(|alpn| (*alpn).to_owned()).collect(),
                transport_protocol: transport.to_owned(),
                ..Default::default()
            }),
            transport_socket: (terminate_tls && !closed).then(|| {
                let exchange = self.scope.node.istio_filters.metadata_exchange;
                tls::inbound(http, exchange, self.scope.settings())
            }),
            filters: if closed { self.nowhere() } else { filters },
            ..Default::default()
        }
    }

    fn http(
        &self,
        stat_prefix: String,
        routes: route_v3::RouteConfiguration,
        protocol: Protocol,
    ) -> Vec<listener_v3::Filter> {
        let mut filters = Vec::with_capacity(2);
        if self.scope.node.istio_filters.metadata_exchange {
            filters.push(super::istio_filters::metadata_exchange());
        }
        filters.push(http::connection_manager(Options {
            side: Side::Inbound,
            stat_prefix,
            routes: Routes::Inline(Box::new(routes)),
            protocol,
            access_log: self.log,
            mesh: self.scope.settings(),
            node: self.scope.node,
        }));
        filters
    }

    fn tcp(&self, cluster: &str) -> Vec<listener_v3::Filter> {
        tcp::proxy(
            cluster,
            &Destination::Cluster(cluster.to_owned()),
            self.log,
            self.scope.node,
        )
    }
}

/// `inbound|8080||` with the virtual host `inbound|http|<service port>`. Time-outs are the client's business;
/// a connection that the application closed before the request went out is tried again
/// (`pilot/pkg/networking/core/route/route.go`, `BuildDefaultHTTPInboundRoute`).
fn inline_route(cluster: &str, service_port: u32, operation: &str) -> route_v3::RouteConfiguration {
    let action = route_v3::RouteAction {
        timeout: duration(Duration::ZERO),
        max_stream_duration: Some(MaxStreamDuration {
            max_stream_duration: duration(Duration::ZERO),
            grpc_timeout_header_max: duration(Duration::ZERO),
            ..Default::default()
        }),
        retry_policy: Some(route_v3::RetryPolicy {
            retry_on: "reset-before-request".to_owned(),
            num_retries: uint32(2),
            ..Default::default()
        }),
        cluster_specifier: Some(ClusterSpecifier::Cluster(cluster.to_owned())),
        ..Default::default()
    };
    route_v3::RouteConfiguration {
        name: cluster.to_owned(),
        validate_clusters: boolean(false),
        virtual_hosts: vec![route_v3::VirtualHost {
            name: format!("inbound|http|{service_port}"),
            domains: vec!["*".to_owned()],
            routes: vec![route::default_route(action, operation)],
            ..Default::default()
        }],
        ..Default::default()
    }
}
