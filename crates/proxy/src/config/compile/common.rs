//! Scalars, addresses, data sources and `Any`s.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use prost::Message;
use serde_json::{Map, Number, Value};
use xds::envoy::config::core::v3 as core;
use xds::envoy::r#type::v3 as types;
use xds::google::protobuf as pb;

use super::{At, Result};
use crate::config::chain_match::cidr::Prefix;
use crate::config::matcher::Fraction;
use crate::config::route::Metadata;

/// A non-negative duration.
pub(super) fn duration(at: &At<'_>, value: &pb::Duration) -> Result<Duration> {
    let (Ok(secs), Ok(nanos)) = (u64::try_from(value.seconds), u32::try_from(value.nanos)) else {
        return Err(at.error("negative duration"));
    };
    if nanos > 999_999_999 || secs > 315_576_000_000 {
        return Err(at.error("duration out of range"));
    }
    Ok(Duration::new(secs, nanos))
}

pub(super) fn optional_duration(
    at: &At<'_>,
    value: Option<&pb::Duration>,
) -> Result<Option<Duration>> {
    value.map(|value| duration(at, value)).transpose()
}

/// Absent gives the default; zero switches the limit off.
pub(super) fn limit(
    at: &At<'_>,
    value: Option<&pb::Duration>,
    default: Option<Duration>,
) -> Result<Option<Duration>> {
    Ok(match optional_duration(at, value)? {
        None => default,
        Some(Duration::ZERO) => None,
        some => some,
    })
}

/// A duration that must be more than zero.
pub(super) fn positive(
    at: &At<'_>,
    value: Option<&pb::Duration>,
    default: Duration,
) -> Result<Duration> {
    match optional_duration(at, value)? {
        None => Ok(default),
        Some(Duration::ZERO) => Err(at.error("must be greater than 0s")),
        Some(value) => Ok(value),
    }
}

pub(super) fn u32_or(value: Option<pb::UInt32Value>, default: u32) -> u32 {
    value.map_or(default, |value| value.value)
}

pub(super) fn bool_or(value: Option<pb::BoolValue>, default: bool) -> bool {
    value.map_or(default, |value| value.value)
}

/// A percentage of 0 to 100.
pub(super) fn percent(at: &At<'_>, value: Option<pb::UInt32Value>, default: u32) -> Result<u32> {
    match u32_or(value, default) {
        value @ 0..=100 => Ok(value),
        other => Err(at.error(format_args!("{other} is not a percentage"))),
    }
}

pub(super) fn fractional_percent(
    at: &At<'_>,
    value: &types::FractionalPercent,
) -> Result<Fraction> {
    use types::fractional_percent::DenominatorType;
    let scale = match DenominatorType::try_from(value.denominator) {
        Ok(DenominatorType::Hundred) => 10_000,
        Ok(DenominatorType::TenThousand) => 100,
        Ok(DenominatorType::Million) => 1,
        Err(_) => return Err(at.field("denominator").error("unknown value")),
    };
    Ok(Fraction(
        u32::try_from(u64::from(value.numerator) * scale)
            .unwrap_or(u32::MAX)
            .min(1_000_000),
    ))
}

/// The default value counts; there is no runtime to override it.
pub(super) fn runtime_fraction(
    at: &At<'_>,
    value: &core::RuntimeFractionalPercent,
) -> Result<Fraction> {
    match &value.default_value {
        Some(default) => fractional_percent(&at.field("default_value"), default),
        None => Err(at.field("default_value").missing()),
    }
}

pub(super) fn cidr(at: &At<'_>, range: &core::CidrRange) -> Result<Prefix> {
    let address: IpAddr = range
        .address_prefix
        .parse()
        .map_err(|_| at.field("address_prefix").error("not an IP address"))?;
    let length = u32_or(range.prefix_len, 0);
    u8::try_from(length)
        .ok()
        .and_then(|length| Prefix::new(address, length))
        .ok_or_else(|| at.field("prefix_len").error("longer than the address"))
}

pub(super) fn cidrs(at: &At<'_>, name: &str, ranges: &[core::CidrRange]) -> Result<Vec<Prefix>> {
    ranges
        .iter()
        .enumerate()
        .map(|(i, range)| cidr(&at.item(name, i), range))
        .collect()
}

/// Host and port of a socket address, still as text.
pub(super) fn host_port<'a>(
    at: &At<'_>,
    address: &'a core::SocketAddress,
) -> Result<(&'a str, u16)> {
    use core::socket_address::PortSpecifier;
    if address.protocol != core::socket_address::Protocol::Tcp as i32 {
        return Err(at.field("protocol").unsupported());
    }
    let port = match &address.port_specifier {
        Some(PortSpecifier::PortValue(port)) => {
            u16::try_from(*port).map_err(|_| at.field("port_value").error("greater than 65535"))?
        }
        Some(PortSpecifier::NamedPort(_)) => return Err(at.field("named_port").unsupported()),
        None => 0,
    };
    Ok((&address.address, port))
}

pub(super) fn socket_address(at: &At<'_>, address: &core::SocketAddress) -> Result<SocketAddr> {
    let (host, port) = host_port(at, address)?;
    let ip: IpAddr = host.parse().map_err(|_| {
        at.field("address")
            .error(format_args!("{host:?} is not an IP address"))
    })?;
    Ok(SocketAddr::new(ip, port))
}

/// The bytes of a data source; files and variables are read now.
pub(super) fn data_source(at: &At<'_>, source: &core::DataSource) -> Result<Vec<u8>> {
    use core::data_source::Specifier;
    const MOST: u64 = 8 << 20;
    match &source.specifier {
        Some(Specifier::InlineBytes(bytes)) => Ok(bytes.clone()),
        Some(Specifier::InlineString(text)) => Ok(text.clone().into_bytes()),
        Some(Specifier::Filename(path)) => {
            let read = std::fs::metadata(path).and_then(|meta| {
                if meta.len() > MOST {
                    return Err(std::io::Error::other("larger than 8 MiB"));
                }
                std::fs::read(path)
            });
            read.map_err(|error| {
                at.field("filename")
                    .error(format_args!("{path:?}: {error}"))
            })
        }
        Some(Specifier::EnvironmentVariable(name)) => {
            std::env::var(name).map(String::into_bytes).map_err(|_| {
                at.field("environment_variable")
                    .error(format_args!("{name:?} is not set"))
            })
        }
        None => Err(at.missing()),
    }
}

/// The message in an `Any`, if it is an `M`.
pub(super) fn unpack<M: Message + prost::Name + Default>(
    at: &At<'_>,
    any: &pb::Any,
) -> Result<Option<M>> {
    if type_name(any) != M::full_name() {
        return Ok(None);
    }
    M::decode(any.value.as_slice())
        .map(Some)
        .map_err(|error| at.error(format_args!("malformed: {error}")))
}

/// As [`unpack`], any other type being an error.
pub(super) fn unpack_only<M: Message + prost::Name + Default>(
    at: &At<'_>,
    any: &pb::Any,
) -> Result<M> {
    unpack(at, any)?.ok_or_else(|| {
        at.error(format_args!(
            "type {} is not supported by ferromesh-proxy",
            type_name(any)
        ))
    })
}

/// The full message name of an `Any`.
pub(super) fn type_name(any: &pb::Any) -> &str {
    any.type_url.rsplit('/').next().unwrap_or_default()
}

/// Static metadata as JSON.
pub(super) fn metadata(value: Option<&core::Metadata>) -> Metadata {
    let Some(metadata) = value.filter(|metadata| !metadata.filter_metadata.is_empty()) else {
        return Metadata::default();
    };
    let mut root = Map::new();
    for (name, fields) in &metadata.filter_metadata {
        root.insert(name.clone(), structure(fields, 0));
    }
    Metadata(Some(Value::Object(root).into()))
}

/// A protobuf Struct as JSON. What is nested deeper than 64 becomes null.
pub(super) fn structure(fields: &pb::Struct, depth: usize) -> Value {
    Value::Object(
        fields
            .fields
            .iter()
            .map(|(key, value)| (key.clone(), json(value, depth + 1)))
            .collect(),
    )
}

fn json(value: &pb::Value, depth: usize) -> Value {
    use pb::value::Kind;
    if depth > 64 {
        return Value::Null;
    }
    match &value.kind {
        None | Some(Kind::NullValue(_)) => Value::Null,
        Some(Kind::BoolValue(value)) => Value::Bool(*value),
        Some(Kind::StringValue(text)) => Value::String(text.clone()),
        // Whole numbers print without a fraction, as protobuf's JSON does.
        Some(Kind::NumberValue(number)) if number.fract() == 0.0 && number.abs() < 9e15 => {
            Value::Number(Number::from(*number as i64))
        }
        Some(Kind::NumberValue(number)) => {
            Number::from_f64(*number).map_or(Value::Null, Value::Number)
        }
        Some(Kind::StructValue(fields)) => structure(fields, depth),
        Some(Kind::ListValue(list)) => list
            .values
            .iter()
            .map(|item| json(item, depth + 1))
            .collect(),
    }
}

/// Envoy's default for `initial_fetch_timeout`; zero waits for ever.
pub(super) fn fetch_timeout(
    at: &At<'_>,
    source: Option<&core::ConfigSource>,
) -> Result<Option<Duration>> {
    let timeout = source.and_then(|source| source.initial_fetch_timeout.as_ref());
    limit(
        &at.field("initial_fetch_timeout"),
        timeout,
        Some(Duration::from_secs(15)),
    )
}

/// Resources other than secrets come from ADS alone.
pub(super) fn ads_only(
    at: &At<'_>,
    source: Option<&core::ConfigSource>,
) -> Result<Option<Duration>> {
    use core::config_source::ConfigSourceSpecifier as Source;
    match source.and_then(|source| source.config_source_specifier.as_ref()) {
        Some(Source::Ads(_)) => fetch_timeout(at, source),
        None => Err(at.missing()),
        Some(_) => Err(at.error("only ads is supported by ferromesh-proxy")),
    }
}
