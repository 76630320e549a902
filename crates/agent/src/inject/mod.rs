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
pub use template::PROGRAM;

use std::collections::BTreeMap;

use api::istio::MeshProxyConfig;
use api::proxies::ProxySettings;
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
#[derive(Debug, Clone, PartialEq)]
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
    /// Run the proxy as an init container with `restartPolicy: Always` (Istio `ENABLE_NATIVE_SIDECARS`).
    pub native_sidecars: bool,
    /// MeshConfig's `defaultConfig` and the objects of kind ProxyConfig.
    pub proxies: ProxySettings,
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
            native_sidecars: true,
            proxies: ProxySettings::default(),
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

/// Why a pod is refused rather than run with another meaning.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error(transparent)]
    Annotation(#[from] BadAnnotation),
    /// What is wrong with the settings of its proxy, each with its place in the annotation.
    #[error("annotation proxy.istio.io/config: {0}")]
    ProxyConfig(String),
}

/// Injects the sidecar into `pod`, which lives in `namespace` (its name may be missing in the pod).
///
/// # Errors
/// An annotation that cannot be read or honoured.
pub fn inject(pod: &Value, namespace: &str, settings: &Settings) -> Result<Outcome, Refused> {
    match decide(pod, namespace) {
        Decision::Skip(why) => Ok(Outcome::Skipped(why)),
        Decision::Inject => {
            let annotations = Annotations::read(pod)?;
            let proxy = proxy_settings(pod, namespace, settings, &annotations)?;
            let warnings = annotations.warnings.clone();
            let pod = template::render(pod, namespace, settings, &annotations, &proxy);
            Ok(Outcome::Injected { pod, warnings })
        }
    }
}

fn proxy_settings(
    pod: &Value,
    namespace: &str,
    settings: &Settings,
    annotations: &Annotations,
) -> Result<MeshProxyConfig, Refused> {
    let labels: BTreeMap<String, String> = pod["metadata"]["labels"]
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
        .collect();
    settings
        .proxies
        .effective(namespace, &labels, annotations.proxy_config.as_deref())
        .map_err(|found| {
            let all: Vec<String> = found.iter().map(ToString::to_string).collect();
            Refused::ProxyConfig(all.join("; "))
        })
}

#[cfg(test)]
mod tests;
