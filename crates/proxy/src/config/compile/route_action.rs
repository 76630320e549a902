//! Route actions: forward, redirect, answer; retries and mirrors.

use std::sync::Arc;
use std::time::Duration;

use xds::envoy::config::route::v3 as pb;
use xds::envoy::extensions::retry::host::previous_hosts::v3::PreviousHostsPredicate;

use super::common::{
    bool_or, data_source, limit, optional_duration, positive, runtime_fraction, type_name, u32_or,
    unpack,
};
use super::filter::LevelFilters;
use super::headers::{Lists, level};
use super::{At, Result, matcher};
use crate::config::ids::Ids;
use crate::config::matcher::Fraction;
use crate::config::request::LowerName;
use crate::config::retry::{RateLimitedReset, ResetHeaderFormat, RetryOn, RetryPolicy};
use crate::config::route::{
    Action, ClusterChoice, DirectResponse, Forward, HostRewrite, MaxStreamDuration, MirrorPolicy,
    MirrorTarget, PathMatch, PathRedirect, PathRewrite, Priority, Redirect, SchemeRedirect,
    Weighted, WeightedCluster, WeightedTarget,
};

/// What the virtual host and the route table say where the route is silent.
pub(super) struct Defaults {
    pub retry: Option<Arc<RetryPolicy>>,
    pub mirror: Box<[MirrorPolicy]>,
    pub max_direct_body: usize,
    pub filters: LevelFilters,
    pub body_limit: Option<u64>,
}

pub(super) fn compile(
    ids: &Ids,
    at: &At<'_>,
    route: &pb::Route,
    path: &PathMatch,
    defaults: &Defaults,
    filters: &LevelFilters,
    fault_in_retry: bool,
) -> Result<Action> {
    use pb::route::Action as Pb;
    Ok(match &route.action {
        None => return Err(at.error("no action set")),
        Some(Pb::Route(action)) => {
            let context = Forwarding {
                ids,
                path,
                defaults,
                filters,
                fault_in_retry,
            };
            Action::Forward(Box::new(context.forward(&at.field("route"), action)?))
        }
        Some(Pb::Redirect(action)) => {
            Action::Redirect(Box::new(redirect(&at.field("redirect"), action)?))
        }
        Some(Pb::DirectResponse(action)) => Action::Direct(Box::new(direct(
            &at.field("direct_response"),
            action,
            defaults.max_direct_body,
        )?)),
        Some(Pb::FilterAction(_)) => return Err(at.field("filter_action").unsupported()),
        Some(Pb::NonForwardingAction(_)) => {
            return Err(at.field("non_forwarding_action").unsupported());
        }
    })
}

struct Forwarding<'a> {
    ids: &'a Ids,
    path: &'a PathMatch,
    defaults: &'a Defaults,
    filters: &'a LevelFilters,
    fault_in_retry: bool,
}

impl Forwarding<'_> {
    fn forward(&self, at: &At<'_>, action: &pb::RouteAction) -> Result<Forward> {
        use pb::route_action::ClusterNotFoundResponseCode as NotFound;
        let retry = match &action.retry_policy {
            Some(policy) => Some(Arc::new(retry(&at.field("retry_policy"), policy)?)),
            None => self.defaults.retry.clone(),
        };
        let mirror = mirrors(self.ids, at, &action.request_mirror_policies)?;
        let stream = action.max_stream_duration.as_ref();
        Ok(Forward {
            cluster: self.cluster(at, action)?,
            cluster_not_found_status: match NotFound::try_from(
                action.cluster_not_found_response_code,
            ) {
                Ok(NotFound::ServiceUnavailable) => 503,
                Ok(NotFound::NotFound) => 404,
                Ok(NotFound::InternalServerError) => 500,
                Err(_) => {
                    return Err(at
                        .field("cluster_not_found_response_code")
                        .error("unknown value"));
                }
            },
            path_rewrite: self.path_rewrite(at, action)?,
            host_rewrite: host_rewrite(at, action)?,
            append_x_forwarded_host: action.append_x_forwarded_host,
            timeout: limit(
                &at.field("timeout"),
                action.timeout.as_ref(),
                Some(Duration::from_secs(15)),
            )?,
            idle_timeout: optional_duration(
                &at.field("idle_timeout"),
                action.idle_timeout.as_ref(),
            )?,
            max_stream_duration: stream
                .map(|s| stream_duration(&at.field("max_stream_duration"), s))
                .transpose()?,
            #[allow(deprecated)]
            max_grpc_timeout: optional_duration(
                &at.field("max_grpc_timeout"),
                action.max_grpc_timeout.as_ref(),
            )?,
            retry,
            mirror: if mirror.is_empty() {
                self.defaults.mirror.clone()
            } else {
                mirror
            },
            priority: match action.priority {
                0 => Priority::Default,
                1 => Priority::High,
                _ => return Err(at.field("priority").error("unknown value")),
            },
            upgrades: upgrades(at, action)?,
        })
    }

    fn cluster(&self, at: &At<'_>, action: &pb::RouteAction) -> Result<ClusterChoice> {
        use pb::route_action::ClusterSpecifier as Spec;
        Ok(match &action.cluster_specifier {
            Some(Spec::Cluster(name)) if name.is_empty() => {
                return Err(at.field("cluster").missing());
            }
            Some(Spec::Cluster(name)) => ClusterChoice::One(self.ids.cluster(name)),
            Some(Spec::ClusterHeader(name)) => ClusterChoice::Header(LowerName::new(name)),
            Some(Spec::WeightedClusters(value)) => {
                ClusterChoice::Weighted(self.weighted(&at.field("weighted_clusters"), value)?)
            }
            Some(Spec::ClusterSpecifierPlugin(_)) => {
                return Err(at.field("cluster_specifier_plugin").unsupported());
            }
            Some(Spec::InlineClusterSpecifierPlugin(_)) => {
                return Err(at.field("inline_cluster_specifier_plugin").unsupported());
            }
            None => return Err(at.error("no cluster set")),
        })
    }

    fn weighted(&self, at: &At<'_>, value: &pb::WeightedCluster) -> Result<Weighted> {
        use pb::weighted_cluster::RandomValueSpecifier as Random;
        let mut upper = 0;
        let mut clusters = Vec::with_capacity(value.clusters.len());
        for (i, cluster) in value.clusters.iter().enumerate() {
            let at = at.item("clusters", i);
            let weight = u32_or(cluster.weight, 0);
            upper += u64::from(weight);
            clusters.push(self.weighted_cluster(&at, cluster, weight, upper)?);
        }
        // Envoy: the sum of weights is positive and fits 32 bits.
        if upper == 0 || upper > u64::from(u32::MAX) {
            return Err(at
                .field("clusters")
                .error("the sum of weights must be 1 to 4294967295"));
        }
        let random_header = match &value.random_value_specifier {
            None => None,
            Some(Random::HeaderName(name)) => Some(LowerName::new(name)),
            Some(Random::UseHashPolicy(_)) => {
                return Err(at.field("use_hash_policy").unsupported());
            }
        };
        Ok(Weighted {
            clusters: clusters.into(),
            total: upper,
            random_header,
        })
    }

    fn weighted_cluster(
        &self,
        at: &At<'_>,
        cluster: &pb::weighted_cluster::ClusterWeight,
        weight: u32,
        upper: u64,
    ) -> Result<WeightedCluster> {
        use pb::weighted_cluster::cluster_weight::HostRewriteSpecifier;
        let target = match (cluster.name.as_str(), cluster.cluster_header.as_str()) {
            ("", "") => return Err(at.field("name").missing()),
            ("", header) => WeightedTarget::Header(LowerName::new(header)),
            (name, "") => WeightedTarget::Id(self.ids.cluster(name)),
            _ => return Err(at.field("cluster_header").error("name is set, too")),
        };
        let lists = Lists {
            request_add: &cluster.request_headers_to_add,
            request_remove: &cluster.request_headers_to_remove,
            response_add: &cluster.response_headers_to_add,
            response_remove: &cluster.response_headers_to_remove,
        };
        let own = LevelFilters::compile(at, &cluster.typed_per_filter_config)?;
        Ok(WeightedCluster {
            cluster: target,
            upper,
            weight,
            headers: level(at, &lists)?,
            host_rewrite: cluster
                .host_rewrite_specifier
                .as_ref()
                .map(|spec| match spec {
                    HostRewriteSpecifier::HostRewriteLiteral(host) => host.as_str().into(),
                }),
            filters: self.filters.under(&own).finish(self.fault_in_retry),
        })
    }

    fn path_rewrite(&self, at: &At<'_>, action: &pb::RouteAction) -> Result<Option<PathRewrite>> {
        if action.prefix_rewrite.is_empty() {
            let regex = action.regex_rewrite.as_ref();
            let regex = regex
                .map(|value| matcher::substitution(&at.field("regex_rewrite"), value))
                .transpose()?;
            return Ok(regex.map(PathRewrite::Regex));
        }
        if action.regex_rewrite.is_some() {
            return Err(at
                .field("regex_rewrite")
                .error("prefix_rewrite is set, too"));
        }
        if matches!(self.path, PathMatch::Regex(_) | PathMatch::Connect) {
            // Envoy replaces the whole matched path of a regex route.
            return Ok(Some(PathRewrite::Whole(
                action.prefix_rewrite.as_bytes().into(),
            )));
        }
        Ok(Some(PathRewrite::Prefix(
            action.prefix_rewrite.as_bytes().into(),
        )))
    }
}

fn host_rewrite(at: &At<'_>, action: &pb::RouteAction) -> Result<Option<HostRewrite>> {
    use pb::route_action::HostRewriteSpecifier as Spec;
    Ok(match &action.host_rewrite_specifier {
        None => None,
        Some(Spec::HostRewriteLiteral(host)) => Some(HostRewrite::Literal(host.as_str().into())),
        Some(Spec::AutoHostRewrite(value)) => value.value.then_some(HostRewrite::Auto),
        Some(Spec::HostRewriteHeader(name)) => Some(HostRewrite::Header(LowerName::new(name))),
        Some(Spec::HostRewritePathRegex(value)) => Some(HostRewrite::PathRegex(
            matcher::substitution(&at.field("host_rewrite_path_regex"), value)?,
        )),
        Some(Spec::HostRewrite(_)) => return Err(at.field("host_rewrite").unsupported()),
    })
}

fn stream_duration(
    at: &At<'_>,
    value: &pb::route_action::MaxStreamDuration,
) -> Result<MaxStreamDuration> {
    let read = |name: &str, value: Option<&xds::google::protobuf::Duration>| {
        optional_duration(&at.field(name), value)
    };
    Ok(MaxStreamDuration {
        max: read("max_stream_duration", value.max_stream_duration.as_ref())?,
        grpc_header_max: read(
            "grpc_timeout_header_max",
            value.grpc_timeout_header_max.as_ref(),
        )?,
        grpc_header_offset: read(
            "grpc_timeout_header_offset",
            value.grpc_timeout_header_offset.as_ref(),
        )?,
    })
}

fn upgrades(at: &At<'_>, action: &pb::RouteAction) -> Result<Box<[(Box<str>, bool)]>> {
    let entries = action
        .upgrade_configs
        .iter()
        .enumerate()
        .map(|(i, config)| {
            let at = at.item("upgrade_configs", i);
            if config.connect_config.is_some() {
                return Err(at.field("connect_config").unsupported());
            }
            Ok((
                config.upgrade_type.to_ascii_lowercase().into(),
                bool_or(config.enabled, true),
            ))
        });
    entries.collect()
}

pub(super) fn mirrors(
    ids: &Ids,
    at: &At<'_>,
    policies: &[pb::route_action::RequestMirrorPolicy],
) -> Result<Box<[MirrorPolicy]>> {
    let compiled = policies.iter().enumerate().map(|(i, policy)| {
        let at = at.item("request_mirror_policies", i);
        let cluster = match (policy.cluster.as_str(), policy.cluster_header.as_str()) {
            ("", "") => return Err(at.field("cluster").missing()),
            ("", header) => MirrorTarget::Header(LowerName::new(header)),
            (name, "") => MirrorTarget::Id(ids.cluster(name)),
            _ => return Err(at.field("cluster_header").error("cluster is set, too")),
        };
        let fraction = policy.runtime_fraction.as_ref();
        let fraction = fraction
            .map(|value| runtime_fraction(&at.field("runtime_fraction"), value))
            .transpose()?;
        Ok(MirrorPolicy {
            cluster,
            fraction: fraction.unwrap_or(Fraction::ALWAYS),
            append_shadow: !policy.disable_shadow_host_suffix_append,
            host_rewrite: Some(policy.host_rewrite_literal.as_str())
                .filter(|host| !host.is_empty())
                .map(Into::into),
        })
    });
    compiled.collect()
}

pub(super) fn retry(at: &At<'_>, policy: &pb::RetryPolicy) -> Result<RetryPolicy> {
    // Words that Envoy does not know are ignored there, too; numbers among them are Istio's way to write
    // retriable status codes, which it also sends as such.
    let (on, _) = RetryOn::parse(&policy.retry_on);
    let base = policy.retry_back_off.as_ref();
    let (back_off_base, back_off_max) = match base {
        None => (Duration::from_millis(25), Duration::from_millis(250)),
        Some(back_off) => {
            let at = at.field("retry_back_off");
            let Some(base) = &back_off.base_interval else {
                return Err(at.field("base_interval").missing());
            };
            // Envoy: below a millisecond counts as a millisecond.
            let base = positive(&at.field("base_interval"), Some(base), Duration::ZERO)?
                .max(Duration::from_millis(1));
            let max = optional_duration(&at.field("max_interval"), back_off.max_interval.as_ref())?;
            let max = max.map(|max| max.max(Duration::from_millis(1)));
            if max.is_some_and(|max| max < base) {
                return Err(at.field("max_interval").error("less than base_interval"));
            }
            (base, max.unwrap_or(base.saturating_mul(10)))
        }
    };
    let codes = policy
        .retriable_status_codes
        .iter()
        .enumerate()
        .map(|(i, code)| {
            u16::try_from(*code).map_err(|_| {
                at.item("retriable_status_codes", i)
                    .error("not a status code")
            })
        });
    Ok(RetryPolicy {
        on,
        num_retries: u32_or(policy.num_retries, 1),
        per_try_timeout: limit(
            &at.field("per_try_timeout"),
            policy.per_try_timeout.as_ref(),
            None,
        )?,
        per_try_idle_timeout: limit(
            &at.field("per_try_idle_timeout"),
            policy.per_try_idle_timeout.as_ref(),
            None,
        )?,
        retriable_status_codes: codes.collect::<Result<_>>()?,
        retriable_headers: matcher::headers(at, "retriable_headers", &policy.retriable_headers)?,
        retriable_request_headers: matcher::headers(
            at,
            "retriable_request_headers",
            &policy.retriable_request_headers,
        )?,
        back_off_base,
        back_off_max,
        rate_limited_reset: rate_limited(at, policy)?,
        avoid_previous_hosts: previous_hosts(at, policy)?,
        host_selection_max_attempts: match policy.host_selection_retry_max_attempts {
            0 => 1,
            attempts => u32::try_from(attempts)
                .map_err(|_| {
                    at.field("host_selection_retry_max_attempts")
                        .error("out of range")
                })?
                .min(100),
        },
    })
}

fn rate_limited(at: &At<'_>, policy: &pb::RetryPolicy) -> Result<Option<RateLimitedReset>> {
    use pb::retry_policy::ResetHeaderFormat as Pb;
    let Some(config) = &policy.rate_limited_retry_back_off else {
        return Ok(None);
    };
    let at = at.field("rate_limited_retry_back_off");
    let headers = config.reset_headers.iter().map(|header| {
        let format = match Pb::try_from(header.format) {
            Ok(Pb::UnixTimestamp) => ResetHeaderFormat::UnixTimestamp,
            _ => ResetHeaderFormat::Seconds,
        };
        (LowerName::new(&header.name), format)
    });
    let max_interval = positive(
        &at.field("max_interval"),
        config.max_interval.as_ref(),
        Duration::from_secs(300),
    )?;
    Ok(Some(RateLimitedReset {
        headers: headers.collect(),
        max_interval,
    }))
}

fn previous_hosts(at: &At<'_>, policy: &pb::RetryPolicy) -> Result<bool> {
    use pb::retry_policy::retry_host_predicate::ConfigType;
    for (i, predicate) in policy.retry_host_predicate.iter().enumerate() {
        let at = at.item("retry_host_predicate", i);
        let known = match &predicate.config_type {
            None => predicate.name == "envoy.retry_host_predicates.previous_hosts",
            Some(ConfigType::TypedConfig(any)) => {
                let at = at.field("typed_config");
                match unpack::<PreviousHostsPredicate>(&at, any)? {
                    Some(_) => true,
                    None => {
                        return Err(at.error(format_args!(
                            "{} is not supported by ferromesh-proxy",
                            type_name(any)
                        )));
                    }
                }
            }
        };
        if !known {
            return Err(at.error(format_args!(
                "{:?} is not supported by ferromesh-proxy",
                predicate.name
            )));
        }
    }
    Ok(!policy.retry_host_predicate.is_empty())
}

fn redirect(at: &At<'_>, action: &pb::RedirectAction) -> Result<Redirect> {
    use pb::redirect_action::{
        PathRewriteSpecifier as Path, RedirectResponseCode as Code, SchemeRewriteSpecifier,
    };
    let port = u16::try_from(action.port_redirect)
        .map_err(|_| at.field("port_redirect").error("greater than 65535"))?;
    Ok(Redirect {
        status: match Code::try_from(action.response_code) {
            Ok(Code::MovedPermanently) => 301,
            Ok(Code::Found) => 302,
            Ok(Code::SeeOther) => 303,
            Ok(Code::TemporaryRedirect) => 307,
            Ok(Code::PermanentRedirect) => 308,
            Err(_) => return Err(at.field("response_code").error("unknown value")),
        },
        scheme: match &action.scheme_rewrite_specifier {
            Some(SchemeRewriteSpecifier::HttpsRedirect(true)) => SchemeRedirect::Https,
            Some(SchemeRewriteSpecifier::SchemeRedirect(scheme)) => {
                SchemeRedirect::To(scheme.as_str().into())
            }
            _ => SchemeRedirect::Keep,
        },
        host: Some(action.host_redirect.as_str())
            .filter(|host| !host.is_empty())
            .map(Into::into),
        port: (port != 0).then_some(port),
        path: match &action.path_rewrite_specifier {
            None => PathRedirect::Keep,
            Some(Path::PathRedirect(path)) if path.is_empty() => PathRedirect::Keep,
            Some(Path::PathRedirect(path)) => PathRedirect::Path(path.as_str().into()),
            Some(Path::PrefixRewrite(prefix)) => PathRedirect::Prefix(prefix.as_bytes().into()),
            Some(Path::PathRewrite(_)) => return Err(at.field("path_rewrite").unsupported()),
            Some(Path::RegexRewrite(value)) => {
                PathRedirect::Regex(matcher::substitution(&at.field("regex_rewrite"), value)?)
            }
        },
        strip_query: action.strip_query,
    })
}

fn direct(at: &At<'_>, action: &pb::DirectResponseAction, most: usize) -> Result<DirectResponse> {
    let status = match u16::try_from(action.status) {
        Ok(status @ 200..=599) => status,
        _ => return Err(at.field("status").error("must be 200 to 599")),
    };
    let body = match &action.body {
        Some(source) => data_source(&at.field("body"), source)?,
        None => Vec::new(),
    };
    if body.len() > most {
        return Err(at.field("body").error(format_args!(
            "{} bytes; max_direct_response_body_size_bytes allows {most}",
            body.len()
        )));
    }
    Ok(DirectResponse {
        status,
        body: body.into(),
    })
}
