//! Whether a pod gets a sidecar. The webhook's selectors have chosen the namespace already; these are
//! the pod's own reasons (Istio `pkg/kube/inject`, `injectRequired`).

use serde_json::Value;

/// Namespaces that are never injected (Istio `IgnoredNamespaces`).
const IGNORED: [&str; 4] = [
    "kube-system",
    "kube-public",
    "kube-node-lease",
    "local-path-storage",
];

/// Why a pod is left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Skip {
    IgnoredNamespace,
    HostNetwork,
    /// Label or annotation `sidecar.istio.io/inject: "false"`.
    OptedOut,
    AlreadyInjected,
}

impl Skip {
    /// A sentence for logs and events.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::IgnoredNamespace => "system namespaces are never injected",
            Self::HostNetwork => {
                "pods with hostNetwork share the node's network, which must not be redirected"
            }
            Self::OptedOut => "sidecar.istio.io/inject is \"false\"",
            Self::AlreadyInjected => "the pod already has an istio-proxy container",
        }
    }
}

/// The decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    Inject,
    Skip(Skip),
}

/// Decides for one pod.
#[must_use]
pub fn decide(pod: &Value, namespace: &str) -> Decision {
    if IGNORED.contains(&namespace) {
        return Decision::Skip(Skip::IgnoredNamespace);
    }
    if pod.pointer("/spec/hostNetwork") == Some(&Value::Bool(true)) {
        return Decision::Skip(Skip::HostNetwork);
    }
    let has_proxy = ["containers", "initContainers"].iter().any(|list| {
        pod["spec"][list]
            .as_array()
            .is_some_and(|containers| containers.iter().any(|c| c["name"] == "istio-proxy"))
    });
    if has_proxy {
        return Decision::Skip(Skip::AlreadyInjected);
    }
    // The label wins over the older annotation.
    let wish = |map: &str| pod["metadata"][map]["sidecar.istio.io/inject"].as_str();
    match wish("labels").or_else(|| wish("annotations")) {
        Some("false" | "n" | "no" | "off" | "0") => Decision::Skip(Skip::OptedOut),
        _ => Decision::Inject,
    }
}
