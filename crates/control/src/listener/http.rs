//! HTTP connection managers, the same for sidecars and gateways but for what Istio makes different.
//!
//! `pilot/pkg/networking/core/listener_builder.go`, `buildHTTPConnectionManager`; header policy from
//! `pilot/pkg/networking/util.GetProxyHeaders`.

use std::time::Duration;

use base::Protocol;
use envoy_types::pb::envoy::extensions::filters::http::{
    cors::v3::Cors, fault::v3::HttpFault, router::v3::Router,
};

use super::istio_filters;
use crate::mesh_view::settings::{MeshSettings, PathNormalization};
use crate::node::NodeInfo;
use crate::pb::{
    self, accesslog_v3, any, boolean, core_v3, duration, hcm_v3, http_filter, listener_v3, route_v3,
};
use hcm_v3::http_connection_manager::{
    ForwardClientCertDetails, PathWithEscapedSlashesAction, RouteSpecifier,
    ServerHeaderTransformation, SetCurrentClientCertDetails, UpgradeConfig,
};

/// Which side of a proxy a listener serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Side {
    Inbound,
    Outbound,
    Gateway,
}

/// Where a connection manager finds its routes.
pub(crate) enum Routes {
    Served(String),
    Inline(Box<route_v3::RouteConfiguration>),
}

/// What differs from one connection manager to the next.
pub(crate) struct Options<'a> {
    pub(crate) side: Side,
    pub(crate) stat_prefix: String,
    pub(crate) routes: Routes,
    pub(crate) protocol: Protocol,
    pub(crate) access_log: &'a [accesslog_v3::AccessLog],
    pub(crate) mesh: &'a MeshSettings,
    pub(crate) node: &'a NodeInfo,
}

/// A listener filter chain's HTTP connection manager.
pub(crate) fn connection_manager(options: Options<'_>) -> listener_v3::Filter {
    let Options {
        side,
        stat_prefix,
        routes,
        protocol,
        access_log,
        mesh,
        node,
    } = options;
    let mut manager = hcm_v3::HttpConnectionManager {
        stat_prefix,
        http_filters: http_filters(side, node),
        access_log: access_log.to_vec(),
        // Streams live as long as their route allows; Envoy's five minutes would end long polls and watches.
        stream_idle_timeout: duration(Duration::ZERO),
        upgrade_configs: vec![UpgradeConfig {
            upgrade_type: "websocket".to_owned(),
            ..Default::default()
        }],
        use_remote_address: boolean(side == Side::Gateway),
        route_specifier: Some(match routes {
            Routes::Inline(config) => RouteSpecifier::RouteConfig(*config),
            Routes::Served(name) => RouteSpecifier::Rds(hcm_v3::Rds {
                config_source: pb::ads(),
                route_config_name: name,
            }),
        }),
        ..Default::default()
    };
    if side == Side::Inbound && protocol.is_http2() {
        manager.http2_protocol_options = Some(core_v3::Http2ProtocolOptions::default());
    }
    normalize_paths(&mut manager, mesh.path_normalization);
    identify(&mut manager, side, node);
    pb::network_filter("envoy.filters.network.http_connection_manager", &manager)
}

/// Istio's order: metadata, ALPN, fault, CORS, statistics, router.
fn http_filters(side: Side, node: &NodeInfo) -> Vec<hcm_v3::HttpFilter> {
    let mut filters = Vec::with_capacity(5);
    if side != Side::Inbound && node.istio_filters.alpn {
        filters.push(istio_filters::alpn());
    }
    filters.push(http_filter(
        "envoy.filters.http.fault",
        any(&HttpFault::default()),
    ));
    filters.push(http_filter("envoy.filters.http.cors", any(&Cors {})));
    if node.istio_filters.stats {
        filters.push(istio_filters::stats());
    }
    filters.push(http_filter(
        "envoy.filters.http.router",
        any(&Router::default()),
    ));
    filters
}

/// `meshConfig.pathNormalization.normalization`; `BASE` by default.
fn normalize_paths(manager: &mut hcm_v3::HttpConnectionManager, normalization: PathNormalization) {
    let (normalize, merge, escaped) = match normalization {
        PathNormalization::None => (false, false, PathWithEscapedSlashesAction::KeepUnchanged),
        PathNormalization::Base => (true, false, PathWithEscapedSlashesAction::KeepUnchanged),
        PathNormalization::MergeSlashes => {
            (true, true, PathWithEscapedSlashesAction::KeepUnchanged)
        }
        PathNormalization::DecodeAndMergeSlashes => {
            (true, true, PathWithEscapedSlashesAction::UnescapeAndForward)
        }
    };
    manager.normalize_path = boolean(normalize);
    manager.merge_slashes = merge;
    manager.path_with_escaped_slashes_action = escaped as i32;
}

/// What the proxy tells about itself and about the client's certificate.
fn identify(manager: &mut hcm_v3::HttpConnectionManager, side: Side, node: &NodeInfo) {
    let details = |cert: bool| {
        Some(SetCurrentClientCertDetails {
            subject: boolean(true),
            cert,
            dns: true,
            uri: true,
            ..Default::default()
        })
    };
    match side {
        // Istio's outbound sidecar listener leaves the name to Envoy ("server: envoy").
        Side::Outbound => {}
        Side::Inbound => {
            manager.server_name = "istio-envoy".to_owned();
            manager.server_header_transformation = ServerHeaderTransformation::Overwrite as i32;
            manager.forward_client_cert_details = ForwardClientCertDetails::AppendForward as i32;
            manager.set_current_client_cert_details = details(false);
        }
        Side::Gateway => {
            manager.server_name = "istio-envoy".to_owned();
            manager.forward_client_cert_details = ForwardClientCertDetails::SanitizeSet as i32;
            manager.set_current_client_cert_details = details(true);
            manager.xff_num_trusted_hops = trusted_hops(node);
        }
    }
    // `100 Continue` is passed on, not answered (PILOT_ENABLE_100_CONTINUE_HEADERS, on by default).
    manager.proxy_100_continue = true;
}

/// `gatewayTopology.numTrustedProxies` of the gateway's proxy configuration.
fn trusted_hops(node: &NodeInfo) -> u32 {
    node.proxy_config
        .as_ref()
        .and_then(|config| config.pointer("/gatewayTopology/numTrustedProxies"))
        .and_then(|hops| hops.as_f64())
        .filter(|hops| (0.0..=1000.0).contains(hops))
        .map_or(0, |hops| {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "in range, checked above"
            )]
            let hops = hops as u32;
            hops
        })
}
