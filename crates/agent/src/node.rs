//! What a proxy tells the control plane about itself: Envoy's `node`, filled from the environment that
//! injection wrote (Istio `pkg/model`, `NodeMetadata`).

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

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
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeEnv {
    pub role: Role,
    pub pod_name: String,
    pub namespace: String,
    pub ip: String,
    pub service_account: String,
    pub trust_domain: String,
    pub discovery_address: String,
    /// Pod labels, from the downward API volume.
    pub labels: BTreeMap<String, String>,
    /// `ISTIO_META_*`, without the prefix.
    pub meta: BTreeMap<String, String>,
    pub proxy_config: Value,
    pub drain_seconds: u64,
}

/// A variable that is missing or cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "environment variable {name} {problem}; sidecar injection sets it, a hand-written pod must"
)]
pub struct BadEnv {
    pub name: &'static str,
    pub problem: String,
}

impl NodeEnv {
    /// Reads the environment through `get` and labels from the text of `/etc/istio/pod/labels`.
    pub fn read(role: Role, vars: &BTreeMap<String, String>, labels: &str) -> Result<Self, BadEnv> {
        let required = |name: &'static str| {
            vars.get(name)
                .filter(|v| !v.is_empty())
                .cloned()
                .ok_or_else(|| BadEnv {
                    name,
                    problem: "is not set".into(),
                })
        };
        let or = |name: &str, default: &str| {
            vars.get(name)
                .filter(|v| !v.is_empty())
                .map_or_else(|| default.to_owned(), Clone::clone)
        };
        let proxy_config = or("PROXY_CONFIG", "{}");
        Ok(Self {
            role,
            pod_name: required("POD_NAME")?,
            namespace: required("POD_NAMESPACE")?,
            ip: required("INSTANCE_IP")?,
            service_account: or("SERVICE_ACCOUNT", "default"),
            trust_domain: or("TRUST_DOMAIN", "cluster.local"),
            discovery_address: or("CA_ADDR", "istiod.istio-system.svc:15012"),
            labels: parse_labels(labels),
            meta: vars
                .iter()
                .filter_map(|(k, v)| Some((k.strip_prefix("ISTIO_META_")?.to_owned(), v.clone())))
                .collect(),
            proxy_config: serde_json::from_str(&proxy_config).unwrap_or_else(|_| json!({})),
            drain_seconds: or("TERMINATION_DRAIN_DURATION_SECONDS", "5")
                .parse()
                .map_err(|_| BadEnv {
                    name: "TERMINATION_DRAIN_DURATION_SECONDS",
                    problem: "is not a whole number of seconds".into(),
                })?,
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
            ("PROXY_CONFIG", self.proxy_config.clone()),
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

/// The downward API writes `key="value"` lines, the value in Go's `%q` form.
fn parse_labels(text: &str) -> BTreeMap<String, String> {
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

    #[test]
    fn makes_istios_node_id_and_metadata() {
        let env = NodeEnv::read(Role::Sidecar, &vars(), "app=\"a\"\nversion=\"v1\"\n").unwrap();
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
        let error = NodeEnv::read(Role::Gateway, &vars, "").unwrap_err();
        assert_eq!(error.name, "INSTANCE_IP");
    }
}
