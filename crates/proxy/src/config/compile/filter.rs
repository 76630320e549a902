//! The registry of HTTP filters, and the settings that routes give them.

use std::collections::HashMap;
use std::sync::Arc;

use xds::envoy::config::route::v3 as route_pb;
use xds::envoy::extensions::filters::common::fault::v3 as common_fault;
use xds::envoy::extensions::filters::http::cors::v3 as cors_pb;
use xds::envoy::extensions::filters::http::fault::v3 as fault_pb;
use xds::envoy::extensions::filters::http::router::v3 as router_pb;
use xds::envoy::extensions::filters::network::http_connection_manager::v3 as hcm_pb;
use xds::google::protobuf::Any;

use super::common::{
    bool_or, duration, fractional_percent, runtime_fraction, type_name, unpack, unpack_only,
};
use super::{At, Result, matcher};
use crate::config::hcm::{HttpFilter, HttpFilterKind, RouterFilter};
use crate::config::matcher::Fraction;
use crate::config::route::RouteFilters;
use crate::filters::cors::CorsPolicy;
use crate::filters::fault::{Abort, AbortStatus, Delay, DelayLength, FaultPolicy};

/// Compiles the filter chain of a connection manager: known filters, the router last.
pub(super) fn chain(at: &At<'_>, list: &[hcm_pb::HttpFilter]) -> Result<Vec<HttpFilter>> {
    let mut filters: Vec<HttpFilter> = Vec::with_capacity(list.len());
    for (i, config) in list.iter().enumerate() {
        let at = at.item("http_filters", i);
        let last = i + 1 == list.len();
        if let Some(filter) = one(&at, config)? {
            let is_router = matches!(filter.kind, HttpFilterKind::Router(_));
            if is_router != last {
                return Err(
                    at.error("the router is the last filter, and the last filter is the router")
                );
            }
            filters.push(filter);
        } else if last {
            return Err(at.error("the last filter must be the router"));
        }
    }
    Ok(filters)
}

fn one(at: &At<'_>, config: &hcm_pb::HttpFilter) -> Result<Option<HttpFilter>> {
    use hcm_pb::http_filter::ConfigType;
    let any = match &config.config_type {
        Some(ConfigType::TypedConfig(any)) => any,
        Some(ConfigType::ConfigDiscovery(_)) => {
            return Err(at.field("config_discovery").unsupported());
        }
        None => return Err(at.field("typed_config").missing()),
    };
    let inner = at.field("typed_config");
    let kind = if unpack::<cors_pb::Cors>(&inner, any)?.is_some() {
        HttpFilterKind::Cors
    } else if let Some(policy) = unpack::<fault_pb::HttpFault>(&inner, any)? {
        HttpFilterKind::Fault(Some(Arc::new(fault(&inner, &policy)?)))
    } else if let Some(config) = unpack::<router_pb::Router>(&inner, any)? {
        HttpFilterKind::Router(router(&config))
    } else if config.is_optional {
        return Ok(None);
    } else {
        return Err(inner.error(format_args!(
            "HTTP filter {} is not supported by ferromesh-proxy",
            type_name(any)
        )));
    };
    Ok(Some(HttpFilter {
        name: config.name.as_str().into(),
        kind,
        disabled: config.disabled,
    }))
}

fn router(config: &router_pb::Router) -> RouterFilter {
    RouterFilter {
        suppress_envoy_headers: config.suppress_envoy_headers,
        respect_expected_rq_timeout: config.respect_expected_rq_timeout,
        strict_check_headers: config
            .strict_check_headers
            .iter()
            .map(|name| name.to_ascii_lowercase().into())
            .collect(),
    }
}

/// What one level (route table, virtual host, route, weighted cluster) says of filters.
#[derive(Debug, Clone, Default)]
pub(super) struct LevelFilters {
    cors: Option<Setting<CorsPolicy>>,
    fault: Option<Setting<FaultPolicy>>,
}

#[derive(Debug)]
enum Setting<T> {
    Policy(Arc<T>),
    Disabled,
    Enabled,
}

impl<T> Clone for Setting<T> {
    fn clone(&self) -> Self {
        match self {
            Self::Policy(policy) => Self::Policy(Arc::clone(policy)),
            Self::Disabled => Self::Disabled,
            Self::Enabled => Self::Enabled,
        }
    }
}

impl LevelFilters {
    /// Compiles `typed_per_filter_config`.
    pub(super) fn compile(at: &At<'_>, configs: &HashMap<String, Any>) -> Result<Self> {
        let mut level = Self::default();
        for (name, any) in configs {
            let label = format!("typed_per_filter_config[{name:?}]");
            level.add(&at.field(&label), name, any)?;
        }
        Ok(level)
    }

    fn add(&mut self, at: &At<'_>, name: &str, any: &Any) -> Result<()> {
        let Some(wrapper) = unpack::<route_pb::FilterConfig>(at, any)? else {
            return self.add_policy(at, any);
        };
        match &wrapper.config {
            _ if wrapper.disabled => match name {
                name if name.contains("cors") => self.cors = Some(Setting::Disabled),
                name if name.contains("fault") => self.fault = Some(Setting::Disabled),
                _ if wrapper.is_optional => {}
                _ => return Err(at.error("names no filter of ferromesh-proxy")),
            },
            Some(config) if !config.type_url.is_empty() => {
                match self.add_policy(&at.field("config"), config) {
                    Err(_) if wrapper.is_optional => {}
                    outcome => outcome?,
                }
            }
            _ => match name {
                name if name.contains("cors") => self.cors = Some(Setting::Enabled),
                name if name.contains("fault") => self.fault = Some(Setting::Enabled),
                _ if wrapper.is_optional => {}
                _ => return Err(at.error("names no filter of ferromesh-proxy")),
            },
        }
        Ok(())
    }

    fn add_policy(&mut self, at: &At<'_>, any: &Any) -> Result<()> {
        if let Some(policy) = unpack::<fault_pb::HttpFault>(at, any)? {
            self.fault = Some(Setting::Policy(Arc::new(fault(at, &policy)?)));
            return Ok(());
        }
        let policy: cors_pb::CorsPolicy = unpack_only(at, any)?;
        self.cors = Some(Setting::Policy(Arc::new(cors(at, &policy)?)));
        Ok(())
    }

    /// The more specific level wins, filter by filter.
    pub(super) fn under(&self, specific: &Self) -> Self {
        Self {
            cors: specific.cors.clone().or_else(|| self.cors.clone()),
            fault: specific.fault.clone().or_else(|| self.fault.clone()),
        }
    }

    pub(super) fn finish(&self, fault_in_retry: bool) -> RouteFilters {
        let mut filters = RouteFilters {
            fault_in_retry,
            ..RouteFilters::default()
        };
        match &self.cors {
            Some(Setting::Policy(policy)) => filters.cors = Some(Arc::clone(policy)),
            Some(Setting::Disabled) => filters.cors_disabled = true,
            Some(Setting::Enabled) | None => {}
        }
        match &self.fault {
            Some(Setting::Policy(policy)) => filters.fault = Some(Arc::clone(policy)),
            Some(Setting::Disabled) => filters.fault_disabled = true,
            Some(Setting::Enabled) | None => {}
        }
        filters.cors_enabled = matches!(self.cors, Some(Setting::Enabled | Setting::Policy(_)));
        filters.fault_enabled = matches!(self.fault, Some(Setting::Enabled | Setting::Policy(_)));
        filters
    }
}

fn cors(at: &At<'_>, policy: &cors_pb::CorsPolicy) -> Result<CorsPolicy> {
    let fraction = |name: &str,
                    value: Option<&xds::envoy::config::core::v3::RuntimeFractionalPercent>,
                    default| match value {
        Some(value) => runtime_fraction(&at.field(name), value),
        None => Ok(default),
    };
    Ok(CorsPolicy {
        allow_origins: matcher::strings(
            at,
            "allow_origin_string_match",
            &policy.allow_origin_string_match,
        )?,
        allow_methods: policy.allow_methods.as_str().into(),
        allow_headers: policy.allow_headers.as_str().into(),
        expose_headers: policy.expose_headers.as_str().into(),
        max_age: policy.max_age.as_str().into(),
        allow_credentials: bool_or(policy.allow_credentials, false),
        allow_private_network: bool_or(policy.allow_private_network_access, false),
        forward_not_matching_preflights: bool_or(policy.forward_not_matching_preflights, true),
        enabled: fraction(
            "filter_enabled",
            policy.filter_enabled.as_ref(),
            Fraction::ALWAYS,
        )?,
        shadow: fraction(
            "shadow_enabled",
            policy.shadow_enabled.as_ref(),
            Fraction::NEVER,
        )?,
    })
}

pub(super) fn fault(at: &At<'_>, policy: &fault_pb::HttpFault) -> Result<FaultPolicy> {
    Ok(FaultPolicy {
        delay: policy
            .delay
            .as_ref()
            .map(|value| delay(&at.field("delay"), value))
            .transpose()?,
        abort: policy
            .abort
            .as_ref()
            .map(|value| abort(&at.field("abort"), value))
            .transpose()?,
        upstream_cluster: policy.upstream_cluster.as_str().into(),
        headers: matcher::headers(at, "headers", &policy.headers)?,
        downstream_nodes: policy
            .downstream_nodes
            .iter()
            .map(|node| node.as_bytes().into())
            .collect(),
        max_active_faults: policy.max_active_faults.map(|value| value.value),
    })
}

fn delay(at: &At<'_>, value: &common_fault::FaultDelay) -> Result<Delay> {
    use common_fault::fault_delay::FaultDelaySecifier as Spec;
    let length = match &value.fault_delay_secifier {
        Some(Spec::FixedDelay(fixed)) => {
            DelayLength::Fixed(duration(&at.field("fixed_delay"), fixed)?)
        }
        Some(Spec::HeaderDelay(_)) => DelayLength::Header,
        None => return Err(at.error("no delay set")),
    };
    let fraction = match &value.percentage {
        Some(percentage) => fractional_percent(&at.field("percentage"), percentage)?,
        None => Fraction::NEVER,
    };
    Ok(Delay { length, fraction })
}

fn abort(at: &At<'_>, value: &fault_pb::FaultAbort) -> Result<Abort> {
    use fault_pb::fault_abort::ErrorType;
    let status = match &value.error_type {
        Some(ErrorType::HttpStatus(status)) => match u16::try_from(*status) {
            Ok(status @ 200..=599) => AbortStatus::Http(status),
            _ => return Err(at.field("http_status").error("must be 200 to 599")),
        },
        Some(ErrorType::GrpcStatus(status)) => AbortStatus::Grpc(*status),
        Some(ErrorType::HeaderAbort(_)) => AbortStatus::Header,
        None => return Err(at.error("no status set")),
    };
    let fraction = match &value.percentage {
        Some(percentage) => fractional_percent(&at.field("percentage"), percentage)?,
        None => Fraction::NEVER,
    };
    Ok(Abort { status, fraction })
}
