//! Codec options, downstream and upstream.

use std::time::Duration;

use xds::envoy::config::cluster::v3 as cluster_pb;
use xds::envoy::config::core::v3 as core;
use xds::envoy::extensions::http::header_formatters::preserve_case::v3::PreserveCaseFormatterConfig;
use xds::envoy::extensions::upstreams::http::v3 as pb;

use super::common::{bool_or, limit, positive, type_name, u32_or, unpack, unpack_only};
use super::{At, Result, matcher};
use crate::config::cluster::{UpstreamHttp, UpstreamProtocol};
use crate::config::hcm::{H2Keepalive, HeaderCase, Http1Options, Http2Options, Underscores};
use crate::config::request::LowerName;

/// The key of `typed_extension_protocol_options`.
const HTTP_OPTIONS: &str = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";

/// Envoy's default for connections without streams.
const IDLE: Duration = Duration::from_secs(3600);

pub(super) fn compile(at: &At<'_>, cluster: &cluster_pb::Cluster) -> Result<UpstreamHttp> {
    let mut options = pb::HttpProtocolOptions::default();
    let label = format!("typed_extension_protocol_options[{HTTP_OPTIONS:?}]");
    for (key, any) in &cluster.typed_extension_protocol_options {
        if key != HTTP_OPTIONS {
            let label = format!("typed_extension_protocol_options[{key:?}]");
            return Err(at.field(&label).unsupported());
        }
        options = unpack_only(&at.field(&label), any)?;
    }
    let at = at.field(&label);
    let common = options.common_http_protocol_options.unwrap_or_default();
    let names = options
        .upstream_http_protocol_options
        .clone()
        .unwrap_or_default();
    let (protocol, http1, http2) = protocol(&at, &options)?;
    let common_at = at.field("common_http_protocol_options");
    let kib = u32_or(common.max_response_headers_kb, 80);
    Ok(UpstreamHttp {
        protocol,
        http1,
        http2,
        idle_timeout: limit(
            &common_at.field("idle_timeout"),
            common.idle_timeout.as_ref(),
            Some(IDLE),
        )?,
        max_connection_duration: limit(
            &common_at.field("max_connection_duration"),
            common.max_connection_duration.as_ref(),
            None,
        )?,
        max_stream_duration: limit(
            &common_at.field("max_stream_duration"),
            common.max_stream_duration.as_ref(),
            None,
        )?,
        max_requests_per_connection: u32_or(common.max_requests_per_connection, 0),
        max_response_headers_count: u32_or(common.max_headers_count, 100),
        max_response_headers_bytes: kib as usize * 1024,
        underscores: underscores(&common_at, common.headers_with_underscores_action)?,
        auto_sni: names.auto_sni,
        auto_san_validation: names.auto_san_validation,
        override_auto_sni_header: Some(names.override_auto_sni_header.as_str())
            .filter(|name| !name.is_empty())
            .map(LowerName::new),
    })
}

fn protocol(
    at: &At<'_>,
    options: &pb::HttpProtocolOptions,
) -> Result<(UpstreamProtocol, Http1Options, Http2Options)> {
    use pb::http_protocol_options::UpstreamProtocolOptions as Spec;
    use pb::http_protocol_options::explicit_http_config::ProtocolConfig;
    let both = |at: &At<'_>,
                h1: Option<&core::Http1ProtocolOptions>,
                h2: Option<&core::Http2ProtocolOptions>| {
        let h1 = h1
            .map(|value| http1(&at.field("http_protocol_options"), value))
            .transpose()?;
        let h2 = h2
            .map(|value| http2(&at.field("http2_protocol_options"), value))
            .transpose()?;
        Ok::<_, super::CompileError>((h1.unwrap_or_default(), h2.unwrap_or_default()))
    };
    let (kind, (h1, h2)) = match &options.upstream_protocol_options {
        None => (UpstreamProtocol::Http1, Default::default()),
        Some(Spec::ExplicitHttpConfig(config)) => {
            let at = at.field("explicit_http_config");
            match &config.protocol_config {
                None => return Err(at.error("no protocol set")),
                Some(ProtocolConfig::HttpProtocolOptions(h1)) => {
                    (UpstreamProtocol::Http1, both(&at, Some(h1), None)?)
                }
                Some(ProtocolConfig::Http2ProtocolOptions(h2)) => {
                    (UpstreamProtocol::Http2, both(&at, None, Some(h2))?)
                }
                Some(ProtocolConfig::Http3ProtocolOptions(_)) => {
                    return Err(at.field("http3_protocol_options").unsupported());
                }
            }
        }
        Some(Spec::UseDownstreamProtocolConfig(config)) => {
            let at = at.field("use_downstream_protocol_config");
            let options = both(
                &at,
                config.http_protocol_options.as_ref(),
                config.http2_protocol_options.as_ref(),
            )?;
            (UpstreamProtocol::UseDownstream, options)
        }
        Some(Spec::AutoConfig(config)) => {
            let at = at.field("auto_config");
            let options = both(
                &at,
                config.http_protocol_options.as_ref(),
                config.http2_protocol_options.as_ref(),
            )?;
            (UpstreamProtocol::Auto, options)
        }
    };
    Ok((kind, h1, h2))
}

pub(super) fn underscores(at: &At<'_>, value: i32) -> Result<Underscores> {
    use core::http_protocol_options::HeadersWithUnderscoresAction as Pb;
    Ok(match Pb::try_from(value) {
        Ok(Pb::Allow) => Underscores::Allow,
        Ok(Pb::RejectRequest) => Underscores::Reject,
        Ok(Pb::DropHeader) => Underscores::Drop,
        Err(_) => {
            return Err(at
                .field("headers_with_underscores_action")
                .error("unknown value"));
        }
    })
}

pub(super) fn http1(at: &At<'_>, options: &core::Http1ProtocolOptions) -> Result<Http1Options> {
    // RFC 9112 §3.2.2: a server accepts the absolute form.
    if !bool_or(options.allow_absolute_url, true) {
        return Err(at
            .field("allow_absolute_url")
            .error("cannot be switched off"));
    }
    if options.allow_chunked_length {
        return Err(at
            .field("allow_chunked_length")
            .error("Content-Length with Transfer-Encoding is always refused"));
    }
    Ok(Http1Options {
        accept_http_10: options.accept_http_10,
        default_host_for_http_10: Some(options.default_host_for_http_10.as_str())
            .filter(|host| !host.is_empty())
            .map(Into::into),
        header_case: header_case(
            &at.field("header_key_format"),
            options.header_key_format.as_ref(),
        )?,
        enable_trailers: options.enable_trailers,
        send_fully_qualified_url: options.send_fully_qualified_url,
        allow_custom_methods: options.allow_custom_methods,
        ignore_upgrade: matcher::strings(
            at,
            "ignore_http_11_upgrade",
            &options.ignore_http_11_upgrade,
        )?,
    })
}

fn header_case(
    at: &At<'_>,
    format: Option<&core::http1_protocol_options::HeaderKeyFormat>,
) -> Result<HeaderCase> {
    use core::http1_protocol_options::header_key_format::HeaderFormat;
    Ok(
        match format.and_then(|format| format.header_format.as_ref()) {
            None => HeaderCase::Lower,
            Some(HeaderFormat::ProperCaseWords(_)) => HeaderCase::ProperCase,
            Some(HeaderFormat::StatefulFormatter(extension)) => {
                let at = at.field("stateful_formatter");
                let at = at.field("typed_config");
                let any = extension
                    .typed_config
                    .as_ref()
                    .ok_or_else(|| at.missing())?;
                let Some(config) = unpack::<PreserveCaseFormatterConfig>(&at, any)? else {
                    return Err(at.error(format_args!(
                        "{} is not supported by ferromesh-proxy",
                        type_name(any)
                    )));
                };
                match config.formatter_type_on_envoy_headers {
                    0 => HeaderCase::Preserve,
                    _ => HeaderCase::PreserveElseProper,
                }
            }
        },
    )
}

/// Bounds of HTTP/2 windows: RFC 9113 §6.9.2 and Envoy's minimum.
const WINDOW: std::ops::RangeInclusive<u32> = 65_535..=2_147_483_647;

pub(super) fn http2(at: &At<'_>, options: &core::Http2ProtocolOptions) -> Result<Http2Options> {
    let d = Http2Options::default();
    let window = |name: &str, value, default| match u32_or(value, default) {
        value if WINDOW.contains(&value) => Ok(value),
        _ => Err(at.field(name).error("must be 65535 to 2147483647")),
    };
    let streams = u32_or(options.max_concurrent_streams, d.max_concurrent_streams);
    if !(1..=2_147_483_647).contains(&streams) {
        return Err(at
            .field("max_concurrent_streams")
            .error("must be 1 to 2147483647"));
    }
    let keepalive = options.connection_keepalive.as_ref();
    Ok(Http2Options {
        max_concurrent_streams: streams,
        initial_stream_window: window(
            "initial_stream_window_size",
            options.initial_stream_window_size,
            d.initial_stream_window,
        )?,
        initial_connection_window: window(
            "initial_connection_window_size",
            options.initial_connection_window_size,
            d.initial_connection_window,
        )?,
        header_table_size: u32_or(options.hpack_table_size, d.header_table_size),
        allow_connect: options.allow_connect,
        keepalive: keepalive
            .map(|value| keepalive_settings(&at.field("connection_keepalive"), value))
            .transpose()?,
    })
}

fn keepalive_settings(at: &At<'_>, value: &core::KeepaliveSettings) -> Result<H2Keepalive> {
    let timeout = value
        .timeout
        .as_ref()
        .ok_or_else(|| at.field("timeout").missing())?;
    Ok(H2Keepalive {
        interval: limit(&at.field("interval"), value.interval.as_ref(), None)?,
        timeout: positive(&at.field("timeout"), Some(timeout), Duration::ZERO)?,
        interval_jitter: value
            .interval_jitter
            .as_ref()
            .map_or(15.0, |percent| percent.value),
    })
}
