//! A small vocabulary for building Envoy's messages.

use std::net::IpAddr;
use std::time::Duration;

use envoy_types::pb::google::protobuf::{self, value::Kind};
use prost::{Message, Name};

pub(crate) use envoy_types::pb::envoy::config::accesslog::v3 as accesslog_v3;
pub(crate) use envoy_types::pb::envoy::config::cluster::v3 as cluster_v3;
pub(crate) use envoy_types::pb::envoy::config::core::v3 as core_v3;
pub(crate) use envoy_types::pb::envoy::config::endpoint::v3 as endpoint_v3;
pub(crate) use envoy_types::pb::envoy::config::listener::v3 as listener_v3;
pub(crate) use envoy_types::pb::envoy::config::route::v3 as route_v3;
pub(crate) use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3 as hcm_v3;
pub(crate) use envoy_types::pb::envoy::extensions::filters::network::tcp_proxy::v3 as tcp_proxy_v3;
pub(crate) use envoy_types::pb::envoy::extensions::transport_sockets::tls::v3 as tls_v3;
pub(crate) use envoy_types::pb::envoy::extensions::upstreams::http::v3 as upstream_http_v3;
pub(crate) use envoy_types::pb::envoy::r#type::matcher::v3 as matcher_v3;
pub(crate) use envoy_types::pb::envoy::r#type::v3 as type_v3;
pub(crate) use envoy_types::pb::google::protobuf::{Any, Struct, Value};

/// Packs a message into an `Any`.
pub(crate) fn any<M: Message + Name>(message: &M) -> Any {
    Any {
        type_url: M::type_url(),
        value: message.encode_to_vec(),
    }
}

/// A wrapped `uint32`.
pub(crate) fn uint32(value: u32) -> Option<protobuf::UInt32Value> {
    Some(protobuf::UInt32Value { value })
}

/// A wrapped `bool`.
pub(crate) fn boolean(value: bool) -> Option<protobuf::BoolValue> {
    Some(protobuf::BoolValue { value })
}

/// A protobuf duration, saturated to its range.
pub(crate) fn duration(value: Duration) -> Option<protobuf::Duration> {
    Some(protobuf::Duration {
        seconds: i64::try_from(value.as_secs())
            .unwrap_or(i64::MAX)
            .min(315_576_000_000),
        nanos: i32::try_from(value.subsec_nanos()).unwrap_or(0),
    })
}

/// A string in a `Struct`.
pub(crate) fn string_value(text: impl Into<String>) -> Value {
    Value {
        kind: Some(Kind::StringValue(text.into())),
    }
}

/// JSON in a `Struct`.
pub(crate) fn json_value(value: &serde_json::Value) -> Value {
    use serde_json::Value as Json;
    let kind = match value {
        Json::Null => Kind::NullValue(0),
        Json::Bool(value) => Kind::BoolValue(*value),
        Json::Number(number) => Kind::NumberValue(number.as_f64().unwrap_or_default()),
        Json::String(text) => Kind::StringValue(text.clone()),
        Json::Array(values) => Kind::ListValue(protobuf::ListValue {
            values: values.iter().map(json_value).collect(),
        }),
        Json::Object(fields) => Kind::StructValue(Struct {
            fields: fields
                .iter()
                .map(|(key, value)| (key.clone(), json_value(value)))
                .collect(),
        }),
    };
    Value { kind: Some(kind) }
}

/// A boolean in a `Struct`.
pub(crate) fn bool_value(value: bool) -> Value {
    Value {
        kind: Some(Kind::BoolValue(value)),
    }
}

/// A list in a `Struct`.
pub(crate) fn list_value(values: Vec<Value>) -> Value {
    Value {
        kind: Some(Kind::ListValue(protobuf::ListValue { values })),
    }
}

/// A nested `Struct`.
pub(crate) fn struct_value(fields: Vec<(&str, Value)>) -> Value {
    Value {
        kind: Some(Kind::StructValue(structure(fields))),
    }
}

/// A `Struct` of a few fields.
pub(crate) fn structure(fields: Vec<(&str, Value)>) -> Struct {
    Struct {
        fields: fields.into_iter().map(|(k, v)| (k.to_owned(), v)).collect(),
    }
}

/// Filter metadata; `None` when there is none.
pub(crate) fn metadata(entries: Vec<(&str, Struct)>) -> Option<core_v3::Metadata> {
    if entries.is_empty() {
        return None;
    }
    Some(core_v3::Metadata {
        filter_metadata: entries
            .into_iter()
            .map(|(k, v)| (k.to_owned(), v))
            .collect(),
        ..Default::default()
    })
}

/// `filter_metadata.istio.config`: the resource that a route or cluster came from, in the form that
/// `istioctl describe` reads (`pilot/pkg/networking/util.BuildConfigInfoMetadata`).
pub(crate) fn config_path(kind: &str, namespace: &str, name: &str) -> String {
    format!("/apis/networking.istio.io/v1/namespaces/{namespace}/{kind}/{name}")
}

/// A TCP socket address.
pub(crate) fn socket_address(address: &str, port: u32) -> core_v3::SocketAddress {
    core_v3::SocketAddress {
        address: address.to_owned(),
        port_specifier: Some(core_v3::socket_address::PortSpecifier::PortValue(port)),
        ..Default::default()
    }
}

/// A TCP address.
pub(crate) fn address(address: &str, port: u32) -> Option<core_v3::Address> {
    Some(core_v3::Address {
        address: Some(core_v3::address::Address::SocketAddress(socket_address(
            address, port,
        ))),
    })
}

/// An address range.
pub(crate) fn cidr(network: &ipnet::IpNet) -> core_v3::CidrRange {
    core_v3::CidrRange {
        address_prefix: network.network().to_string(),
        prefix_len: uint32(u32::from(network.prefix_len())),
    }
}

/// Parses `10.0.0.0/8` or a single address.
pub(crate) fn parse_cidr(text: &str) -> Option<ipnet::IpNet> {
    text.parse()
        .ok()
        .or_else(|| text.parse::<IpAddr>().ok().map(ipnet::IpNet::from))
}

/// Served by the control plane on the stream that carries everything else. The initial fetch time-out is
/// disabled as in Istio (`pilot/pkg/networking/core/listener_builder.go`): half a configuration is worse than a wait.
pub(crate) fn ads() -> Option<core_v3::ConfigSource> {
    Some(core_v3::ConfigSource {
        initial_fetch_timeout: duration(Duration::ZERO),
        resource_api_version: core_v3::ApiVersion::V3 as i32,
        config_source_specifier: Some(core_v3::config_source::ConfigSourceSpecifier::Ads(
            core_v3::AggregatedConfigSource {},
        )),
        ..Default::default()
    })
}

/// An exact string match.
pub(crate) fn exact(text: impl Into<String>) -> matcher_v3::StringMatcher {
    string_matcher(matcher_v3::string_matcher::MatchPattern::Exact(text.into()))
}

/// A string match.
pub(crate) fn string_matcher(
    pattern: matcher_v3::string_matcher::MatchPattern,
) -> matcher_v3::StringMatcher {
    matcher_v3::StringMatcher {
        ignore_case: false,
        match_pattern: Some(pattern),
    }
}

/// An RE2 match of the whole input.
pub(crate) fn regex(pattern: impl Into<String>) -> matcher_v3::RegexMatcher {
    matcher_v3::RegexMatcher {
        regex: pattern.into(),
        ..Default::default()
    }
}

/// `percent` of all, in millionths as Istio translates percentages
/// (`pilot/pkg/networking/core/route/route.go`, `translatePercentToFractionalPercent`).
pub(crate) fn fractional_percent(percent: f64) -> type_v3::FractionalPercent {
    let clamped = if percent.is_finite() {
        percent.clamp(0.0, 100.0)
    } else {
        0.0
    };
    type_v3::FractionalPercent {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "clamped to 0..=1e6"
        )]
        numerator: (clamped * 10_000.0).round() as u32,
        denominator: type_v3::fractional_percent::DenominatorType::Million as i32,
    }
}

/// A transport socket.
pub(crate) fn transport_socket<M: Message + Name>(
    name: &str,
    config: &M,
) -> core_v3::TransportSocket {
    core_v3::TransportSocket {
        name: name.to_owned(),
        config_type: Some(core_v3::transport_socket::ConfigType::TypedConfig(any(
            config,
        ))),
    }
}

/// A network filter.
pub(crate) fn network_filter<M: Message + Name>(name: &str, config: &M) -> listener_v3::Filter {
    listener_v3::Filter {
        name: name.to_owned(),
        config_type: Some(listener_v3::filter::ConfigType::TypedConfig(any(config))),
    }
}

/// A listener filter.
pub(crate) fn listener_filter<M: Message + Name>(
    name: &str,
    config: &M,
) -> listener_v3::ListenerFilter {
    listener_v3::ListenerFilter {
        name: name.to_owned(),
        filter_disabled: None,
        config_type: Some(listener_v3::listener_filter::ConfigType::TypedConfig(any(
            config,
        ))),
    }
}

/// An HTTP filter.
pub(crate) fn http_filter(name: &str, config: Any) -> hcm_v3::HttpFilter {
    hcm_v3::HttpFilter {
        name: name.to_owned(),
        config_type: Some(hcm_v3::http_filter::ConfigType::TypedConfig(config)),
        ..Default::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages_are_clamped_to_the_range_of_the_field() {
        assert_eq!(fractional_percent(12.5).numerator, 125_000);
        assert_eq!(fractional_percent(1e9).numerator, 1_000_000);
        assert_eq!(fractional_percent(f64::NAN).numerator, 0);
    }
}
