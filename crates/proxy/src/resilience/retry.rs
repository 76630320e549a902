//! Decides after each attempt whether another one follows, and when.

use std::sync::Arc;
use std::time::Duration;

use smallvec::SmallVec;

use super::breaker::{Breaker, Permit, Resource};
use crate::balance::Host;
use crate::config::request::RequestView;
use crate::config::retry::{ResetHeaderFormat, RetryOn, RetryPolicy};

/// How an attempt ended without a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reset {
    /// No connection: refused, unreachable, TLS failure.
    ConnectFailure,
    ConnectTimeout,
    /// A limit of the cluster was reached: never retried.
    Overflow,
    /// The peer closed the connection or reset the stream.
    Remote,
    /// HTTP/2 REFUSED_STREAM.
    RefusedStream,
    /// The per-try timeout, or a malformed response.
    Local,
}

/// A response's head, as retry rules read it.
pub trait ResponseView {
    fn status(&self) -> u16;
    /// All values of a header in lower case.
    fn header_values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> + 'a;
    /// `grpc-status` of the headers (a trailers-only response), for gRPC requests.
    fn grpc_status(&self) -> Option<u32>;
}

/// What follows.
#[derive(Debug)]
pub enum Decision {
    /// Another attempt, after this long; hold the permit until it has its response.
    Retry { after: Duration, permit: Permit },
    /// The outcome is final; it was not one to retry on.
    No,
    /// It would be retried, but all attempts are used up: flag `URX`.
    LimitExceeded,
    /// It would be retried, but the cluster's retries are used up: flag `UO`.
    Overflow,
}

/// The retries of one request.
#[derive(Debug)]
pub struct RetryState {
    policy: Arc<RetryPolicy>,
    on: RetryOn,
    remaining: u32,
    next_interval: Duration,
    extra_codes: SmallVec<[u16; 4]>,
    extra_headers: SmallVec<[Box<str>; 2]>,
    attempted: SmallVec<[Arc<Host>; 4]>,
}

impl RetryState {
    /// The state for a request, or `None` if nothing would ever be retried. Request headers add to the policy, as in
    /// Envoy: `x-envoy-retry-on`, `x-envoy-retry-grpc-on`, `x-envoy-max-retries`, `x-envoy-retriable-status-codes`,
    /// `x-envoy-retriable-header-names`.
    pub fn new<R: RequestView>(policy: Option<&Arc<RetryPolicy>>, request: &R) -> Option<Self> {
        let asked = text(request, "x-envoy-retry-on")
            .map(|list| RetryOn::parse(list).0)
            .unwrap_or_default();
        let asked_grpc = text(request, "x-envoy-retry-grpc-on")
            .map(|list| RetryOn::parse(list).0)
            .unwrap_or_default();
        let configured = policy.map_or(RetryOn::default(), |policy| policy.on);
        let on = configured.union(asked).union(asked_grpc);
        if on.is_empty() {
            return None;
        }
        let policy = policy.map_or_else(Arc::default, Arc::clone);
        let conditions = &policy.retriable_request_headers;
        if !conditions.is_empty() && !conditions.iter().any(|matcher| matcher.matches(request)) {
            return None;
        }
        let words = |name: &'static str| {
            text(request, name)
                .into_iter()
                .flat_map(|list| list.split(','))
                .map(str::trim)
        };
        let asked_retries =
            text(request, "x-envoy-max-retries").and_then(|number| number.parse().ok());
        Some(Self {
            on,
            remaining: asked_retries.unwrap_or(policy.num_retries),
            next_interval: policy.back_off_base,
            extra_codes: words("x-envoy-retriable-status-codes")
                .take(16)
                .filter_map(|word| word.parse().ok())
                .collect(),
            extra_headers: words("x-envoy-retriable-header-names")
                .filter(|word| !word.is_empty())
                .take(16)
                .map(|word| word.to_ascii_lowercase().into())
                .collect(),
            attempted: SmallVec::new(),
            policy,
        })
    }

    /// An attempt goes to this host.
    pub fn attempt(&mut self, host: &Arc<Host>) {
        if self.policy.avoid_previous_hosts && self.attempted.len() < 64 {
            self.attempted.push(Arc::clone(host));
        }
    }

    /// The hosts that the next choice should avoid, and how many further picks that is worth.
    #[must_use]
    pub fn avoid(&self) -> (&[Arc<Host>], u32) {
        (&self.attempted, self.policy.host_selection_max_attempts)
    }

    /// Whether any attempt is left: the body needs to be kept only then.
    #[must_use]
    pub fn may_retry(&self) -> bool {
        self.remaining > 0
    }

    /// An attempt's response head has arrived.
    pub fn on_response<V: ResponseView>(
        &mut self,
        response: &V,
        now_unix: u64,
        breaker: &Arc<Breaker>,
        random: &mut impl FnMut() -> u64,
    ) -> Decision {
        if !self.retriable_response(response) {
            return Decision::No;
        }
        let asked = self.rate_limited_wait(response, now_unix);
        self.decide(breaker, asked, random)
    }

    /// An attempt ended without a response. `request_started`: bytes of the request may have reached the host.
    pub fn on_reset(
        &mut self,
        reset: Reset,
        request_started: bool,
        breaker: &Arc<Breaker>,
        random: &mut impl FnMut() -> u64,
    ) -> Decision {
        if !self.retriable_reset(reset, request_started) {
            return Decision::No;
        }
        self.decide(breaker, None, random)
    }

    fn retriable_reset(&self, reset: Reset, request_started: bool) -> bool {
        if reset == Reset::Overflow {
            return false;
        }
        let on = self.on;
        if on.has(RetryOn::RESET) || on.has(RetryOn::FIVE_XX) || on.has(RetryOn::GATEWAY_ERROR) {
            return true;
        }
        if on.has(RetryOn::RESET_BEFORE_REQUEST) && !request_started {
            return true;
        }
        match reset {
            Reset::RefusedStream => on.has(RetryOn::REFUSED_STREAM),
            Reset::ConnectFailure | Reset::ConnectTimeout => on.has(RetryOn::CONNECT_FAILURE),
            Reset::Remote | Reset::Local | Reset::Overflow => false,
        }
    }

    fn retriable_response<V: ResponseView>(&self, response: &V) -> bool {
        let on = self.on;
        // A rate-limited answer is retried on explicit wish alone.
        if response
            .header_values("x-envoy-ratelimited")
            .next()
            .is_some()
        {
            return on.has(RetryOn::ENVOY_RATELIMITED);
        }
        let status = response.status();
        let codes = || {
            self.policy.retriable_status_codes.contains(&status)
                || self.extra_codes.contains(&status)
        };
        (on.has(RetryOn::FIVE_XX) && status >= 500)
            || (on.has(RetryOn::GATEWAY_ERROR) && matches!(status, 502..=504))
            || (on.has(RetryOn::RETRIABLE_4XX) && status == 409)
            || (on.has(RetryOn::RETRIABLE_STATUS_CODES) && codes())
            || (on.has(RetryOn::RETRIABLE_HEADERS) && self.retriable_header(response))
            || response
                .grpc_status()
                .is_some_and(|status| self.retriable_grpc(status))
    }

    fn retriable_header<V: ResponseView>(&self, response: &V) -> bool {
        use crate::config::matcher::HeaderSource;
        let configured =
            self.policy
                .retriable_headers
                .iter()
                .any(|matcher| match &matcher.source {
                    HeaderSource::Named(name) => {
                        matcher.on_values(response.header_values(name.as_str()))
                    }
                    _ => false,
                });
        configured
            || self
                .extra_headers
                .iter()
                .any(|name| response.header_values(name).next().is_some())
    }

    fn retriable_grpc(&self, status: u32) -> bool {
        let condition = match status {
            1 => RetryOn::GRPC_CANCELLED,
            4 => RetryOn::GRPC_DEADLINE_EXCEEDED,
            8 => RetryOn::GRPC_RESOURCE_EXHAUSTED,
            13 => RetryOn::GRPC_INTERNAL,
            14 => RetryOn::GRPC_UNAVAILABLE,
            _ => return false,
        };
        self.on.has(condition)
    }

    /// How long the response's reset header asks to wait, if that is within the policy's bound.
    fn rate_limited_wait<V: ResponseView>(&self, response: &V, now_unix: u64) -> Option<Duration> {
        let reset = self.policy.rate_limited_reset.as_ref()?;
        let wait = reset.headers.iter().find_map(|(name, format)| {
            let value = response.header_values(name.as_str()).next()?;
            let number: u64 = std::str::from_utf8(value).ok()?.parse().ok()?;
            Some(Duration::from_secs(match format {
                ResetHeaderFormat::Seconds => number,
                ResetHeaderFormat::UnixTimestamp => number.saturating_sub(now_unix),
            }))
        })?;
        (wait <= reset.max_interval).then_some(wait)
    }

    fn decide(
        &mut self,
        breaker: &Arc<Breaker>,
        asked: Option<Duration>,
        random: &mut impl FnMut() -> u64,
    ) -> Decision {
        if self.remaining == 0 {
            return Decision::LimitExceeded;
        }
        self.remaining -= 1;
        let Some(permit) = breaker.try_take(Resource::Retries) else {
            return Decision::Overflow;
        };
        let after = match asked {
            // Envoy: the wish is the lower bound, plus up to half of it.
            Some(wait) => wait + jitter(wait / 2, random),
            None => self.back_off(random),
        };
        Decision::Retry { after, permit }
    }

    /// Full jitter over an interval that doubles up to the maximum.
    fn back_off(&mut self, random: &mut impl FnMut() -> u64) -> Duration {
        let interval = self.next_interval;
        self.next_interval = (interval * 2).min(self.policy.back_off_max);
        jitter(interval, random)
    }
}

fn jitter(interval: Duration, random: &mut impl FnMut() -> u64) -> Duration {
    match interval.as_millis() as u64 {
        0 => Duration::ZERO,
        millis => Duration::from_millis(random() % millis),
    }
}

fn text<'a, R: RequestView>(request: &'a R, name: &'static str) -> Option<&'a str> {
    std::str::from_utf8(request.header(name)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filters::testing::TestRequest;
    use crate::resilience::breaker::Limits;

    struct Response(u16, Vec<(&'static str, &'static str)>);

    impl ResponseView for Response {
        fn status(&self) -> u16 {
            self.0
        }

        fn header_values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> + 'a {
            self.1
                .iter()
                .filter(move |(have, _)| *have == name)
                .map(|(_, value)| value.as_bytes())
        }

        fn grpc_status(&self) -> Option<u32> {
            self.1
                .iter()
                .find(|(name, _)| *name == "grpc-status")
                .and_then(|(_, value)| value.parse().ok())
        }
    }

    fn policy(on: &str, retries: u32) -> Arc<RetryPolicy> {
        Arc::new(RetryPolicy {
            on: RetryOn::parse(on).0,
            num_retries: retries,
            ..RetryPolicy::default()
        })
    }

    fn state(on: &str, retries: u32) -> RetryState {
        RetryState::new(Some(&policy(on, retries)), &TestRequest::new("GET", "/")).unwrap()
    }

    fn breaker() -> Arc<Breaker> {
        Arc::new(Breaker::new(&Limits::default()))
    }

    fn retries(on: &str, response: &Response) -> bool {
        matches!(
            state(on, 1).on_response(response, 0, &breaker(), &mut || 0),
            Decision::Retry { .. }
        )
    }

    fn retries_reset(on: &str, reset: Reset, started: bool) -> bool {
        matches!(
            state(on, 1).on_reset(reset, started, &breaker(), &mut || 0),
            Decision::Retry { .. }
        )
    }

    #[test]
    fn conditions_decide_on_responses_as_documented() {
        let status = |status| Response(status, vec![]);
        assert!(retries("5xx", &status(500)) && !retries("5xx", &status(499)));
        assert!(retries("gateway-error", &status(503)) && !retries("gateway-error", &status(500)));
        assert!(retries("retriable-4xx", &status(409)) && !retries("retriable-4xx", &status(429)));
        assert!(!retries(
            "connect-failure,reset,refused-stream",
            &status(503)
        ));
        let limited = Response(503, vec![("x-envoy-ratelimited", "true")]);
        assert!(!retries("5xx", &limited) && retries("envoy-ratelimited", &limited));
        let grpc = Response(200, vec![("grpc-status", "14")]);
        assert!(
            retries("unavailable", &grpc)
                && !retries("cancelled,internal", &grpc)
                && !retries("5xx", &grpc)
        );
    }

    #[test]
    fn conditions_decide_on_resets_as_documented() {
        for on in ["5xx", "gateway-error", "reset"] {
            assert!(retries_reset(on, Reset::Remote, true), "{on}");
            assert!(retries_reset(on, Reset::ConnectFailure, false), "{on}");
            assert!(retries_reset(on, Reset::Local, true), "{on}");
            assert!(!retries_reset(on, Reset::Overflow, false), "{on}");
        }
        assert!(retries_reset(
            "connect-failure",
            Reset::ConnectTimeout,
            false
        ));
        assert!(!retries_reset("connect-failure", Reset::Remote, true));
        assert!(retries_reset("refused-stream", Reset::RefusedStream, true));
        assert!(!retries_reset("refused-stream", Reset::Remote, true));
        assert!(retries_reset("reset-before-request", Reset::Remote, false));
        assert!(!retries_reset("reset-before-request", Reset::Remote, true));
    }

    #[test]
    fn status_codes_and_headers_come_from_policy_and_request() {
        let mut policy = RetryPolicy {
            on: RetryOn::parse("retriable-status-codes,retriable-headers").0,
            ..RetryPolicy::default()
        };
        policy.retriable_status_codes = [418].into();
        let policy = Arc::new(policy);
        let request = TestRequest::new("GET", "/")
            .header("x-envoy-retriable-status-codes", "404, 410")
            .header("x-envoy-retriable-header-names", "X-Again")
            .header("x-envoy-max-retries", "3");
        for response in [
            Response(418, vec![]),
            Response(410, vec![]),
            Response(200, vec![("x-again", "")]),
        ] {
            let mut state = RetryState::new(Some(&policy), &request).unwrap();
            for _ in 0..3 {
                assert!(matches!(
                    state.on_response(&response, 0, &breaker(), &mut || 0),
                    Decision::Retry { .. }
                ));
            }
            assert!(matches!(
                state.on_response(&response, 0, &breaker(), &mut || 0),
                Decision::LimitExceeded
            ));
        }
        assert!(RetryState::new(None, &TestRequest::new("GET", "/")).is_none());
        let asked = TestRequest::new("GET", "/").header("x-envoy-retry-on", "5xx");
        assert!(RetryState::new(None, &asked).is_some());
    }

    #[test]
    fn back_off_has_full_jitter_and_doubles_to_the_maximum() {
        let mut state = state("5xx", 9);
        let longest: Vec<u128> = (0..6)
            .map(
                |_| match state.on_reset(Reset::Remote, true, &breaker(), &mut || u64::MAX - 1) {
                    Decision::Retry { after, .. } => after.as_millis(),
                    other => panic!("{other:?}"),
                },
            )
            .collect();
        let bounds = [25, 50, 100, 200, 250, 250];
        for (have, bound) in longest.iter().zip(bounds) {
            assert!(*have < bound, "{longest:?}");
        }
        assert_eq!(u64::try_from(longest[0]).unwrap(), (u64::MAX - 1) % 25);
    }

    #[test]
    fn the_clusters_retry_limit_holds() {
        let breaker = Arc::new(Breaker::new(&Limits {
            max_retries: 1,
            ..Limits::default()
        }));
        let first = state("5xx", 1).on_reset(Reset::Remote, true, &breaker, &mut || 0);
        assert!(matches!(first, Decision::Retry { .. }));
        let second = state("5xx", 1).on_reset(Reset::Remote, true, &breaker, &mut || 0);
        assert!(matches!(second, Decision::Overflow));
        drop(first);
        let third = state("5xx", 1).on_reset(Reset::Remote, true, &breaker, &mut || 0);
        assert!(matches!(third, Decision::Retry { .. }));
    }
}
