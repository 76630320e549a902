//! Retry policies as configured.

use std::time::Duration;

use super::matcher::HeaderMatcher;

/// Envoy's `retry_on` conditions as a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RetryOn(pub u32);

macro_rules! conditions {
    ($($name:ident = $bit:literal, $text:literal;)*) => {
        impl RetryOn {
            $(#[doc = concat!("`", $text, "`")] pub const $name: Self = Self(1 << $bit);)*
            const BY_NAME: &'static [(&'static str, Self)] = &[$(($text, Self::$name),)*];
        }
    };
}

conditions! {
    FIVE_XX = 0, "5xx";
    GATEWAY_ERROR = 1, "gateway-error";
    RESET = 2, "reset";
    RESET_BEFORE_REQUEST = 3, "reset-before-request";
    CONNECT_FAILURE = 4, "connect-failure";
    REFUSED_STREAM = 5, "refused-stream";
    RETRIABLE_4XX = 6, "retriable-4xx";
    RETRIABLE_STATUS_CODES = 7, "retriable-status-codes";
    RETRIABLE_HEADERS = 8, "retriable-headers";
    ENVOY_RATELIMITED = 9, "envoy-ratelimited";
    HTTP3_POST_CONNECT_FAILURE = 10, "http3-post-connect-failure";
    GRPC_CANCELLED = 11, "cancelled";
    GRPC_DEADLINE_EXCEEDED = 12, "deadline-exceeded";
    GRPC_RESOURCE_EXHAUSTED = 13, "resource-exhausted";
    GRPC_UNAVAILABLE = 14, "unavailable";
    GRPC_INTERNAL = 15, "internal";
}

impl RetryOn {
    /// Reads a comma-separated list. Unknown words are returned: Envoy ignores them in request headers, and in routes,
    /// too (Istio puts numbers there).
    #[must_use]
    pub fn parse(list: &str) -> (Self, Vec<&str>) {
        let mut set = Self::default();
        let mut unknown = Vec::new();
        for word in list
            .split(',')
            .map(str::trim)
            .filter(|word| !word.is_empty())
        {
            match Self::BY_NAME.iter().find(|(name, _)| *name == word) {
                Some((_, bit)) => set.0 |= bit.0,
                None => unknown.push(word),
            }
        }
        (set, unknown)
    }

    #[must_use]
    pub fn has(self, condition: Self) -> bool {
        self.0 & condition.0 != 0
    }

    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// How a rate-limited response says when to come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResetHeaderFormat {
    Seconds,
    UnixTimestamp,
}

/// A route's retry policy.
#[derive(Debug, Clone)]
pub struct RetryPolicy {
    pub on: RetryOn,
    pub num_retries: u32,
    /// `None`: bounded by the route's timeout alone.
    pub per_try_timeout: Option<Duration>,
    pub per_try_idle_timeout: Option<Duration>,
    pub retriable_status_codes: Box<[u16]>,
    /// Response headers that make a response retriable.
    pub retriable_headers: Box<[HeaderMatcher]>,
    /// If not empty, only requests that match one are retried.
    pub retriable_request_headers: Box<[HeaderMatcher]>,
    pub back_off_base: Duration,
    pub back_off_max: Duration,
    pub rate_limited_reset: Option<RateLimitedReset>,
    /// `envoy.retry_host_predicates.previous_hosts`
    pub avoid_previous_hosts: bool,
    /// `envoy.retry_priorities.previous_priorities` is not supported; this many picks are tried to satisfy the
    /// predicates before the last one is taken as it is.
    pub host_selection_max_attempts: u32,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            on: RetryOn::default(),
            num_retries: 1,
            per_try_timeout: None,
            per_try_idle_timeout: None,
            retriable_status_codes: Box::default(),
            retriable_headers: Box::default(),
            retriable_request_headers: Box::default(),
            back_off_base: Duration::from_millis(25),
            back_off_max: Duration::from_millis(250),
            rate_limited_reset: None,
            avoid_previous_hosts: false,
            host_selection_max_attempts: 1,
        }
    }
}

/// `rate_limited_retry_back_off`
#[derive(Debug, Clone)]
pub struct RateLimitedReset {
    pub headers: Box<[(super::request::LowerName, ResetHeaderFormat)]>,
    pub max_interval: Duration,
}
