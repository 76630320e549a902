//! Istio's own Envoy extensions, for the proxies that announce them. Their messages are few and small, so they
//! are written here; stock Envoy never sees them.

use prost::Message;

use crate::pb::{Any, hcm_v3, http_filter, listener_v3};

/// `istio.envoy.config.filter.http.alpn.v2alpha1.FilterConfig`
#[derive(Clone, PartialEq, Message)]
struct AlpnConfig {
    #[prost(message, repeated, tag = "1")]
    alpn_override: Vec<AlpnOverride>,
}

/// `FilterConfig.AlpnOverride`
#[derive(Clone, PartialEq, Message)]
struct AlpnOverride {
    #[prost(int32, tag = "1")]
    upstream_protocol: i32,
    #[prost(string, repeated, tag = "2")]
    alpn_override: Vec<String>,
}

/// `envoy.tcp.metadataexchange.config.MetadataExchange`
#[derive(Clone, PartialEq, Message)]
struct MetadataExchange {
    #[prost(string, tag = "1")]
    protocol: String,
}

/// `stats.PluginConfig`, all defaults.
#[derive(Clone, PartialEq, Message)]
struct StatsConfig {}

fn any<M: Message>(name: &str, message: &M) -> Any {
    Any {
        type_url: format!("type.googleapis.com/{name}"),
        value: message.encode_to_vec(),
    }
}

/// Tells the server's sniffing what the client's sidecar found: HTTP/1.0, 1.1 or 2
/// (`pilot/pkg/networking/core/listener_builder.go`, `xdsfilters.IstioHTTPALPN`).
pub(crate) fn alpn() -> hcm_v3::HttpFilter {
    let override_for = |protocol: i32, names: [&str; 3]| AlpnOverride {
        upstream_protocol: protocol,
        alpn_override: names.iter().map(|name| (*name).to_owned()).collect(),
    };
    let config = AlpnConfig {
        alpn_override: vec![
            override_for(0, ["istio-http/1.0", "istio", "http/1.0"]),
            override_for(1, ["istio-http/1.1", "istio", "http/1.1"]),
            override_for(2, ["istio-h2", "istio", "h2"]),
        ],
    };
    http_filter(
        "istio.alpn",
        any(
            "istio.envoy.config.filter.http.alpn.v2alpha1.FilterConfig",
            &config,
        ),
    )
}

/// Istio's standard metrics.
pub(crate) fn stats() -> hcm_v3::HttpFilter {
    http_filter("istio.stats", any("stats.PluginConfig", &StatsConfig {}))
}

/// Exchanges workload metadata at the start of TCP connections.
pub(crate) fn metadata_exchange() -> listener_v3::Filter {
    let config = MetadataExchange {
        protocol: "istio-peer-exchange".to_owned(),
    };
    listener_v3::Filter {
        name: "istio.metadata_exchange".to_owned(),
        config_type: Some(listener_v3::filter::ConfigType::TypedConfig(any(
            "envoy.tcp.metadataexchange.config.MetadataExchange",
            &config,
        ))),
    }
}
