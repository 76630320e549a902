//! What becomes of each of istioctl's codes: reported by a rule here, or why not.

/// What becomes of a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coverage {
    /// A rule reports it.
    Rule,
    /// It needs something that no resource says.
    Lacks(&'static str),
    /// istioctl declares it and reports it no more; another code says what is left of it.
    Retired(&'static str),
}

/// A code of istioctl.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// The code.
    pub code: &'static str,
    /// What becomes of it.
    pub coverage: Coverage,
}

const fn row(code: &'static str, coverage: Coverage) -> Row {
    Row { code, coverage }
}

use Coverage::{Lacks, Retired, Rule};

/// Every code that istioctl declares (`pkg/config/analysis/msg/messages.yaml`), IST0001 and retired numbers
/// left out.
pub const IST: &[Row] = &[
    row("IST0002", Rule),
    row("IST0101", Rule),
    row("IST0102", Rule),
    row("IST0103", Rule),
    row("IST0106", Rule),
    row("IST0107", Rule),
    row("IST0108", Rule),
    row("IST0109", Rule),
    row("IST0110", Rule),
    row("IST0111", Rule),
    row("IST0112", Rule),
    row(
        "IST0113",
        Retired("no analyzer reports it; FM0401 has the effective mTLS modes"),
    ),
    row("IST0116", Rule),
    row("IST0118", Rule),
    row(
        "IST0119",
        Retired("no analyzer reports it; IST0118 names the port"),
    ),
    row("IST0122", Rule),
    row("IST0123", Rule),
    row("IST0125", Rule),
    row("IST0126", Rule),
    row("IST0127", Rule),
    row("IST0128", Rule),
    row("IST0129", Rule),
    row("IST0130", Rule),
    row("IST0131", Rule),
    row("IST0132", Rule),
    row("IST0133", Rule),
    row("IST0134", Rule),
    row("IST0135", Rule),
    row(
        "IST0136",
        Retired("its analyzer is not among those that analyze runs"),
    ),
    row("IST0137", Rule),
    row("IST0138", Rule),
    row("IST0139", Rule),
    row("IST0140", Rule),
    row(
        "IST0141",
        Lacks("what the caller may create: access reviews of the API server"),
    ),
    row("IST0142", Lacks("the API server's version")),
    row(
        "IST0143",
        Lacks("the addresses that a running application listens on"),
    ),
    row("IST0144", Rule),
    row("IST0145", Rule),
    row("IST0146", Rule),
    row("IST0147", Rule),
    row("IST0148", Rule),
    row("IST0149", Rule),
    row("IST0150", Rule),
    row("IST0151", Rule),
    row("IST0152", Rule),
    row("IST0153", Rule),
    row("IST0154", Rule),
    row("IST0155", Rule),
    row(
        "IST0156",
        Retired("only precheck reports it; IST0176 judges the definitions"),
    ),
    row("IST0157", Rule),
    row("IST0158", Rule),
    row("IST0159", Rule),
    row("IST0160", Rule),
    row("IST0161", Rule),
    row("IST0162", Rule),
    row("IST0163", Rule),
    row("IST0164", Rule),
    row("IST0165", Rule),
    row("IST0166", Rule),
    row("IST0167", Rule),
    row(
        "IST0168",
        Lacks("the installed and the next version: an upgrade check"),
    ),
    row(
        "IST0169",
        Lacks("the installed and the next version: an upgrade check"),
    ),
    row("IST0170", Lacks("the services of several clusters")),
    row("IST0171", Rule),
    row(
        "IST0172",
        Retired("only precheck reports it; IST0176 judges the definitions"),
    ),
    row("IST0173", Rule),
    row("IST0174", Rule),
    row("IST0175", Rule),
    row("IST0176", Rule),
    row("IST0177", Rule),
];

/// A failure that users meet, and which codes find its cause in the configuration.
#[derive(Debug, Clone, Copy)]
pub struct Failure {
    /// What is seen.
    pub symptom: &'static str,
    /// Codes that find a cause of it in resources; empty if none can.
    pub codes: &'static [&'static str],
    /// The runtime fact that decides what resources do not say; empty if they say all.
    pub lacks: &'static str,
}

const fn failure(
    symptom: &'static str,
    codes: &'static [&'static str],
    lacks: &'static str,
) -> Failure {
    Failure {
        symptom,
        codes,
        lacks,
    }
}

/// The failures that the product must explain.
pub const FAILURES: &[Failure] = &[
    failure(
        "503 UH",
        &["IST0173", "FM0902", "FM0201", "FM0202"],
        "endpoints and their health in the proxy",
    ),
    failure(
        "503 UF",
        &["FM0401", "FM0402", "IST0161"],
        "upstream_transport_failure_reason of the access log",
    ),
    failure(
        "503 UC",
        &["FM0401", "FM0511"],
        "reused connections and the application's keep-alive limit",
    ),
    failure(
        "503 UO",
        &["FM0221"],
        "upstream_cx_overflow and upstream_rq_pending_overflow",
    ),
    failure(
        "404 NR, 503 NC",
        &["IST0101", "IST0132", "FM0521", "FM0301"],
        "the routes that the proxy has",
    ),
    failure("429 RL, RLSE", &[], "response flags of the access log"),
    failure(
        "empty reply (curl 52)",
        &["FM0511", "FM0512"],
        "connection ends at both sides, OOM kills",
    ),
    failure(
        "503 between a DestinationRule and mTLS",
        &["FM0401", "FM0402"],
        "",
    ),
    failure("pilot_eds_no_instances", &["IST0173", "FM0902"], ""),
    failure(
        "pilot_conflict_inbound_listener",
        &["IST0116", "IST0137"],
        "",
    ),
    failure("duplicate TLS host", &["FM0301", "IST0145"], ""),
    failure(
        "502 at a header limit",
        &[],
        "response code details and the upstream's headers",
    ),
    failure("502 at a header name", &[], "the bytes of the response"),
    failure(
        "502 at a raw byte in a header's value (Content-Disposition)",
        &[],
        "the bytes of the response",
    ),
    failure("sniffed as TCP", &["IST0118"], "the bytes of the request"),
    failure(
        "EnvoyFilter or ServiceEntry without effect",
        &["FM0621", "FM0622", "FM0901", "IST0151"],
        "",
    ),
    failure("ServiceEntry without effect, DNS", &["IST0134"], ""),
    failure(
        "injection missing",
        &[
            "IST0102", "IST0103", "IST0123", "IST0139", "IST0148", "FM0913",
        ],
        "events of the ReplicaSet",
    ),
    failure(
        "iptables",
        &[],
        "kernel modules and the init container's log",
    ),
    failure("jwtPolicy", &[], "flags of the API server"),
    failure(
        "terminating",
        &["FM0511", "FM0512"],
        "the mode of the sidecar: native or not",
    ),
    failure("OTel", &["FM0611", "FM0612", "IST0157"], ""),
    failure("discoveryAddress", &["FM0601", "FM0602", "FM0603"], ""),
    failure(
        "istiod out of memory",
        &[],
        "pilot_xds_config_size_bytes and memory",
    ),
    failure(
        "out of memory after an upgrade",
        &[],
        "configuration size before and after",
    ),
    failure("STALE", &[], "acknowledgements of the proxies"),
    failure(
        "certificate expiry",
        &["IST0161"],
        "certificates in the proxies",
    ),
    failure("CA secret lost", &[], "signing errors of istiod"),
    failure(
        "cold start",
        &["FM0702", "FM0703", "FM0704"],
        "timings of the pods",
    ),
    failure("activator throttling", &[], "the activator's queue"),
    failure("queue full", &["FM0705"], "requests in flight"),
    failure(
        "autoscaler slow",
        &["FM0704", "FM0705", "FM0706", "FM0711", "FM0712"],
        "desired and actual scale",
    ),
    failure(
        "NLB idle time-out",
        &["FM0801", "FM0802", "FM0803"],
        "ages of flows",
    ),
    failure("NLB exhaustion", &[], "PortAllocationErrorCount"),
    failure(
        "replicas revert",
        &["FM0723"],
        "managedFields of the Deployment",
    ),
    failure("VPC REJECT", &[], "flow records"),
    failure(
        "403 RBAC",
        &["FM0412", "FM0413", "FM0414", "FM0415", "IST0166"],
        "response code details",
    ),
    failure(
        "504 UT, 408 SI",
        &["FM0502", "FM0503"],
        "durations of the access log",
    ),
    failure(
        "gateway TLS",
        &["IST0161", "IST0101", "FM0301"],
        "the SNI of the client",
    ),
    failure(
        "sidecar out of memory, application before proxy",
        &[],
        "last states and start times of containers",
    ),
    failure("Envoy CPU, overload", &[], "overload counters"),
    failure(
        "Knative controller slow, pods churn",
        &["FM0723"],
        "queue depth and desired scale over time",
    ),
    failure("x-envoy headers leak", &[], "headers of responses"),
    failure("fault with retry", &["FM0501"], ""),
    failure("subset race", &["IST0101"], "the order of applying"),
];
