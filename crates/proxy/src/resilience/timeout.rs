//! Which timeouts hold for a request: of its route, its headers and gRPC.

use std::time::Duration;

use crate::config::request::RequestView;
use crate::config::route::{Forward, MaxStreamDuration};
use crate::config::route_match::is_grpc;

/// The timeouts of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RequestTimeouts {
    /// From the end of the request to the end of the response, all attempts included: flag `UT`, 504.
    pub global: Option<Duration>,
    pub per_try: Option<Duration>,
    pub per_try_idle: Option<Duration>,
    /// `x-envoy-expected-rq-timeout-ms` to send upstream; `None`: leave the header as it is.
    pub expected_header_ms: Option<u64>,
}

impl RequestTimeouts {
    /// `x-envoy-expected-rq-timeout-ms` for an attempt that begins `elapsed` after the first one: what is left of the
    /// global timeout bounds it, and 1 stands for nothing left, since 0 would mean no limit.
    #[must_use]
    pub fn expected_ms(&self, elapsed: Duration) -> Option<u64> {
        let expected = self.expected_header_ms?;
        let Some(global) = self.global else {
            return Some(expected);
        };
        let left = global.saturating_sub(elapsed).as_millis() as u64;
        Some(expected.min(left).max(1))
    }
}

/// The headers that ask for timeouts; removed before forwarding.
pub const TIMEOUT_HEADERS: [&str; 2] = [
    "x-envoy-upstream-rq-timeout-ms",
    "x-envoy-upstream-rq-per-try-timeout-ms",
];

/// Envoy's `finalTimeout`. Headers of external clients have been removed before, where the connection manager does so.
/// `respect_expected` is the router's `respect_expected_rq_timeout`.
#[must_use]
pub fn request_timeouts<R: RequestView>(
    route: &Forward,
    request: &R,
    respect_expected: bool,
) -> RequestTimeouts {
    let retry = route.retry.as_deref();
    let mut timeouts = RequestTimeouts {
        global: of_route(route, request),
        per_try: retry.and_then(|retry| retry.per_try_timeout),
        per_try_idle: retry.and_then(|retry| retry.per_try_idle_timeout),
        expected_header_ms: None,
    };
    let mut keep_expected = false;
    let expected = respect_expected
        .then(|| millis(request, "x-envoy-expected-rq-timeout-ms"))
        .flatten();
    if let Some(header) = expected {
        timeouts.global = header;
        keep_expected = true;
    } else if let Some(header) = millis(request, TIMEOUT_HEADERS[0]) {
        timeouts.global = header;
    }
    if let Some(header) = millis(request, TIMEOUT_HEADERS[1]) {
        timeouts.per_try = header;
    }
    if let (Some(global), Some(per_try)) = (timeouts.global, timeouts.per_try)
        && per_try >= global
    {
        timeouts.per_try = None;
    }
    if !keep_expected {
        let expected = timeouts.per_try.or(timeouts.global);
        timeouts.expected_header_ms = expected.map(|duration| duration.as_millis() as u64);
    }
    timeouts
}

/// What the route says of the whole response: nothing when it limits the stream (Envoy's `usingNewTimeouts`).
fn of_route<R: RequestView>(route: &Forward, request: &R) -> Option<Duration> {
    if route.max_stream_duration.is_some() {
        return None;
    }
    match route.max_grpc_timeout {
        Some(most) if is_grpc(request.header("content-type")) => {
            let asked = request.header("grpc-timeout").and_then(grpc_timeout);
            let asked = asked.filter(|asked| !asked.is_zero());
            let most = Some(most).filter(|most| !most.is_zero());
            most.into_iter().chain(asked).min()
        }
        _ => route.timeout,
    }
}

/// `None`: no such header or no number. `Some(None)`: zero, which means no timeout.
fn millis<R: RequestView>(request: &R, name: &str) -> Option<Option<Duration>> {
    let text = std::str::from_utf8(request.header(name)?).ok()?;
    let millis: u64 = text.parse().ok()?;
    Some((millis > 0).then(|| Duration::from_millis(millis)))
}

/// How long a whole stream may live: of the route, its `grpc-timeout` rules and the connection manager.
#[must_use]
pub fn stream_duration<R: RequestView>(
    route: Option<&MaxStreamDuration>,
    connection_manager: Option<Duration>,
    request: &R,
) -> Option<Duration> {
    let Some(route) = route else {
        return connection_manager;
    };
    if let Some(most) = route.grpc_header_max
        && let Some(asked) = request.header("grpc-timeout").and_then(grpc_timeout)
    {
        let capped = if most.is_zero() {
            asked
        } else {
            asked.min(most)
        };
        return Some(capped.saturating_sub(route.grpc_header_offset.unwrap_or_default()));
    }
    match route.max {
        Some(Duration::ZERO) => None,
        Some(max) => Some(max),
        None => connection_manager,
    }
}

/// Reads a `grpc-timeout` header: at most eight digits and a unit.
#[must_use]
pub fn grpc_timeout(value: &[u8]) -> Option<Duration> {
    let (unit, digits) = value.split_last()?;
    if digits.is_empty() || digits.len() > 8 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = digits
        .iter()
        .fold(0u64, |sum, digit| sum * 10 + u64::from(digit - b'0'));
    Some(match unit {
        b'H' => Duration::from_secs(number * 3600),
        b'M' => Duration::from_secs(number * 60),
        b'S' => Duration::from_secs(number),
        b'm' => Duration::from_millis(number),
        b'u' => Duration::from_micros(number),
        b'n' => Duration::from_nanos(number),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::config::retry::RetryPolicy;
    use crate::config::route::{ClusterChoice, Priority};
    use crate::filters::testing::TestRequest;

    const fn ms(millis: u64) -> Option<Duration> {
        Some(Duration::from_millis(millis))
    }

    fn route(timeout: Option<Duration>, per_try: Option<Duration>) -> Forward {
        Forward {
            cluster: ClusterChoice::One(crate::config::Ids::default().cluster("c")),
            cluster_not_found_status: 503,
            path_rewrite: None,
            host_rewrite: None,
            append_x_forwarded_host: false,
            timeout,
            idle_timeout: None,
            max_stream_duration: None,
            max_grpc_timeout: None,
            retry: Some(Arc::new(RetryPolicy {
                per_try_timeout: per_try,
                ..RetryPolicy::default()
            })),
            mirror: [].into(),
            priority: Priority::Default,
            upgrades: [].into(),
        }
    }

    #[test]
    fn the_route_decides_without_headers() {
        let request = TestRequest::new("GET", "/");
        let timeouts = request_timeouts(&route(ms(15_000), ms(2_000)), &request, false);
        assert_eq!(
            (
                timeouts.global,
                timeouts.per_try,
                timeouts.expected_header_ms
            ),
            (ms(15_000), ms(2_000), Some(2_000))
        );
        let none = request_timeouts(&route(None, None), &request, false);
        assert_eq!((none.global, none.expected_header_ms), (None, None));
    }

    #[test]
    fn headers_override_and_zero_switches_off() {
        let request = TestRequest::new("GET", "/").header("x-envoy-upstream-rq-timeout-ms", "500");
        // A per-try timeout that is no shorter than the global one is dropped.
        let timeouts = request_timeouts(&route(ms(15_000), ms(2_000)), &request, false);
        assert_eq!((timeouts.global, timeouts.per_try), (ms(500), None));
        let request = TestRequest::new("GET", "/")
            .header("x-envoy-upstream-rq-timeout-ms", "0")
            .header("x-envoy-upstream-rq-per-try-timeout-ms", "7");
        let timeouts = request_timeouts(&route(ms(15_000), None), &request, false);
        assert_eq!(
            (
                timeouts.global,
                timeouts.per_try,
                timeouts.expected_header_ms
            ),
            (None, ms(7), Some(7))
        );
        let malformed = TestRequest::new("GET", "/").header("x-envoy-upstream-rq-timeout-ms", "5s");
        assert_eq!(
            request_timeouts(&route(ms(1), None), &malformed, false).global,
            ms(1)
        );
    }

    #[test]
    fn the_expected_timeout_of_another_envoy_is_kept_when_respected() {
        let request = TestRequest::new("GET", "/")
            .header("x-envoy-expected-rq-timeout-ms", "8000")
            .header("x-envoy-upstream-rq-timeout-ms", "7000");
        let timeouts = request_timeouts(&route(ms(15_000), None), &request, true);
        assert_eq!(
            (timeouts.global, timeouts.expected_header_ms),
            (ms(8_000), None)
        );
    }

    // Seen with Envoy 1.40: the second attempt of a 15 s route announces 14978.
    #[test]
    fn later_attempts_announce_what_is_left() {
        let request = TestRequest::new("GET", "/");
        let timeouts = request_timeouts(&route(ms(1_000), None), &request, false);
        let after = |millis| timeouts.expected_ms(Duration::from_millis(millis));
        assert_eq!(
            (after(0), after(300), after(1_000)),
            (Some(1_000), Some(700), Some(1))
        );
        let per_try = request_timeouts(&route(ms(1_000), ms(400)), &request, false);
        assert_eq!(per_try.expected_ms(Duration::from_millis(100)), Some(400));
        assert_eq!(per_try.expected_ms(Duration::from_millis(700)), Some(300));
    }

    #[test]
    fn grpc_requests_have_a_timeout_of_their_own() {
        let grpc = TestRequest::new("POST", "/").header("content-type", "application/grpc");
        let asking = |text| {
            let request = TestRequest::new("POST", "/").header("content-type", "application/grpc");
            request.header("grpc-timeout", text)
        };
        let mut route = route(ms(15_000), None);
        let global =
            |route: &Forward, request: &TestRequest| request_timeouts(route, request, false).global;
        assert_eq!(global(&route, &asking("1S")), ms(15_000));
        route.max_grpc_timeout = ms(5_000);
        assert_eq!(global(&route, &grpc), ms(5_000));
        assert_eq!(global(&route, &asking("1S")), ms(1_000));
        assert_eq!(global(&route, &asking("9S")), ms(5_000));
        assert_eq!(global(&route, &TestRequest::new("GET", "/")), ms(15_000));
        route.max_grpc_timeout = Some(Duration::ZERO);
        assert_eq!(global(&route, &grpc), None);
        assert_eq!(global(&route, &asking("9S")), ms(9_000));
    }

    // Seen with Envoy 1.40: a route of 200 ms with a `grpc_timeout_header_max` waits without end.
    #[test]
    fn limits_of_the_stream_replace_the_timeout() {
        let mut route = route(ms(200), None);
        route.max_stream_duration = Some(MaxStreamDuration::default());
        let request = TestRequest::new("GET", "/");
        assert_eq!(request_timeouts(&route, &request, false).global, None);
    }

    #[test]
    fn grpc_timeouts_are_capped_and_shortened() {
        let request = TestRequest::new("POST", "/").header("grpc-timeout", "10S");
        let limits = MaxStreamDuration {
            max: ms(60_000),
            grpc_header_max: ms(5_000),
            grpc_header_offset: ms(100),
        };
        assert_eq!(stream_duration(Some(&limits), None, &request), ms(4_900));
        let open = MaxStreamDuration {
            grpc_header_max: Some(Duration::ZERO),
            ..MaxStreamDuration::default()
        };
        assert_eq!(stream_duration(Some(&open), None, &request), ms(10_000));
        let plain = TestRequest::new("GET", "/");
        assert_eq!(stream_duration(Some(&limits), None, &plain), ms(60_000));
        let off = MaxStreamDuration {
            max: Some(Duration::ZERO),
            ..MaxStreamDuration::default()
        };
        assert_eq!(stream_duration(Some(&off), ms(9), &plain), None);
        assert_eq!(stream_duration(None, ms(9), &plain), ms(9));
    }

    #[test]
    fn malformed_grpc_timeouts_are_ignored() {
        for text in ["", "S", "123456789S", "1x", "-1S", "1.5S"] {
            assert_eq!(grpc_timeout(text.as_bytes()), None, "{text}");
        }
        assert_eq!(
            grpc_timeout(b"99999999H"),
            Some(Duration::from_secs(99_999_999 * 3600))
        );
    }
}
