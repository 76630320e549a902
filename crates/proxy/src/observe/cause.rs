//! What a response flag alone says, for failures whose place in the code knew no more.

use super::flags::ResponseFlags;

/// Flag → stable word and sentence; the first that is set speaks.
const BY_FLAG: &[(ResponseFlags, &str, &str)] = &[
    (
        ResponseFlags::FAULT_INJECTED,
        "fault_abort",
        "the route's fault injection answered in the upstream's place",
    ),
    (
        ResponseFlags::NO_ROUTE_FOUND,
        "no_route",
        "no route matches the request's host, path and headers",
    ),
    (
        ResponseFlags::NO_CLUSTER_FOUND,
        "no_cluster",
        "the route's cluster does not exist",
    ),
    (
        ResponseFlags::NO_HEALTHY_UPSTREAM,
        "no_healthy_upstream",
        "the cluster has no endpoint that may be used",
    ),
    (
        ResponseFlags::UPSTREAM_OVERFLOW,
        "overflow",
        "a circuit breaker of the cluster is open",
    ),
    (
        ResponseFlags::UPSTREAM_RETRY_LIMIT_EXCEEDED,
        "retries_exhausted",
        "every attempt that the retry policy allows has failed",
    ),
    (
        ResponseFlags::UPSTREAM_REQUEST_TIMEOUT,
        "upstream_timeout",
        "the upstream did not answer within the route's timeout",
    ),
    (
        ResponseFlags::STREAM_IDLE_TIMEOUT,
        "stream_idle",
        "nothing was sent or received for the stream's idle timeout",
    ),
    (
        ResponseFlags::DURATION_TIMEOUT,
        "max_duration",
        "the stream or connection has lasted as long as it may",
    ),
    (
        ResponseFlags::DOWNSTREAM_PROTOCOL_ERROR,
        "downstream_protocol_error",
        "the client broke the protocol",
    ),
    (
        ResponseFlags::DOWNSTREAM_CONNECTION_TERMINATION,
        "client_gone",
        "the client closed its connection before the response was complete",
    ),
    (
        ResponseFlags::DOWNSTREAM_REMOTE_RESET,
        "client_reset",
        "the client reset its stream before the response was complete",
    ),
    (
        ResponseFlags::DELAY_INJECTED,
        "fault_delay",
        "the route's fault injection delayed the request",
    ),
];

/// Word and sentence for a set of flags; empty where they say nothing of their own.
pub(super) fn of(flags: ResponseFlags) -> (&'static str, &'static str) {
    let found = BY_FLAG.iter().find(|(flag, ..)| flags.contains(*flag));
    found.map_or(("", ""), |(_, code, text)| (code, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flag_that_ended_the_request_speaks_before_a_delay() {
        let mut flags = ResponseFlags::DELAY_INJECTED;
        assert_eq!(of(flags).0, "fault_delay");
        flags.insert(ResponseFlags::UPSTREAM_REQUEST_TIMEOUT);
        assert_eq!(of(flags).0, "upstream_timeout");
        assert_eq!(of(ResponseFlags::default()), ("", ""));
    }
}
