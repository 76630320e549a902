//! What a proxy tells the control plane about itself: Envoy's `node`, filled from the environment that
//! injection wrote (Istio `pkg/model`, `NodeMetadata`).

use std::collections::BTreeMap;
use std::time::Duration;

use api::istio::MeshProxyConfig;
use serde_json::{Map, Value, json};

const DISCOVERY: &str = "istiod.istio-system.svc:15012";
/// Istio's `terminationDrainDuration` when nobody says otherwise.
const TERMINATION_DRAIN: Duration = Duration::from_secs(5);
const ANNOTATION: &str = "proxy.istio.io/config";

/// The role that a proxy plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Sidecar,
    Gateway,
}

impl Role {
    /// The first part of Istio's node id.
    #[must_use]
    pub fn node_type(self) -> &'static str {
        match self {
            Self::Sidecar => "sidecar",
            Self::Gateway => "router",
        }
    }
}

/// A proxy's place in the mesh.
#[derive(Debug, Clone, PartialEq)]
pub struct NodeEnv {
    pub role: Role,
    pub pod_name: String,
    pub namespace: String,
    pub ip: String,
    pub service_account: String,
    pub trust_domain: String,
    /// `host:port` of the control plane's secure xDS.
    pub discovery_address: String,
    /// `host:port` of the CA.
    pub ca_address: String,
    /// Pod labels, from the downward API volume.
    pub labels: BTreeMap<String, String>,
    /// `ISTIO_META_*`, without the prefix.
    pub meta: BTreeMap<String, String>,
    pub proxy_config: MeshProxyConfig,
    /// How long to wait at the end for connections to finish.
    pub termination_drain: Duration,
}

/// What the pod's volumes say; each may be missing.
#[derive(Debug, Clone, Default)]
pub struct Files {
    /// `/etc/istio/pod/labels`, from the downward API.
    pub labels: String,
    /// `/etc/istio/pod/annotations`, likewise.
    pub annotations: String,
    /// `/etc/istio/config/mesh`, the mesh's configuration.
    pub mesh: String,
}

/// A setting that is missing or cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{name} {problem}; sidecar injection sets the agent's environment, a hand-written pod must"
)]
pub struct BadEnv {
    pub name: &'static str,
    pub problem: String,
}

impl NodeEnv {
    /// Reads the environment and the pod's volumes. The settings of the proxy are in `PROXY_CONFIG`, where
    /// injection put them together; without it in the mesh's configuration and the pod's annotation.
    pub fn read(
        role: Role,
        vars: &BTreeMap<String, String>,
        files: &Files,
    ) -> Result<Self, BadEnv> {
        let required = |name: &'static str| {
            vars.get(name)
                .filter(|v| !v.is_empty())
                .cloned()
                .ok_or_else(|| BadEnv {
                    name,
                    problem: "is not set in the environment".into(),
                })
        };
        let or = |name: &str, default: &str| {
            vars.get(name)
                .filter(|v| !v.is_empty())
                .map_or_else(|| default.to_owned(), Clone::clone)
        };
        let proxy_config = proxy_config(vars.get("PROXY_CONFIG").map(String::as_str), files)?;
        let discovery = match proxy_config.discovery_address.as_str() {
            "" => or("CA_ADDR", DISCOVERY),
            address => address.to_owned(),
        };
        let drain = vars.get("TERMINATION_DRAIN_DURATION_SECONDS");
        let drain = drain.map(|text| text.parse().map(Duration::from_secs));
        let drain = drain.transpose().map_err(|_| BadEnv {
            name: "TERMINATION_DRAIN_DURATION_SECONDS",
            problem: "is not a whole number of seconds".into(),
        })?;
        Ok(Self {
            role,
            pod_name: required("POD_NAME")?,
            namespace: required("POD_NAMESPACE")?,
            ip: required("INSTANCE_IP")?,
            service_account: or("SERVICE_ACCOUNT", "default"),
            trust_domain: or("TRUST_DOMAIN", "cluster.local"),
            ca_address: or("CA_ADDR", &discovery),
            discovery_address: discovery,
            labels: parse_map(&files.labels),
            meta: vars
                .iter()
                .filter_map(|(k, v)| Some((k.strip_prefix("ISTIO_META_")?.to_owned(), v.clone())))
                .collect(),
            termination_drain: drain
                .or(proxy_config.termination_drain_duration.map(Into::into))
                .unwrap_or(TERMINATION_DRAIN),
            proxy_config,
        })
    }

    /// `sidecar~10.1.2.3~pod.namespace~namespace.svc.cluster.local`.
    #[must_use]
    pub fn id(&self) -> String {
        let Self {
            role,
            ip,
            pod_name,
            namespace,
            ..
        } = self;
        format!(
            "{}~{ip}~{pod_name}.{namespace}~{namespace}.svc.cluster.local",
            role.node_type()
        )
    }

    /// Envoy's `node`, in JSON. `ours` announces that this is not stock Envoy.
    #[must_use]
    pub fn node(&self, ours: bool) -> Value {
        let mut metadata = Map::new();
        for (name, value) in &self.meta {
            metadata.insert(name.clone(), json!(value));
        }
        let workload = self.meta.get("WORKLOAD_NAME").unwrap_or(&self.pod_name);
        let app = self.labels.get("app").map_or_else(
            || workload.clone(),
            |app| format!("{app}.{}", self.namespace),
        );
        for (name, value) in [
            ("NAME", json!(self.pod_name)),
            ("NAMESPACE", json!(self.namespace)),
            ("INSTANCE_IPS", json!(self.ip)),
            ("SERVICE_ACCOUNT", json!(self.service_account)),
            ("LABELS", json!(self.labels)),
            ("ISTIO_VERSION", json!(env!("CARGO_PKG_VERSION"))),
            ("PROXY_CONFIG", json!(self.proxy_config)),
            ("PILOT_SAN", json!(["istiod.istio-system.svc"])),
        ] {
            metadata.insert(name.into(), value);
        }
        if ours {
            metadata.insert("FERROMESH".into(), json!("1"));
        }
        json!({"id": self.id(), "cluster": app, "metadata": metadata})
    }
}

fn proxy_config(given: Option<&str>, files: &Files) -> Result<MeshProxyConfig, BadEnv> {
    let failed = |name: &'static str, found: &[api::Diagnostic]| {
        let all: Vec<String> = found.iter().map(ToString::to_string).collect();
        BadEnv {
            name,
            problem: format!("cannot be used: {}", all.join("; ")),
        }
    };
    if let Some(text) = given.filter(|text| !text.is_empty()) {
        return api::proxy_config(text).map_err(|found| failed("PROXY_CONFIG", &found));
    }
    // The control plane goes on with the last good one; a proxy that starts has none and takes the defaults.
    let mesh = api::mesh_config(&files.mesh).unwrap_or_else(|found| {
        let all: Vec<String> = found.iter().map(ToString::to_string).collect();
        tracing::warn!(problems = %all.join("; "), "the mesh's configuration cannot be used; its defaults hold");
        api::istio::MeshConfig::default()
    });
    let mut settings = mesh.default_config.unwrap_or_default();
    if let Some(text) = parse_map(&files.annotations).get(ANNOTATION) {
        let own = api::proxy_config(text).map_err(|found| failed(ANNOTATION, &found))?;
        api::proxies::merge(&mut settings, own);
    }
    Ok(settings)
}

/// The downward API writes `key="value"` lines, the value in Go's `%q` form.
fn parse_map(text: &str) -> BTreeMap<String, String> {
    text.lines()
        .filter_map(|line| {
            let (key, value) = line.split_once('=')?;
            let value =
                serde_json::from_str(value).unwrap_or_else(|_| value.trim_matches('"').into());
            Some((key.to_owned(), value))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vars() -> BTreeMap<String, String> {
        [
            ("POD_NAME", "a-1"),
            ("POD_NAMESPACE", "shop"),
            ("INSTANCE_IP", "10.244.0.9"),
            ("ISTIO_META_CLUSTER_ID", "Kubernetes"),
        ]
        .map(|(k, v)| (k.into(), v.into()))
        .into()
    }

    fn files(labels: &str) -> Files {
        Files {
            labels: labels.into(),
            ..Files::default()
        }
    }

    #[test]
    fn makes_istios_node_id_and_metadata() {
        let files = files("app=\"a\"\nversion=\"v1\"\n");
        let env = NodeEnv::read(Role::Sidecar, &vars(), &files).unwrap();
        assert_eq!(
            env.id(),
            "sidecar~10.244.0.9~a-1.shop~shop.svc.cluster.local"
        );
        let node = env.node(true);
        assert_eq!(node["cluster"], "a.shop");
        assert_eq!(node["metadata"]["LABELS"]["version"], "v1");
        assert_eq!(node["metadata"]["CLUSTER_ID"], "Kubernetes");
        assert_eq!(node["metadata"]["FERROMESH"], "1");
        assert!(env.node(false)["metadata"].get("FERROMESH").is_none());
    }

    #[test]
    fn a_missing_variable_is_named() {
        let mut vars = vars();
        vars.remove("INSTANCE_IP");
        let error = NodeEnv::read(Role::Gateway, &vars, &files("")).unwrap_err();
        assert_eq!(error.name, "INSTANCE_IP");
    }

    #[test]
    fn the_settings_that_injection_made_are_used_and_announced() {
        let mut vars = vars();
        let config = "terminationDrainDuration: 7s\ngatewayTopology:\n  numTrustedProxies: 2\ndiscoveryAddress: mesh.example:443\n";
        vars.insert("PROXY_CONFIG".into(), config.into());
        let env = NodeEnv::read(Role::Sidecar, &vars, &files("")).unwrap();
        assert_eq!(env.termination_drain, Duration::from_secs(7));
        assert_eq!(env.discovery_address, "mesh.example:443");
        assert_eq!(env.ca_address, "mesh.example:443");
        let announced = &env.node(false)["metadata"]["PROXY_CONFIG"];
        assert_eq!(announced["gatewayTopology"]["numTrustedProxies"], 2);
        vars.insert("PROXY_CONFIG".into(), "concurrenci: 1".into());
        let error = NodeEnv::read(Role::Sidecar, &vars, &files("")).unwrap_err();
        assert!(error.to_string().contains("concurrenci"), "{error}");
    }

    #[test]
    fn without_injection_the_mesh_and_the_pods_annotation_count() {
        let files = Files {
            mesh: "defaultConfig: {concurrency: 3, terminationDrainDuration: 9s}".into(),
            annotations: r#"proxy.istio.io/config="concurrency: 1\nproxyMetadata: {}\n""#.into(),
            ..Files::default()
        };
        let env = NodeEnv::read(Role::Gateway, &vars(), &files).unwrap();
        assert_eq!(env.proxy_config.concurrency, Some(1));
        assert_eq!(env.termination_drain, Duration::from_secs(9));
    }
}
