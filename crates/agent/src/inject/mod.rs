//! Sidecar injection: (pod, namespace, settings) → injected pod. Pure; the webhook around it is in
//! [`crate::webhook`].

mod annotations;
mod decide;
mod probes;
mod template;

pub(crate) use annotations::parse_cidr;
pub use annotations::{Annotations, BadAnnotation};
pub use decide::{Decision, Skip, decide};
pub use probes::{AppProbe, Probes, app_probes};

use serde_json::Value;

/// Which program carries the traffic of injected pods.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    Ferromesh,
    Envoy,
}

impl Engine {
    /// The name on command lines.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ferromesh => "ferromesh",
            Self::Envoy => "envoy",
        }
    }
}

/// What the injector knows of the mesh (Istio's injection values).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    pub engine: Engine,
    /// Image of the sidecar container.
    pub proxy_image: String,
    /// Image of `istio-init`.
    pub init_image: String,
    /// `host:port` of the control plane's secure xDS and CA.
    pub discovery_address: String,
    pub trust_domain: String,
    pub cluster_id: String,
    pub mesh_id: String,
    pub revision: String,
    /// `meshConfig.defaultConfig.holdApplicationUntilProxyStarts`; native sidecars hold in any case.
    pub hold_application: bool,
    /// Run the proxy as an init container with `restartPolicy: Always` (Istio `ENABLE_NATIVE_SIDECARS`).
    pub native_sidecars: bool,
    /// `meshConfig.defaultConfig.terminationDrainDuration`, seconds.
    pub drain_seconds: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            engine: Engine::Ferromesh,
            proxy_image: "ferromesh/proxy".into(),
            init_image: "ferromesh/agent".into(),
            discovery_address: "istiod.istio-system.svc:15012".into(),
            trust_domain: "cluster.local".into(),
            cluster_id: "Kubernetes".into(),
            mesh_id: "cluster.local".into(),
            revision: "default".into(),
            hold_application: false,
            native_sidecars: true,
            drain_seconds: 5,
        }
    }
}

/// What the webhook answers.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// Left alone, and why.
    Skipped(Skip),
    /// The pod with its sidecar; warnings name annotations that have no effect here.
    Injected { pod: Value, warnings: Vec<String> },
}

/// Injects the sidecar into `pod`, which lives in `namespace` (its name may be missing in the pod).
///
/// # Errors
/// An annotation that cannot be read: the pod is refused rather than run with another meaning.
pub fn inject(pod: &Value, namespace: &str, settings: &Settings) -> Result<Outcome, BadAnnotation> {
    match decide(pod, namespace) {
        Decision::Skip(why) => Ok(Outcome::Skipped(why)),
        Decision::Inject => {
            let annotations = Annotations::read(pod)?;
            let warnings = annotations.warnings.clone();
            let pod = template::render(pod, namespace, settings, &annotations);
            Ok(Outcome::Injected { pod, warnings })
        }
    }
}

#[cfg(test)]
mod tests;
