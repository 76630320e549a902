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

const ALL: &[Difference] = &[
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
