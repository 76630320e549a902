//! The bootstrap document, in Envoy's JSON form, after Istio's `envoy_bootstrap.json`.

use serde_json::{Value, json};

use crate::node::NodeEnv;

/// Where things are inside the pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bootstrap {
    pub admin_port: u16,
    pub agent_port: u16,
    pub readiness_port: u16,
    pub stats_port: u16,
    /// Unix sockets.
    pub xds_socket: String,
    pub sds_socket: String,
}

impl Bootstrap {
    /// Istio's ports, sockets in `directory`.
    #[must_use]
    pub fn in_directory(directory: &str) -> Self {
        Self {
            admin_port: 15000,
            agent_port: 15020,
            readiness_port: 15021,
            stats_port: 15090,
            xds_socket: format!("{directory}/XDS"),
            sds_socket: format!("{directory}/SDS"),
        }
    }
}

/// Builds the bootstrap of a proxy. `ours` announces our own engine.
#[must_use]
pub fn bootstrap(env: &NodeEnv, places: &Bootstrap, ours: bool) -> Value {
    json!({
        "node": env.node(ours),
        "admin": {"address": address("127.0.0.1", places.admin_port)},
        "dynamic_resources": {
            "lds_config": {"ads": {}, "initial_fetch_timeout": "0s", "resource_api_version": "V3"},
            "cds_config": {"ads": {}, "initial_fetch_timeout": "0s", "resource_api_version": "V3"},
            "ads_config": {
                "api_type": "DELTA_GRPC", "transport_api_version": "V3",
                "set_node_on_first_message_only": true,
                "grpc_services": [{"envoy_grpc": {"cluster_name": "xds-grpc"}}],
            },
        },
        "static_resources": {
            "clusters": [
                pipe("xds-grpc", &places.xds_socket),
                pipe("sds-grpc", &places.sds_socket),
                local("prometheus_stats", places.admin_port),
                local("agent", places.agent_port),
            ],
            "listeners": [
                forward("", places.stats_port, "/stats/prometheus", "prometheus_stats"),
                forward("", places.readiness_port, "/healthz/ready", "agent"),
            ],
        },
    })
}

fn address(ip: &str, port: u16) -> Value {
    json!({"socket_address": {"address": ip, "port_value": port}})
}

fn pipe(name: &str, path: &str) -> Value {
    json!({
        "name": name, "type": "STATIC", "connect_timeout": "1s",
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                "explicit_http_config": {"http2_protocol_options": {}},
            },
        },
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [
            {"endpoint": {"address": {"pipe": {"path": path}}}},
        ]}]},
    })
}

fn local(name: &str, port: u16) -> Value {
    json!({
        "name": name, "type": "STATIC", "connect_timeout": "0.250s", "lb_policy": "ROUND_ROBIN",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [
            {"endpoint": {"address": address("127.0.0.1", port)}},
        ]}]},
    })
}

fn forward(name: &str, port: u16, path: &str, cluster: &str) -> Value {
    json!({
        "name": name, "address": address("0.0.0.0", port),
        "filter_chains": [{"filters": [{
            "name": "envoy.filters.network.http_connection_manager",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
                "codec_type": "AUTO", "stat_prefix": "agent",
                "route_config": {"virtual_hosts": [{
                    "name": "backend", "domains": ["*"],
                    "routes": [{"match": {"prefix": path}, "route": {"cluster": cluster}}],
                }]},
                "http_filters": [{
                    "name": "envoy.filters.http.router",
                    "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"},
                }],
            },
        }]}],
    })
}
