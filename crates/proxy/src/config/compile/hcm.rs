//! HTTP connection managers.

use std::sync::Arc;
use std::time::Duration;

use base::ContentHash;
use prost::Message;
use xds::envoy::config::core::v3 as core;
use xds::envoy::extensions::filters::network::http_connection_manager::v3 as pb;

use super::common::{ads_only, bool_or, cidrs, limit, optional_duration, u32_or};
use super::upstream_http::{http1, http2, underscores};
use super::{At, Result, access_log, filter, local_reply, route};
use crate::config::hcm::{
    ClientCertDetails, CodecType, EscapedSlashes, ForwardClientCert, Hcm, HcmTimeouts,
    InternalAddresses, RouteSource, ServerHeader, StripPort,
};
use crate::config::ids::Ids;

pub(super) fn compile(ids: &Ids, at: &At<'_>, config: &pb::HttpConnectionManager) -> Result<Hcm> {
    let common = config.common_http_protocol_options.unwrap_or_default();
    let common_at = at.field("common_http_protocol_options");
    let h1 = config.http_protocol_options.as_ref();
    let h1 = h1
        .map(|value| http1(&at.field("http_protocol_options"), value))
        .transpose()?;
    let h2 = config.http2_protocol_options.as_ref();
    let h2 = h2
        .map(|value| http2(&at.field("http2_protocol_options"), value))
        .transpose()?;
    let scheme = config
        .scheme_header_transformation
        .clone()
        .unwrap_or_default();
    let replies = config.local_reply_config.as_ref();
    let headers_kb = u32_or(config.max_request_headers_kb, 60);
    if !(1..=8192).contains(&headers_kb) {
        return Err(at
            .field("max_request_headers_kb")
            .error("must be 1 to 8192"));
    }
    Ok(Hcm {
        codec: codec(at, config.codec_type)?,
        stat_prefix: config.stat_prefix.as_str().into(),
        routes: routes(ids, at, config)?,
        filters: filter::chain(at, &config.http_filters)?,
        access_logs: access_log::compile_all(at, "access_log", &config.access_log)?,
        timeouts: timeouts(at, config, &common)?,
        max_request_headers_bytes: headers_kb as usize * 1024,
        max_headers_count: match u32_or(common.max_headers_count, 100) {
            0 => {
                return Err(common_at
                    .field("max_headers_count")
                    .error("must be at least 1"));
            }
            count => count,
        },
        max_requests_per_connection: u32_or(common.max_requests_per_connection, 0),
        underscores: underscores(&common_at, common.headers_with_underscores_action)?,
        normalize_path: bool_or(config.normalize_path, false),
        merge_slashes: config.merge_slashes,
        escaped_slashes: escaped_slashes(at, config.path_with_escaped_slashes_action)?,
        use_remote_address: bool_or(config.use_remote_address, false),
        xff_num_trusted_hops: config.xff_num_trusted_hops,
        skip_xff_append: config.skip_xff_append,
        append_x_forwarded_port: config.append_x_forwarded_port,
        internal_addresses: internal_addresses(at, config)?,
        server_name: if config.server_name.is_empty() {
            "envoy"
        } else {
            &config.server_name
        }
        .into(),
        server_header: server_header(at, config.server_header_transformation)?,
        via: Some(config.via.as_str())
            .filter(|via| !via.is_empty())
            .map(Into::into),
        add_user_agent: bool_or(config.add_user_agent, false),
        forward_client_cert: client_cert(at, config.forward_client_cert_details)?,
        client_cert_details: cert_details(config.set_current_client_cert_details.as_ref()),
        generate_request_id: bool_or(config.generate_request_id, true),
        preserve_external_request_id: config.preserve_external_request_id,
        always_set_request_id_in_response: config.always_set_request_id_in_response,
        scheme_to_overwrite: scheme_to_overwrite(at, &scheme)?,
        scheme_match_upstream: scheme.match_upstream,
        proxy_100_continue: config.proxy_100_continue,
        represent_ipv4_as_mapped_ipv6: config.represent_ipv4_remote_address_as_ipv4_mapped_ipv6,
        strip_port: strip_port(config),
        strip_trailing_host_dot: config.strip_trailing_host_dot,
        upgrades: upgrades(at, config)?,
        local_reply: match replies {
            Some(value) => local_reply::compile(&at.field("local_reply_config"), value)?,
            None => Default::default(),
        },
        http1: h1.unwrap_or_default(),
        http2: h2.unwrap_or_default(),
    })
}

fn codec(at: &At<'_>, value: i32) -> Result<CodecType> {
    use pb::http_connection_manager::CodecType as Pb;
    Ok(match Pb::try_from(value) {
        Ok(Pb::Auto) => CodecType::Auto,
        Ok(Pb::Http1) => CodecType::Http1,
        Ok(Pb::Http2) => CodecType::Http2,
        _ => return Err(at.field("codec_type").unsupported()),
    })
}

fn routes(ids: &Ids, at: &At<'_>, config: &pb::HttpConnectionManager) -> Result<RouteSource> {
    use pb::http_connection_manager::RouteSpecifier;
    Ok(match &config.route_specifier {
        Some(RouteSpecifier::RouteConfig(table)) => {
            let version = ContentHash::of(&table.encode_to_vec());
            RouteSource::Inline(Arc::new(route::compile(
                ids,
                &at.field("route_config"),
                table,
                version,
            )?))
        }
        Some(RouteSpecifier::Rds(rds)) => {
            if rds.route_config_name.is_empty() {
                return Err(at.field("rds").field("route_config_name").missing());
            }
            let source_at = at.field("rds");
            RouteSource::Rds {
                name: rds.route_config_name.as_str().into(),
                id: ids.route_table(&rds.route_config_name),
                fetch_timeout: ads_only(
                    &source_at.field("config_source"),
                    rds.config_source.as_ref(),
                )?,
            }
        }
        Some(RouteSpecifier::ScopedRoutes(_)) => {
            return Err(at.field("scoped_routes").unsupported());
        }
        None => return Err(at.field("route_config").missing()),
    })
}

fn timeouts(
    at: &At<'_>,
    config: &pb::HttpConnectionManager,
    common: &core::HttpProtocolOptions,
) -> Result<HcmTimeouts> {
    let read = |name: &str, value: Option<&xds::google::protobuf::Duration>, default| {
        limit(&at.field(name), value, default)
    };
    let of_common = |name: &str, value: Option<&xds::google::protobuf::Duration>, default| {
        limit(
            &at.field("common_http_protocol_options").field(name),
            value,
            default,
        )
    };
    let stream_idle = read(
        "stream_idle_timeout",
        config.stream_idle_timeout.as_ref(),
        Some(Duration::from_secs(300)),
    )?;
    let drain = optional_duration(&at.field("drain_timeout"), config.drain_timeout.as_ref())?;
    Ok(HcmTimeouts {
        request: read("request_timeout", config.request_timeout.as_ref(), None)?,
        request_headers: read(
            "request_headers_timeout",
            config.request_headers_timeout.as_ref(),
            None,
        )?,
        stream_flush: read(
            "stream_flush_timeout",
            config.stream_flush_timeout.as_ref(),
            stream_idle,
        )?,
        stream_idle,
        connection_idle: of_common(
            "idle_timeout",
            common.idle_timeout.as_ref(),
            Some(Duration::from_secs(3600)),
        )?,
        max_connection_duration: of_common(
            "max_connection_duration",
            common.max_connection_duration.as_ref(),
            None,
        )?,
        max_stream_duration: of_common(
            "max_stream_duration",
            common.max_stream_duration.as_ref(),
            None,
        )?,
        drain: drain.unwrap_or(Duration::from_secs(5)),
        delayed_close: read(
            "delayed_close_timeout",
            config.delayed_close_timeout.as_ref(),
            Some(Duration::from_secs(1)),
        )?,
    })
}

fn escaped_slashes(at: &At<'_>, value: i32) -> Result<EscapedSlashes> {
    use pb::http_connection_manager::PathWithEscapedSlashesAction as Pb;
    Ok(match Pb::try_from(value) {
        // The implementation's default is to keep; runtime could change it and there is none.
        Ok(Pb::ImplementationSpecificDefault | Pb::KeepUnchanged) => EscapedSlashes::Keep,
        Ok(Pb::RejectRequest) => EscapedSlashes::Reject,
        Ok(Pb::UnescapeAndRedirect) => EscapedSlashes::UnescapeAndRedirect,
        Ok(Pb::UnescapeAndForward) => EscapedSlashes::UnescapeAndForward,
        Err(_) => {
            return Err(at
                .field("path_with_escaped_slashes_action")
                .error("unknown value"));
        }
    })
}

fn internal_addresses(
    at: &At<'_>,
    config: &pb::HttpConnectionManager,
) -> Result<InternalAddresses> {
    let Some(value) = &config.internal_address_config else {
        return Ok(InternalAddresses::default());
    };
    let ranges = cidrs(
        &at.field("internal_address_config"),
        "cidr_ranges",
        &value.cidr_ranges,
    )?;
    Ok(InternalAddresses {
        ranges: Some(ranges).filter(|ranges| !ranges.is_empty()),
    })
}

fn server_header(at: &At<'_>, value: i32) -> Result<ServerHeader> {
    use pb::http_connection_manager::ServerHeaderTransformation as Pb;
    Ok(match Pb::try_from(value) {
        Ok(Pb::Overwrite) => ServerHeader::Overwrite,
        Ok(Pb::AppendIfAbsent) => ServerHeader::AppendIfAbsent,
        Ok(Pb::PassThrough) => ServerHeader::PassThrough,
        Err(_) => {
            return Err(at
                .field("server_header_transformation")
                .error("unknown value"));
        }
    })
}

fn client_cert(at: &At<'_>, value: i32) -> Result<ForwardClientCert> {
    use pb::http_connection_manager::ForwardClientCertDetails as Pb;
    Ok(match Pb::try_from(value) {
        Ok(Pb::Sanitize) => ForwardClientCert::Sanitize,
        Ok(Pb::ForwardOnly) => ForwardClientCert::ForwardOnly,
        Ok(Pb::AppendForward) => ForwardClientCert::AppendForward,
        Ok(Pb::SanitizeSet) => ForwardClientCert::SanitizeSet,
        Ok(Pb::AlwaysForwardOnly) => ForwardClientCert::AlwaysForwardOnly,
        Err(_) => {
            return Err(at
                .field("forward_client_cert_details")
                .error("unknown value"));
        }
    })
}

fn cert_details(
    value: Option<&pb::http_connection_manager::SetCurrentClientCertDetails>,
) -> ClientCertDetails {
    value.map_or_else(ClientCertDetails::default, |value| ClientCertDetails {
        subject: bool_or(value.subject, false),
        cert: value.cert,
        chain: value.chain,
        dns: value.dns,
        uri: value.uri,
    })
}

fn scheme_to_overwrite(
    at: &At<'_>,
    value: &core::SchemeHeaderTransformation,
) -> Result<Option<Box<str>>> {
    use core::scheme_header_transformation::Transformation;
    Ok(match &value.transformation {
        None => None,
        Some(Transformation::SchemeToOverwrite(scheme))
            if matches!(scheme.as_str(), "http" | "https") =>
        {
            Some(scheme.as_str().into())
        }
        Some(Transformation::SchemeToOverwrite(_)) => {
            return Err(at
                .field("scheme_header_transformation")
                .field("scheme_to_overwrite")
                .error("must be http or https"));
        }
    })
}

fn strip_port(config: &pb::HttpConnectionManager) -> StripPort {
    use pb::http_connection_manager::StripPortMode;
    match (&config.strip_port_mode, config.strip_matching_host_port) {
        (Some(StripPortMode::StripAnyHostPort(true)), _) => StripPort::Any,
        (_, true) => StripPort::Matching,
        _ => StripPort::Keep,
    }
}

fn upgrades(at: &At<'_>, config: &pb::HttpConnectionManager) -> Result<Vec<(Box<str>, bool)>> {
    let entries = config
        .upgrade_configs
        .iter()
        .enumerate()
        .map(|(i, upgrade)| {
            let at = at.item("upgrade_configs", i);
            if !upgrade.filters.is_empty() {
                return Err(at.field("filters").unsupported());
            }
            if upgrade.upgrade_type.is_empty() {
                return Err(at.field("upgrade_type").missing());
            }
            Ok((
                upgrade.upgrade_type.to_ascii_lowercase().into(),
                bool_or(upgrade.enabled, true),
            ))
        });
    entries.collect()
}
