//! Who asks: a proxy as its xDS node describes it.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use base::{ContentHash, ContentHasher};
use envoy_types::pb::google::protobuf::value::Kind;

use crate::pb::{Struct, Value, core_v3};

/// What kind of proxy a node is. Waypoints and node proxies are not served here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NodeKind {
    Sidecar,
    Router,
}

/// Which program runs the data plane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Engine {
    /// Stock Envoy, or anything that behaves like it.
    Envoy,
    /// Our own proxy, announced by the metadata key `FERROMESH: "1"`.
    Ferromesh,
}

/// How traffic reaches a sidecar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum InterceptionMode {
    #[default]
    Redirect,
    Tproxy,
    None,
}

/// Istio's own Envoy extensions that a node has. Stock Envoy has none and would refuse the listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct IstioFilters {
    pub alpn: bool,
    pub metadata_exchange: bool,
    pub stats: bool,
}

/// A proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeInfo {
    pub id: Arc<str>,
    pub kind: NodeKind,
    pub engine: Engine,
    pub namespace: Arc<str>,
    /// Name of the pod.
    pub name: Arc<str>,
    pub service_account: Arc<str>,
    pub labels: BTreeMap<String, String>,
    pub addresses: Vec<IpAddr>,
    /// DNS domain of the proxy's namespace, `default.svc.cluster.local`.
    pub dns_domain: Arc<str>,
    pub cluster_id: Arc<str>,
    pub istio_version: Arc<str>,
    pub interception: InterceptionMode,
    pub istio_filters: IstioFilters,
    pub locality: Locality,
    /// `concurrency`, `gatewayTopology` and the other keys of the agent's `PROXY_CONFIG`, as sent.
    pub proxy_config: Option<serde_json::Value>,
    /// An agent is beside the proxy and holds the workload's certificate: Istio's and ours announce their
    /// `PROXY_CONFIG`. Without one mutual TLS would be waited for for ever.
    pub has_agent: bool,
}

/// Where something runs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Locality {
    pub region: Arc<str>,
    pub zone: Arc<str>,
    pub sub_zone: Arc<str>,
}

/// Why a node was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NodeError {
    #[error("node id {0:?} is not of the form type~IP~pod.namespace~namespace.svc.domain")]
    Id(String),
    #[error("node type {0:?} is not served here; use sidecar or router")]
    Kind(String),
    #[error("node id {id:?}: {text:?} is not an IP address")]
    Address { id: String, text: String },
}

impl NodeInfo {
    /// Reads a node. The namespace is taken from metadata `NAMESPACE`, else from the id's third part; the addresses from
    /// `INSTANCE_IPS`, else from the id (`pilot/pkg/model/context.go`, `ParseServiceNodeWithMetadata`).
    pub fn parse(node: &core_v3::Node) -> Result<Self, NodeError> {
        let parts: Vec<&str> = node.id.split('~').collect();
        let [kind, ip, workload, dns_domain] = parts[..] else {
            return Err(NodeError::Id(clip(&node.id)));
        };
        let kind = match kind {
            "sidecar" => NodeKind::Sidecar,
            "router" => NodeKind::Router,
            other => return Err(NodeError::Kind(clip(other))),
        };
        let empty = Struct::default();
        let meta = Meta(node.metadata.as_ref().unwrap_or(&empty));
        let (name, id_namespace) = workload.rsplit_once('.').unwrap_or((workload, ""));
        let namespace = meta.text("NAMESPACE").unwrap_or(id_namespace);
        if namespace.is_empty() {
            return Err(NodeError::Id(clip(&node.id)));
        }
        let locality = node.locality.clone().unwrap_or_default();
        Ok(Self {
            id: node.id.as_str().into(),
            kind,
            engine: if meta.text("FERROMESH") == Some("1") {
                Engine::Ferromesh
            } else {
                Engine::Envoy
            },
            namespace: namespace.into(),
            name: name.into(),
            service_account: meta.text("SERVICE_ACCOUNT").unwrap_or_default().into(),
            labels: meta.labels("LABELS"),
            addresses: addresses(&meta, &node.id, ip)?,
            dns_domain: dns_domain.into(),
            cluster_id: meta.text("CLUSTER_ID").unwrap_or("Kubernetes").into(),
            istio_version: meta.text("ISTIO_VERSION").unwrap_or_default().into(),
            interception: match meta.text("INTERCEPTION_MODE") {
                Some("TPROXY") => InterceptionMode::Tproxy,
                Some("NONE") => InterceptionMode::None,
                _ => InterceptionMode::Redirect,
            },
            istio_filters: istio_filters(node, &meta),
            locality: Locality {
                region: locality.region.into(),
                zone: locality.zone.into(),
                sub_zone: locality.sub_zone.into(),
            },
            proxy_config: meta.field("PROXY_CONFIG").map(json),
            has_agent: meta.field("PROXY_CONFIG").is_some(),
        })
    }

    /// Hash of everything that generation reads.
    #[must_use]
    pub fn hash(&self) -> ContentHash {
        let mut hasher = ContentHasher::default();
        hasher.write(format!("{self:?}").as_bytes());
        hasher.finish()
    }

    /// The first address, as the proxy's own.
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        self.addresses.first().copied()
    }
}

fn addresses(meta: &Meta<'_>, id: &str, ip: &str) -> Result<Vec<IpAddr>, NodeError> {
    let text = meta
        .text("INSTANCE_IPS")
        .filter(|ips| !ips.is_empty())
        .unwrap_or(ip);
    text.split(',')
        .map(str::trim)
        .filter(|text| !text.is_empty())
        .map(|text| {
            text.parse().map_err(|_| NodeError::Address {
                id: clip(id),
                text: clip(text),
            })
        })
        .collect()
}

/// Istio's extensions: those that Envoy's node message lists as compiled in, and those that metadata
/// `ISTIO_FILTERS` names (comma-separated).
fn istio_filters(node: &core_v3::Node, meta: &Meta<'_>) -> IstioFilters {
    let announced = meta.text("ISTIO_FILTERS").unwrap_or_default();
    let has = |name: &str| {
        node.extensions
            .iter()
            .any(|extension| extension.name == name && !extension.disabled)
            || announced.split(',').any(|item| item.trim() == name)
    };
    IstioFilters {
        alpn: has("istio.alpn"),
        metadata_exchange: has("istio.metadata_exchange"),
        stats: has("istio.stats"),
    }
}

/// Hostile ids must not fill logs.
fn clip(text: &str) -> String {
    text.chars().take(128).collect()
}

struct Meta<'a>(&'a Struct);

impl<'a> Meta<'a> {
    fn field(&self, key: &str) -> Option<&'a Value> {
        self.0.fields.get(key)
    }

    fn text(&self, key: &str) -> Option<&'a str> {
        match self.field(key)?.kind.as_ref()? {
            Kind::StringValue(text) => Some(text),
            _ => None,
        }
    }

    fn labels(&self, key: &str) -> BTreeMap<String, String> {
        let Some(Kind::StructValue(labels)) = self.field(key).and_then(|value| value.kind.as_ref())
        else {
            return BTreeMap::new();
        };
        labels
            .fields
            .iter()
            .filter_map(|(name, value)| match value.kind.as_ref()? {
                Kind::StringValue(text) => Some((name.clone(), text.clone())),
                _ => None,
            })
            .collect()
    }
}

fn json(value: &Value) -> serde_json::Value {
    match &value.kind {
        None | Some(Kind::NullValue(_)) => serde_json::Value::Null,
        Some(Kind::NumberValue(number)) => (*number).into(),
        Some(Kind::StringValue(text)) => text.as_str().into(),
        Some(Kind::BoolValue(value)) => (*value).into(),
        Some(Kind::StructValue(fields)) => serde_json::Value::Object(
            fields
                .fields
                .iter()
                .map(|(key, value)| (key.clone(), json(value)))
                .collect(),
        ),
        Some(Kind::ListValue(list)) => list.values.iter().map(json).collect::<Vec<_>>().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pb::{string_value, struct_value, structure};

    fn node(id: &str) -> core_v3::Node {
        core_v3::Node {
            id: id.into(),
            ..Default::default()
        }
    }

    #[test]
    fn reads_the_id_and_prefers_metadata() {
        let mut raw = node("sidecar~10.1.2.3~reviews-v1-x.default~default.svc.cluster.local");
        raw.metadata = Some(structure(vec![
            ("NAMESPACE", string_value("default")),
            ("INSTANCE_IPS", string_value("10.1.2.3,fd00::1")),
            (
                "LABELS",
                struct_value(vec![("app", string_value("reviews"))]),
            ),
            ("FERROMESH", string_value("1")),
        ]));
        let info = NodeInfo::parse(&raw).unwrap();
        assert_eq!(info.kind, NodeKind::Sidecar);
        assert_eq!(info.engine, Engine::Ferromesh);
        assert_eq!(info.addresses.len(), 2);
        assert_eq!(&*info.name, "reviews-v1-x");
        assert_eq!(info.labels["app"], "reviews");
        assert_eq!(info.istio_filters, IstioFilters::default());
    }

    #[test]
    fn refuses_ids_of_another_form_and_kinds_that_are_not_served() {
        assert!(matches!(
            NodeInfo::parse(&node("sidecar~1.2.3.4~a.b")),
            Err(NodeError::Id(_))
        ));
        assert!(matches!(
            NodeInfo::parse(&node("ztunnel~1.2.3.4~a.b~b.svc")),
            Err(NodeError::Kind(_))
        ));
        assert!(matches!(
            NodeInfo::parse(&node("sidecar~x~a.b~b.svc")),
            Err(NodeError::Address { .. })
        ));
    }

    #[test]
    fn announces_istio_filters_by_envoys_extension_list() {
        let mut raw = node("router~10.0.0.1~gw.istio-system~istio-system.svc.cluster.local");
        raw.extensions.push(core_v3::Extension {
            name: "istio.alpn".into(),
            ..Default::default()
        });
        assert!(NodeInfo::parse(&raw).unwrap().istio_filters.alpn);
    }
}
