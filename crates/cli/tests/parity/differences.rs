//! Where our proxy deliberately is not Envoy. What is not listed must not differ; what is listed must.

/// Why a difference is right.
#[derive(Debug)]
#[allow(dead_code, reason = "the reasons are for the reader")]
pub(crate) enum Reason {
    /// One of the four points of the architecture's "Better than Envoy".
    BetterThanEnvoy(&'static str),
    /// The section that Envoy does not follow here.
    Rfc(&'static str),
    /// The section that allows either.
    RfcAllows(&'static str),
}

/// One value of one case.
#[derive(Debug)]
pub(crate) struct Difference {
    pub(crate) case: &'static str,
    pub(crate) field: &'static str,
    pub(crate) envoy: &'static str,
    pub(crate) ours: &'static str,
    #[allow(dead_code, reason = "the reasons are for the reader")]
    pub(crate) because: Reason,
}

pub(crate) const ALL: &[Difference] = &[
    // A request that was received whole is no reason to close, even if it was answered before its body came.
    Difference {
        case: "the_method_chooses",
        field: "client[1].headers",
        envoy: "date: (date)\nserver: istio-envoy\nconnection: close\ncontent-length: 0\n",
        ours: "date: (date)\nserver: istio-envoy\ncontent-length: 0\n",
        because: Reason::Rfc("9112 §9.3"),
    },
    Difference {
        case: "the_method_chooses",
        field: "client[1].connection",
        envoy: "announced",
        ours: "Open",
        because: Reason::Rfc("9112 §9.3"),
    },
    Difference {
        case: "the_method_chooses",
        field: "stat.http.downstream_rq_rx_reset",
        envoy: "1",
        ours: "(absent)",
        because: Reason::Rfc("9112 §9.3"),
    },
    // What was replayed is no attempt of the retry policy's, and the upstream hears of one attempt.
    Difference {
        case: "an_idle_connection_that_is_reset_is_tried_again",
        field: "log[1].upstream_attempts",
        envoy: "2",
        ours: "1",
        because: Reason::BetterThanEnvoy("the idle race"),
    },
    Difference {
        case: "an_idle_connection_that_is_reset_is_tried_again",
        field: "upstream[2].headers",
        envoy: "host: parity.test\nx-forwarded-for: NET.200\nx-forwarded-proto: http\nx-envoy-external-address: NET.200\nx-request-id: (uuid)\nx-envoy-attempt-count: 2\n",
        ours: "host: parity.test\nx-forwarded-for: NET.200\nx-forwarded-proto: http\nx-envoy-external-address: NET.200\nx-request-id: (uuid)\nx-envoy-attempt-count: 1\n",
        because: Reason::BetterThanEnvoy("the idle race"),
    },
    Difference {
        case: "an_idle_connection_that_is_reset_is_tried_again",
        field: "stat.cluster.upstream_rq_retry",
        envoy: "1",
        ours: "(absent)",
        because: Reason::BetterThanEnvoy("the idle race"),
    },
    Difference {
        case: "an_idle_connection_that_is_reset_is_tried_again",
        field: "stat.cluster.upstream_rq_retry_backoff_exponential",
        envoy: "1",
        ours: "(absent)",
        because: Reason::BetterThanEnvoy("the idle race"),
    },
    Difference {
        case: "an_idle_connection_that_is_reset_is_tried_again",
        field: "stat.cluster.upstream_rq_retry_success",
        envoy: "1",
        ours: "(absent)",
        because: Reason::BetterThanEnvoy("the idle race"),
    },
    Difference {
        case: "an_idle_connection_that_is_reset_is_tried_again",
        field: "stat.cluster.upstream_rq_replayed",
        envoy: "(absent)",
        ours: "1",
        because: Reason::BetterThanEnvoy("the idle race"),
    },
    // Who speaks HTTP to a port for TLS is told so.
    Difference {
        case: "plaintext_at_a_tls_port_is_refused",
        field: "client[0].start",
        envoy: "(no response)",
        ours: "HTTP/1.1 421 Misdirected Request",
        because: Reason::BetterThanEnvoy("no empty reply without a reason"),
    },
    Difference {
        case: "plaintext_at_a_tls_port_is_refused",
        field: "client[0].headers",
        envoy: "(absent)",
        ours: "content-type: text/plain\ncontent-length: 91\nconnection: close\n",
        because: Reason::BetterThanEnvoy("no empty reply without a reason"),
    },
    Difference {
        case: "plaintext_at_a_tls_port_is_refused",
        field: "client[0].body",
        envoy: "(absent)",
        ours: "no filter chain of this listener matches the connection (server name, protocol or address)\n",
        because: Reason::BetterThanEnvoy("no empty reply without a reason"),
    },
    Difference {
        case: "plaintext_at_a_tls_port_is_refused",
        field: "client[0].connection",
        envoy: "Reset",
        ours: "announced",
        because: Reason::BetterThanEnvoy("no empty reply without a reason"),
    },
    Difference {
        case: "repeated_fields_stay_apart_and_in_order",
        field: "client[0].headers",
        envoy: "set-cookie: a=1\nvary: x,y\nset-cookie: b=2\ncontent-length: 2\nx-envoy-upstream-service-time: (ms)\ndate: (date)\nserver: istio-envoy\n",
        ours: "set-cookie: a=1\nvary: x\nset-cookie: b=2\nvary: y\ncontent-length: 2\nx-envoy-upstream-service-time: (ms)\ndate: (date)\nserver: istio-envoy\n",
        because: LINES,
    },
    Difference {
        case: "repeated_fields_stay_apart_and_in_order",
        field: "upstream[0].headers",
        envoy: "host: parity.test\naccept: a,b\ncookie: one=1\ncookie: two=2\nx-forwarded-for: NET.200\nx-forwarded-proto: http\nx-envoy-external-address: NET.200\nx-request-id: (uuid)\nx-envoy-attempt-count: 1\n",
        ours: "host: parity.test\naccept: a\ncookie: one=1\naccept: b\ncookie: two=2\nx-forwarded-for: NET.200\nx-forwarded-proto: http\nx-envoy-external-address: NET.200\nx-request-id: (uuid)\nx-envoy-attempt-count: 1\n",
        because: LINES,
    },
];

/// Envoy joins the lines of some fields; ours go on as they came.
const LINES: Reason = Reason::RfcAllows("RFC 9110 §5.3");

/// The differences of a case.
pub(crate) fn of(case: &str) -> impl Iterator<Item = &'static Difference> {
    ALL.iter().filter(move |known| known.case == case)
}
