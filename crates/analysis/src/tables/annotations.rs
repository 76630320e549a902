//! Istio's annotations (istio/api `annotation/annotations.yaml`): on which kinds they are read, whether they are
//! deprecated, and what the injector accepts as a value (istio `pkg/kube/inject/validate.go`).

/// Where an annotation is read.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Attaches {
    /// On every kind.
    Anywhere,
    /// On these.
    To(&'static [&'static str]),
}

/// What a value must be.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Valid {
    Any,
    Mode,
    Port,
    Number,
    Flag,
    Ranges { what: &'static str, all: bool },
    Ports { what: &'static str, all: bool },
    Interfaces,
    Quantity,
    ProxyConfig,
}

/// An annotation.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Annotation {
    pub name: &'static str,
    pub deprecated: bool,
    pub attaches: Attaches,
    pub valid: Valid,
}

const fn row(name: &'static str, deprecated: bool, attaches: Attaches, valid: Valid) -> Annotation {
    Annotation {
        name,
        deprecated,
        attaches,
        valid,
    }
}

/// All of them.
pub(crate) const ISTIO: &[Annotation] = &[
    row(
        "alpha.istio.io/canonical-serviceaccounts",
        true,
        Attaches::To(&["Service"]),
        Valid::Any,
    ),
    row(
        "alpha.istio.io/kubernetes-serviceaccounts",
        true,
        Attaches::To(&["Service"]),
        Valid::Any,
    ),
    row(
        "ambient.istio.io/bypass-inbound-capture",
        false,
        Attaches::To(&["Pod"]),
        Valid::Any,
    ),
    row(
        "ambient.istio.io/dns-capture",
        false,
        Attaches::To(&["Pod"]),
        Valid::Any,
    ),
    row(
        "ambient.istio.io/redirection",
        false,
        Attaches::To(&["Pod"]),
        Valid::Any,
    ),
    row(
        "ambient.istio.io/waypoint-inbound-binding",
        false,
        Attaches::To(&["GatewayClass", "Gateway"]),
        Valid::Any,
    ),
    row(
        "galley.istio.io/analyze-suppress",
        false,
        Attaches::Anywhere,
        Valid::Any,
    ),
    row(
        "gateway.istio.io/controller-version",
        false,
        Attaches::Anywhere,
        Valid::Any,
    ),
    row(
        "gateway.istio.io/name-override",
        false,
        Attaches::To(&["Gateway"]),
        Valid::Any,
    ),
    row(
        "gateway.istio.io/service-account",
        false,
        Attaches::To(&["Gateway"]),
        Valid::Any,
    ),
    row(
        "inject.istio.io/templates",
        false,
        Attaches::To(&["Pod"]),
        Valid::Any,
    ),
    row(
        "istio.io/autoRegistrationGroup",
        false,
        Attaches::To(&["WorkloadEntry"]),
        Valid::Any,
    ),
    row(
        "istio.io/connectedAt",
        false,
        Attaches::To(&["WorkloadEntry"]),
        Valid::Any,
    ),
    row(
        "istio.io/disconnectedAt",
        false,
        Attaches::To(&["WorkloadEntry"]),
        Valid::Any,
    ),
    row(
        "istio.io/dry-run",
        false,
        Attaches::To(&["AuthorizationPolicy"]),
        Valid::Any,
    ),
    row(
        "istio.io/reroute-virtual-interfaces",
        false,
        Attaches::To(&["Pod"]),
        Valid::Interfaces,
    ),
    row("istio.io/rev", false, Attaches::To(&["Pod"]), Valid::Any),
    row(
        "istio.io/use-waypoint-canary-weight",
        false,
        Attaches::To(&["Service", "ServiceEntry", "Namespace"]),
        Valid::Any,
    ),
    row(
        "istio.io/workloadController",
        false,
        Attaches::To(&["WorkloadEntry"]),
        Valid::Any,
    ),
    row(
        "kubernetes.io/ingress.class",
        false,
        Attaches::To(&["Ingress"]),
        Valid::Any,
    ),
    row(
        "networking.istio.io/exportTo",
        false,
        Attaches::To(&["Service"]),
        Valid::Any,
    ),
    row(
        "networking.istio.io/service-type",
        false,
        Attaches::To(&["Gateway"]),
        Valid::Any,
    ),
    row(
        "networking.istio.io/traffic-distribution",
        false,
        Attaches::To(&["Namespace", "Service", "ServiceEntry"]),
        Valid::Any,
    ),
    row(
        "prometheus.istio.io/merge-metrics",
        false,
        Attaches::To(&["Pod"]),
        Valid::Flag,
    ),
    row(
        "proxy.istio.io/config",
        false,
        Attaches::To(&["Pod"]),
        Valid::ProxyConfig,
    ),
    row(
        "proxy.istio.io/overrides",
        false,
        Attaches::To(&["Pod"]),
        Valid::Any,
    ),
    row(
        "readiness.status.sidecar.istio.io/applicationPorts",
        false,
        Attaches::To(&["Pod"]),
        Valid::Any,
    ),
    row(
        "readiness.status.sidecar.istio.io/failureThreshold",
        false,
        Attaches::To(&["Pod"]),
        Valid::Number,
    ),
    row(
        "readiness.status.sidecar.istio.io/initialDelaySeconds",
        false,
        Attaches::To(&["Pod"]),
        Valid::Number,
    ),
    row(
        "readiness.status.sidecar.istio.io/periodSeconds",
        false,
        Attaches::To(&["Pod"]),
        Valid::Number,
    ),
    row(
        "sidecar.istio.io/agentLogLevel",
        false,
        Attaches::To(&["Pod"]),
        Valid::Any,
    ),
    row(
        "sidecar.istio.io/bootstrapOverride",
        false,
        Attaches::To(&["Pod"]),
        Valid::Any,
    ),
    row(
        "sidecar.istio.io/componentLogLevel",
        false,
        Attaches::To(&["Pod"]),
        Valid::Any,
    ),
    row(
        "sidecar.istio.io/discoveryAddress",
        true,
        Attaches::To(&["Pod"]),
        Valid::Any,
    ),
    row(
        "sidecar.istio.io/extraStatTags",
        true,
        Attaches::To(&["Pod"]),
        Valid::Any,
    ),
    row(
        "sidecar.istio.io/inject",
        true,
        Attaches::To(&["Pod"]),
        Valid::Any,
    ),
    row(
        "sidecar.istio.io/interceptionMode",
        false,
        Attaches::To(&["Pod"]),
        Valid::Mode,
    ),
    row(
        "sidecar.istio.io/logLevel",
        false,
        Attaches::To(&["Pod"]),
        Valid::Any,
    ),
    row(
        "sidecar.istio.io/nativeSidecar",
        false,
        Attaches::To(&["Pod"]),
        Valid::Any,
    ),
    row(
        "sidecar.istio.io/proxyCPU",
        false,
        Attaches::To(&["Pod"]),
        Valid::Quantity,
    ),
    row(
        "sidecar.istio.io/proxyCPULimit",
        false,
        Attaches::To(&["Pod"]),
        Valid::Quantity,
    ),
    row(
        "sidecar.istio.io/proxyImage",
        false,
        Attaches::To(&["Pod"]),
        Valid::Any,
    ),
    row(
        "sidecar.istio.io/proxyImageType",
        false,
        Attaches::To(&["Pod"]),
        Valid::Any,
    ),
    row(
        "sidecar.istio.io/proxyMemory",
        false,
        Attaches::To(&["Pod"]),
        Valid::Quantity,
    ),
    row(
        "sidecar.istio.io/proxyMemoryLimit",
        false,
        Attaches::To(&["Pod"]),
        Valid::Quantity,
    ),
    row(
        "sidecar.istio.io/rewriteAppHTTPProbers",
        false,
        Attaches::To(&["Pod"]),
        Valid::Any,
    ),
    row(
        "sidecar.istio.io/statsCompression",
        true,
        Attaches::To(&["Pod"]),
        Valid::Any,
    ),
    row(
        "sidecar.istio.io/statsEvictionInterval",
        false,
        Attaches::To(&["Pod"]),
        Valid::Any,
    ),
    row(
        "sidecar.istio.io/statsFlushInterval",
        false,
        Attaches::To(&["Pod"]),
        Valid::Any,
    ),
    row(
        "sidecar.istio.io/statsHistogramBins",
        false,
        Attaches::To(&["Pod"]),
        Valid::Any,
    ),
    row(
        "sidecar.istio.io/statsHistogramBuckets",
        false,
        Attaches::To(&["Pod"]),
        Valid::Any,
    ),
    row(
        "sidecar.istio.io/statsInclusionPrefixes",
        true,
        Attaches::To(&["Pod"]),
        Valid::Any,
    ),
    row(
        "sidecar.istio.io/statsInclusionRegexps",
        true,
        Attaches::To(&["Pod"]),
        Valid::Any,
    ),
    row(
        "sidecar.istio.io/statsInclusionSuffixes",
        true,
        Attaches::To(&["Pod"]),
        Valid::Any,
    ),
    row(
        "sidecar.istio.io/status",
        false,
        Attaches::To(&["Pod"]),
        Valid::Any,
    ),
    row(
        "sidecar.istio.io/userVolume",
        false,
        Attaches::To(&["Pod"]),
        Valid::Any,
    ),
    row(
        "sidecar.istio.io/userVolumeMount",
        false,
        Attaches::To(&["Pod"]),
        Valid::Any,
    ),
    row(
        "status.sidecar.istio.io/port",
        false,
        Attaches::To(&["Pod"]),
        Valid::Port,
    ),
    row(
        "topology.istio.io/controlPlaneClusters",
        false,
        Attaches::To(&["Namespace"]),
        Valid::Any,
    ),
    row(
        "traffic.istio.io/nodeSelector",
        false,
        Attaches::To(&["Service"]),
        Valid::Any,
    ),
    row(
        "traffic.sidecar.istio.io/excludeInboundPorts",
        false,
        Attaches::To(&["Pod"]),
        Valid::Ports {
            what: "excludeInboundPorts",
            all: false,
        },
    ),
    row(
        "traffic.sidecar.istio.io/excludeInterfaces",
        false,
        Attaches::To(&["Pod"]),
        Valid::Interfaces,
    ),
    row(
        "traffic.sidecar.istio.io/excludeOutboundIPRanges",
        false,
        Attaches::To(&["Pod"]),
        Valid::Ranges {
            what: "excludeIPRanges",
            all: false,
        },
    ),
    row(
        "traffic.sidecar.istio.io/excludeOutboundPorts",
        false,
        Attaches::To(&["Pod"]),
        Valid::Ports {
            what: "excludeOutboundPorts",
            all: false,
        },
    ),
    row(
        "traffic.sidecar.istio.io/includeInboundPorts",
        false,
        Attaches::To(&["Pod"]),
        Valid::Ports {
            what: "includeInboundPorts",
            all: true,
        },
    ),
    row(
        "traffic.sidecar.istio.io/includeOutboundIPRanges",
        false,
        Attaches::To(&["Pod"]),
        Valid::Ranges {
            what: "includeIPRanges",
            all: true,
        },
    ),
    row(
        "traffic.sidecar.istio.io/includeOutboundPorts",
        false,
        Attaches::To(&["Pod"]),
        Valid::Any,
    ),
    row(
        "traffic.sidecar.istio.io/kubevirtInterfaces",
        true,
        Attaches::To(&["Pod"]),
        Valid::Interfaces,
    ),
];

/// The annotation that a mistyped name most likely means.
pub(crate) fn nearest(name: &str) -> Option<&'static str> {
    if name.len() > 120 {
        return None;
    }
    ISTIO
        .iter()
        .map(|known| (strsim::damerau_levenshtein(name, known.name), known.name))
        .min()
        .filter(|(distance, _)| *distance <= 3)
        .map(|(_, name)| name)
}
