//! Route configurations, virtual hosts, routes.

use std::collections::HashMap;
use std::sync::Arc;

use base::ContentHash;
use xds::envoy::config::route::v3 as pb;

use super::common::{bool_or, metadata, runtime_fraction, u32_or};
use super::filter::LevelFilters;
use super::headers::{Lists, level};
use super::route_action::{self, Defaults};
use super::{At, Result, matcher};
use crate::config::ids::Ids;
use crate::config::matcher::Text;
use crate::config::request::LowerName;
use crate::config::route::{
    ByLength, Domains, PathMatch, RequireTls, Route, RouteMatch, RouteTable, TableOptions,
    TlsMatch, VirtualHost,
};

/// Envoy's default for `max_direct_response_body_size_bytes`.
const DIRECT_RESPONSE_BODY: u32 = 4096;

pub(super) fn compile(
    ids: &Ids,
    at: &At<'_>,
    table: &pb::RouteConfiguration,
    version: ContentHash,
) -> Result<RouteTable> {
    let options = TableOptions {
        most_specific_wins: table.most_specific_header_mutations_wins,
        ignore_port_in_host: table.ignore_port_in_host_matching,
        ignore_path_parameters: table.ignore_path_parameters_in_path_matching,
        internal_only_headers: table
            .internal_only_headers
            .iter()
            .map(|name| LowerName::new(name))
            .collect(),
        max_direct_response_body: u32_or(
            table.max_direct_response_body_size_bytes,
            DIRECT_RESPONSE_BODY,
        ) as usize,
        mirror: route_action::mirrors(ids, at, &table.request_mirror_policies)?,
    };
    let filters = LevelFilters::compile(at, &table.typed_per_filter_config)?;
    let mut vhosts = Vec::with_capacity(table.virtual_hosts.len());
    let mut names = HashMap::new();
    for (i, host) in table.virtual_hosts.iter().enumerate() {
        let at = at.item("virtual_hosts", i);
        if names.insert(host.name.as_str(), i).is_some() {
            return Err(at
                .field("name")
                .error(format_args!("{:?} is used twice", host.name)));
        }
        vhosts.push(Arc::new(virtual_host(ids, &at, host, &options, &filters)?));
    }
    Ok(RouteTable {
        name: table.name.as_str().into(),
        version,
        domains: domains(at, &table.virtual_hosts)?,
        vhosts,
        headers: level(
            at,
            &Lists {
                request_add: &table.request_headers_to_add,
                request_remove: &table.request_headers_to_remove,
                response_add: &table.response_headers_to_add,
                response_remove: &table.response_headers_to_remove,
            },
        )?,
        metadata: metadata(table.metadata.as_ref()),
        options,
    })
}

fn domains(at: &At<'_>, hosts: &[pb::VirtualHost]) -> Result<Domains> {
    let mut domains = Domains::default();
    for (i, host) in hosts.iter().enumerate() {
        let at = at.item("virtual_hosts", i);
        if host.domains.is_empty() {
            return Err(at.field("domains").missing());
        }
        for (j, domain) in host.domains.iter().enumerate() {
            let at = at.item("domains", j);
            add_domain(&at, &mut domains, domain, i as u32)?;
        }
    }
    domains
        .suffix
        .sort_by_key(|(length, _)| std::cmp::Reverse(*length));
    domains
        .prefix
        .sort_by_key(|(length, _)| std::cmp::Reverse(*length));
    Ok(domains)
}

fn add_domain(at: &At<'_>, domains: &mut Domains, domain: &str, host: u32) -> Result<()> {
    let duplicate = || {
        at.error(format_args!(
            "domain {domain:?} belongs to another virtual host, too"
        ))
    };
    let lower = domain.to_ascii_lowercase();
    if lower == "*" {
        return match domains.any.replace(host) {
            None => Ok(()),
            Some(_) => Err(duplicate()),
        };
    }
    if let Some(suffix) = lower.strip_prefix('*') {
        return insert(&mut domains.suffix, suffix, host).ok_or_else(duplicate);
    }
    if let Some(prefix) = lower.strip_suffix('*') {
        return insert(&mut domains.prefix, prefix, host).ok_or_else(duplicate);
    }
    match domains.exact.insert(lower.into_bytes().into(), host) {
        None => Ok(()),
        Some(_) => Err(duplicate()),
    }
}

fn insert(list: &mut ByLength, text: &str, host: u32) -> Option<()> {
    let length = text.len();
    let at = list
        .iter()
        .position(|(have, _)| *have == length)
        .unwrap_or_else(|| {
            list.push((length, HashMap::new()));
            list.len() - 1
        });
    match list[at].1.insert(text.as_bytes().into(), host) {
        None => Some(()),
        Some(_) => None,
    }
}

#[expect(deprecated, reason = "the older buffer limit still counts")]
fn virtual_host(
    ids: &Ids,
    at: &At<'_>,
    host: &pb::VirtualHost,
    options: &TableOptions,
    table_filters: &LevelFilters,
) -> Result<VirtualHost> {
    use pb::virtual_host::TlsRequirementType;
    let filters = table_filters.under(&LevelFilters::compile(at, &host.typed_per_filter_config)?);
    let body_limit = body_limit(
        host.request_body_buffer_limit,
        host.per_request_buffer_limit_bytes,
    );
    let retry = host.retry_policy.as_ref();
    let retry = retry
        .map(|policy| route_action::retry(&at.field("retry_policy"), policy))
        .transpose()?;
    let mirror = route_action::mirrors(ids, at, &host.request_mirror_policies)?;
    let defaults = Defaults {
        retry: retry.map(Arc::new),
        mirror: if mirror.is_empty() {
            options.mirror.clone()
        } else {
            mirror
        },
        max_direct_body: options.max_direct_response_body,
        filters,
        body_limit,
    };
    let routes = host.routes.iter().enumerate();
    let routes =
        routes.map(|(i, value)| route(ids, &at.item("routes", i), value, &defaults).map(Arc::new));
    Ok(VirtualHost {
        name: host.name.as_str().into(),
        domains: host
            .domains
            .iter()
            .map(|domain| domain.as_str().into())
            .collect(),
        routes: routes.collect::<Result<_>>()?,
        require_tls: match TlsRequirementType::try_from(host.require_tls) {
            Ok(TlsRequirementType::None) => RequireTls::None,
            Ok(TlsRequirementType::ExternalOnly) => RequireTls::ExternalOnly,
            Ok(TlsRequirementType::All) => RequireTls::All,
            Err(_) => return Err(at.field("require_tls").error("unknown value")),
        },
        headers: level(
            at,
            &Lists {
                request_add: &host.request_headers_to_add,
                request_remove: &host.request_headers_to_remove,
                response_add: &host.response_headers_to_add,
                response_remove: &host.response_headers_to_remove,
            },
        )?,
        include_request_attempt_count: host.include_request_attempt_count,
        include_attempt_count_in_response: host.include_attempt_count_in_response,
        include_is_timeout_retry_header: host.include_is_timeout_retry_header,
        metadata: metadata(host.metadata.as_ref()),
    })
}

fn body_limit(
    new: Option<xds::google::protobuf::UInt64Value>,
    old: Option<xds::google::protobuf::UInt32Value>,
) -> Option<u64> {
    new.map(|value| value.value)
        .or_else(|| old.map(|value| u64::from(value.value)))
}

#[expect(deprecated, reason = "the older buffer limit still counts")]
fn route(ids: &Ids, at: &At<'_>, route: &pb::Route, defaults: &Defaults) -> Result<Route> {
    let matcher = route
        .r#match
        .as_ref()
        .ok_or_else(|| at.field("match").missing())?;
    let matcher = route_match(&at.field("match"), matcher)?;
    let metadata = metadata(route.metadata.as_ref());
    let in_retry = metadata
        .get("ferromesh", &["fault_in_retry"])
        .and_then(serde_json::Value::as_bool)
        .unwrap_or(false);
    let own = defaults
        .filters
        .under(&LevelFilters::compile(at, &route.typed_per_filter_config)?);
    let action = route_action::compile(ids, at, route, &matcher.path, defaults, &own, in_retry)?;
    Ok(Route {
        name: route.name.as_str().into(),
        action,
        headers: level(
            at,
            &Lists {
                request_add: &route.request_headers_to_add,
                request_remove: &route.request_headers_to_remove,
                response_add: &route.response_headers_to_add,
                response_remove: &route.response_headers_to_remove,
            },
        )?,
        stat_prefix: route.stat_prefix.as_str().into(),
        body_buffer_limit: body_limit(
            route.request_body_buffer_limit,
            route.per_request_buffer_limit_bytes,
        )
        .or(defaults.body_limit),
        filters: own.finish(in_retry),
        matcher,
        metadata,
    })
}

fn route_match(at: &At<'_>, value: &pb::RouteMatch) -> Result<RouteMatch> {
    use pb::route_match::PathSpecifier as Spec;
    let ignore_case = !bool_or(value.case_sensitive, true);
    let text = |path: &str| Text::new(path, ignore_case);
    let path = match &value.path_specifier {
        None => return Err(at.error("no path condition set")),
        Some(Spec::Prefix(path)) => PathMatch::Prefix(text(path)),
        Some(Spec::Path(path)) => PathMatch::Exact(text(path)),
        Some(Spec::SafeRegex(regex)) => {
            PathMatch::Regex(matcher::regex(&at.field("safe_regex"), regex)?)
        }
        Some(Spec::ConnectMatcher(_)) => PathMatch::Connect,
        Some(Spec::PathSeparatedPrefix(path)) => {
            if !path.starts_with('/') || path.ends_with('/') || path.contains(['?', '#']) {
                return Err(at
                    .field("path_separated_prefix")
                    .error("starts with a slash and does not end with one"));
            }
            PathMatch::SegmentPrefix(text(path))
        }
        Some(Spec::PathMatchPolicy(_)) => return Err(at.field("path_match_policy").unsupported()),
    };
    let query = value.query_parameters.iter().enumerate();
    let fraction = value.runtime_fraction.as_ref();
    Ok(RouteMatch {
        path,
        headers: matcher::headers(at, "headers", &value.headers)?,
        query: query
            .map(|(i, q)| matcher::query(&at.item("query_parameters", i), q))
            .collect::<Result<_>>()?,
        grpc: value.grpc.is_some(),
        tls: value.tls_context.as_ref().map(|tls| TlsMatch {
            presented: tls.presented.map(|value| value.value),
            validated: tls.validated.map(|value| value.value),
        }),
        fraction: fraction
            .map(|f| runtime_fraction(&at.field("runtime_fraction"), f))
            .transpose()?,
    })
}
