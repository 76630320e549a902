//! Retries, faults, mirroring, CORS and header changes of a VirtualService's HTTP rule
//! (`pilot/pkg/networking/core/route/route.go`, `retry/retry.go`).

use std::collections::BTreeMap;

use api::istio::{
    CorsPolicy, Headers, HttpFaultInjection, HttpRetry, UnmatchedPreflights, grpc_status_code,
};
use envoy_types::pb::envoy::extensions::filters::common::fault::v3::{
    FaultDelay, fault_delay::FaultDelaySecifier,
};
use envoy_types::pb::envoy::extensions::filters::http::cors::v3 as cors_v3;
use envoy_types::pb::envoy::extensions::filters::http::fault::v3 as fault_v3;
use envoy_types::pb::envoy::extensions::retry::host::previous_hosts::v3::PreviousHostsPredicate;
use envoy_types::pb::envoy::extensions::retry::priority::previous_priorities::v3::PreviousPrioritiesConfig;

use crate::pb::{any, boolean, core_v3, duration, exact, fractional_percent, route_v3, uint32};
use core_v3::header_value_option::HeaderAppendAction;
use route_v3::retry_policy::{
    RetryBackOff, RetryHostPredicate, RetryPriority, retry_host_predicate, retry_priority,
};

/// What Istio retries by itself (`retry.go`, `defaultPolicy`): requests that certainly or probably were not processed.
const DEFAULT_RETRY_ON: &str =
    "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes";
const DEFAULT_ATTEMPTS: u32 = 2;
const HOST_SELECTION_ATTEMPTS: i64 = 5;

/// The retry policy of a route: the rule's, else the mesh's default, else Istio's. Zero attempts switch retries off.
pub(crate) fn retries(rule: Option<&HttpRetry>) -> Option<route_v3::RetryPolicy> {
    let mut policy = route_v3::RetryPolicy {
        retry_on: DEFAULT_RETRY_ON.to_owned(),
        num_retries: uint32(DEFAULT_ATTEMPTS),
        retriable_status_codes: vec![503],
        host_selection_retry_max_attempts: HOST_SELECTION_ATTEMPTS,
        retry_host_predicate: vec![previous_hosts()],
        ..Default::default()
    };
    let Some(rule) = rule else {
        return Some(policy);
    };
    let attempts = u32::try_from(rule.attempts).unwrap_or(0);
    if attempts == 0 {
        return None;
    }
    policy.num_retries = uint32(attempts);
    if !rule.retry_on.trim().is_empty() {
        (policy.retry_on, policy.retriable_status_codes) = split_retry_on(&rule.retry_on);
    }
    policy.per_try_timeout = rule.per_try_timeout.and_then(|timeout| duration(timeout.0));
    if rule.retry_ignore_previous_hosts == Some(false) {
        policy.retry_host_predicate.clear();
    }
    if rule.retry_remote_localities == Some(true) {
        policy.retry_priority = Some(RetryPriority {
            name: "envoy.retry_priorities.previous_priorities".to_owned(),
            config_type: Some(retry_priority::ConfigType::TypedConfig(any(
                &PreviousPrioritiesConfig {
                    update_frequency: 2,
                },
            ))),
        });
    }
    if let Some(backoff) = rule.backoff {
        policy.retry_back_off = Some(RetryBackOff {
            base_interval: duration(backoff.0),
            max_interval: None,
        });
    }
    Some(policy)
}

fn previous_hosts() -> RetryHostPredicate {
    RetryHostPredicate {
        name: "envoy.retry_host_predicates.previous_hosts".to_owned(),
        config_type: Some(retry_host_predicate::ConfigType::TypedConfig(any(
            &PreviousHostsPredicate {},
        ))),
    }
}

/// `5xx,503` mixes Envoy's conditions with status codes; codes imply the condition `retriable-status-codes`.
fn split_retry_on(text: &str) -> (String, Vec<u32>) {
    let mut conditions = Vec::new();
    let mut codes = Vec::new();
    for part in text
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
    {
        match part.parse::<u32>() {
            Ok(code) if (100..600).contains(&code) => codes.push(code),
            _ => conditions.push(part),
        }
    }
    if !codes.is_empty() && !conditions.contains(&"retriable-status-codes") {
        conditions.push("retriable-status-codes");
    }
    (conditions.join(","), codes)
}

/// A fault of a rule, for the fault filter. Without a percentage nothing is injected, as Istio documents.
pub(crate) fn fault(rule: &HttpFaultInjection) -> fault_v3::HttpFault {
    let mut fault = fault_v3::HttpFault::default();
    if let Some(delay) = &rule.delay {
        let percent = delay
            .percentage
            .as_ref()
            .map_or(f64::from(delay.percent), |percentage| percentage.value);
        if let Some(fixed) = delay.fixed_delay {
            fault.delay = Some(FaultDelay {
                percentage: Some(fractional_percent(percent)),
                fault_delay_secifier: duration(fixed.0).map(FaultDelaySecifier::FixedDelay),
            });
        }
    }
    if let Some(abort) = &rule.abort {
        use fault_v3::fault_abort::ErrorType;
        let error = match (abort.http_status, &abort.grpc_status) {
            (Some(status), _) => u32::try_from(status).ok().map(ErrorType::HttpStatus),
            (None, Some(name)) => grpc_status_code(name).map(ErrorType::GrpcStatus),
            (None, None) => None,
        };
        if let Some(error) = error {
            fault.abort = Some(fault_v3::FaultAbort {
                percentage: Some(fractional_percent(
                    abort.percentage.as_ref().map_or(0.0, |p| p.value),
                )),
                error_type: Some(error),
                ..Default::default()
            });
        }
    }
    fault
}

/// A CORS policy, for the CORS filter.
pub(crate) fn cors(rule: &CorsPolicy) -> cors_v3::CorsPolicy {
    let origins = if rule.allow_origins.is_empty() {
        rule.allow_origin.iter().map(exact).collect()
    } else {
        rule.allow_origins
            .iter()
            .filter_map(super::matching::string)
            .collect()
    };
    cors_v3::CorsPolicy {
        allow_origin_string_match: origins,
        allow_methods: rule.allow_methods.join(","),
        allow_headers: rule.allow_headers.join(","),
        expose_headers: rule.expose_headers.join(","),
        max_age: rule
            .max_age
            .map(|age| age.0.as_secs().to_string())
            .unwrap_or_default(),
        allow_credentials: rule.allow_credentials.and_then(boolean),
        filter_enabled: Some(core_v3::RuntimeFractionalPercent {
            default_value: Some(fractional_percent(100.0)),
            ..Default::default()
        }),
        // Preflights that no origin matches go on to the application, Istio's default.
        forward_not_matching_preflights: boolean(
            rule.unmatched_preflights != UnmatchedPreflights::Ignore,
        ),
        ..Default::default()
    }
}

/// Header changes of a rule or destination.
#[derive(Debug, Default)]
pub(crate) struct HeaderChanges {
    pub(crate) request_add: Vec<core_v3::HeaderValueOption>,
    pub(crate) request_remove: Vec<String>,
    pub(crate) response_add: Vec<core_v3::HeaderValueOption>,
    pub(crate) response_remove: Vec<String>,
    /// The value of `host` or `:authority`, which is a rewrite and not a header change.
    pub(crate) authority: Option<String>,
}

/// Reads `headers`; sets come before additions, each sorted by name.
pub(crate) fn header_changes(headers: Option<&Headers>) -> HeaderChanges {
    let mut changes = HeaderChanges::default();
    let Some(headers) = headers else {
        return changes;
    };
    if let Some(request) = &headers.request {
        changes.request_add = options(&request.set, HeaderAppendAction::OverwriteIfExistsOrAdd);
        changes.request_add.extend(options(
            &request.add,
            HeaderAppendAction::AppendIfExistsOrAdd,
        ));
        changes.request_remove = removable(&request.remove);
        changes.authority = authority(&request.set).or_else(|| authority(&request.add));
    }
    if let Some(response) = &headers.response {
        changes.response_add = options(&response.set, HeaderAppendAction::OverwriteIfExistsOrAdd);
        changes.response_add.extend(options(
            &response.add,
            HeaderAppendAction::AppendIfExistsOrAdd,
        ));
        changes.response_remove = removable(&response.remove);
    }
    changes
}

fn options(
    values: &BTreeMap<String, String>,
    action: HeaderAppendAction,
) -> Vec<core_v3::HeaderValueOption> {
    values
        .iter()
        .filter(|(name, _)| !is_internal(name))
        .map(|(name, value)| core_v3::HeaderValueOption {
            header: Some(core_v3::HeaderValue {
                key: name.clone(),
                value: value.clone(),
                ..Default::default()
            }),
            append_action: action as i32,
            ..Default::default()
        })
        .collect()
}

fn removable(names: &[String]) -> Vec<String> {
    names
        .iter()
        .filter(|name| !is_internal(name))
        .cloned()
        .collect()
}

/// What Envoy does not let routes change.
fn is_internal(name: &str) -> bool {
    name.starts_with(':') || name.eq_ignore_ascii_case("host")
}

fn authority(values: &BTreeMap<String, String>) -> Option<String> {
    values
        .iter()
        .find(|(name, _)| {
            name.eq_ignore_ascii_case("host") || name.eq_ignore_ascii_case(":authority")
        })
        .map(|(_, value)| value.clone())
}
