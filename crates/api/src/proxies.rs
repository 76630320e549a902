//! The settings of one workload's proxy, put together from all who may set them.

use std::collections::BTreeMap;

use crate::istio::mesh_proxy_config::Topology;
use crate::istio::{MeshProxyConfig, ProxyConfig};
use crate::snapshot::in_namespace;
use crate::{Diagnostic, Snapshot, Table, validate};

/// Where the mesh's own objects are when MeshConfig does not say.
const ROOT_NAMESPACE: &str = "istio-system";

/// What the mesh says of proxies: `meshConfig.defaultConfig` and the objects of kind ProxyConfig.
#[derive(Debug, Clone, PartialEq)]
pub struct ProxySettings {
    mesh: MeshProxyConfig,
    root_namespace: String,
    objects: Table<ProxyConfig>,
}

impl Default for ProxySettings {
    fn default() -> Self {
        Self::of(&Snapshot::default())
    }
}

impl ProxySettings {
    /// What a snapshot says. Cheap: the objects are shared.
    #[must_use]
    pub fn of(snapshot: &Snapshot) -> Self {
        let mesh = &snapshot.mesh;
        let root = match mesh.root_namespace.as_str() {
            "" => ROOT_NAMESPACE,
            root => root,
        };
        Self {
            mesh: mesh.default_config.clone().unwrap_or_default(),
            root_namespace: root.to_owned(),
            objects: snapshot.proxy_configs.clone(),
        }
    }

    /// The settings of a workload. Later ones of this list win, field by field, entry by entry in
    /// `proxyMetadata`: MeshConfig, a ProxyConfig without selector in the root namespace, one in the
    /// workload's namespace, the pod's annotation `proxy.istio.io/config`, a ProxyConfig that selects the
    /// workload. Among several of a kind the oldest counts (Istio `pilot/pkg/model/proxy_config.go`).
    ///
    /// # Errors
    /// What is wrong with the annotation, or not served.
    pub fn effective(
        &self,
        namespace: &str,
        labels: &BTreeMap<String, String>,
        annotation: Option<&str>,
    ) -> Result<MeshProxyConfig, Vec<Diagnostic>> {
        let mut settings = self.mesh.clone();
        let mut spaces = vec![self.root_namespace.as_str()];
        if namespace != self.root_namespace {
            spaces.push(namespace);
        }
        for space in spaces {
            if let Some(object) = self.oldest(space, |object| object.selector.is_none()) {
                merge(&mut settings, from_object(object));
            }
        }
        if let Some(text) = annotation {
            merge(&mut settings, validate::proxy_config(text)?);
        }
        let selects = |object: &ProxyConfig| {
            object.selector.as_ref().is_some_and(|selector| {
                !selector.match_labels.is_empty()
                    && selector
                        .match_labels
                        .iter()
                        .all(|(name, value)| labels.get(name) == Some(value))
            })
        };
        if let Some(object) = self.oldest(namespace, selects) {
            merge(&mut settings, from_object(object));
        }
        Ok(settings)
    }

    fn oldest(
        &self,
        namespace: &str,
        wanted: impl Fn(&ProxyConfig) -> bool,
    ) -> Option<&ProxyConfig> {
        in_namespace(&self.objects, namespace)
            .filter(|object| wanted(&object.spec))
            .min_by_key(|object| (object.meta.created, object.meta.key.name.clone()))
            .map(|object| &object.spec)
    }
}

/// What an object of the kind says, in the words of MeshConfig.
fn from_object(object: &ProxyConfig) -> MeshProxyConfig {
    let ProxyConfig {
        selector: _,
        concurrency,
        environment_variables,
        // Refused by validation.
        image: _,
    } = object;
    MeshProxyConfig {
        concurrency: *concurrency,
        proxy_metadata: environment_variables.clone(),
        ..MeshProxyConfig::default()
    }
}

/// Lays `over` on `settings`. Only served fields can be set; validation refuses the others.
pub fn merge(settings: &mut MeshProxyConfig, over: MeshProxyConfig) {
    let MeshProxyConfig {
        concurrency,
        discovery_address,
        drain_duration,
        gateway_topology,
        hold_application_until_proxy_starts,
        proxy_metadata,
        termination_drain_duration,
        ..
    } = over;
    settings.concurrency = concurrency.or(settings.concurrency);
    if !discovery_address.is_empty() {
        settings.discovery_address = discovery_address;
    }
    settings.drain_duration = drain_duration.or(settings.drain_duration);
    if let Some(Topology {
        num_trusted_proxies,
        ..
    }) = gateway_topology
    {
        let topology = settings.gateway_topology.get_or_insert_default();
        if num_trusted_proxies != 0 {
            topology.num_trusted_proxies = num_trusted_proxies;
        }
    }
    settings.hold_application_until_proxy_starts =
        hold_application_until_proxy_starts.or(settings.hold_application_until_proxy_starts);
    settings.proxy_metadata.extend(proxy_metadata);
    settings.termination_drain_duration =
        termination_drain_duration.or(settings.termination_drain_duration);
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESH: &str = "
apiVersion: v1
kind: ConfigMap
metadata: {name: istio, namespace: istio-system}
data:
  mesh: |
    defaultConfig:
      concurrency: 1
      terminationDrainDuration: 9s
      proxyMetadata: {FROM: mesh, MESH: 'yes'}
---
apiVersion: networking.istio.io/v1beta1
kind: ProxyConfig
metadata: {name: root, namespace: istio-system, creationTimestamp: '2026-01-01T00:00:00Z'}
spec:
  concurrency: 2
  environmentVariables: {FROM: root, ROOT: 'yes'}
---
apiVersion: networking.istio.io/v1beta1
kind: ProxyConfig
metadata: {name: younger, namespace: shop, creationTimestamp: '2026-01-02T00:00:00Z'}
spec: {concurrency: 9}
---
apiVersion: networking.istio.io/v1beta1
kind: ProxyConfig
metadata: {name: shop, namespace: shop, creationTimestamp: '2026-01-01T00:00:00Z'}
spec:
  concurrency: 3
  environmentVariables: {FROM: namespace}
---
apiVersion: networking.istio.io/v1beta1
kind: ProxyConfig
metadata: {name: cart, namespace: shop, creationTimestamp: '2026-01-01T00:00:00Z'}
spec:
  selector: {matchLabels: {app: cart}}
  environmentVariables: {FROM: workload}
";

    fn settings() -> ProxySettings {
        ProxySettings::of(&Snapshot::from_yaml(MESH).unwrap())
    }

    fn effective(namespace: &str, app: &str, annotation: Option<&str>) -> (i32, String) {
        let labels = BTreeMap::from([("app".to_owned(), app.to_owned())]);
        let found = settings()
            .effective(namespace, &labels, annotation)
            .unwrap();
        (
            found.concurrency.unwrap(),
            found.proxy_metadata["FROM"].clone(),
        )
    }

    #[test]
    fn the_nearer_one_wins() {
        assert_eq!(effective("other", "a", None), (2, "root".into()));
        assert_eq!(effective("istio-system", "a", None), (2, "root".into()));
        assert_eq!(effective("shop", "a", None), (3, "namespace".into()));
        let annotation = "concurrency: 4\nproxyMetadata: {FROM: annotation}\n";
        let annotated = effective("shop", "a", Some(annotation));
        assert_eq!(annotated, (4, "annotation".into()));
        // The selecting object says nothing of concurrency, and more than the annotation of the variable.
        let selected = effective("shop", "cart", Some(annotation));
        assert_eq!(selected, (4, "workload".into()));
        assert_eq!(effective("other", "cart", None), (2, "root".into()));
    }

    #[test]
    fn what_the_nearer_one_does_not_say_stays() {
        let found = settings()
            .effective(
                "shop",
                &BTreeMap::new(),
                Some("{\"drainDuration\": \"3s\"}"),
            )
            .unwrap();
        let seconds = |duration: Option<crate::Duration>| duration.unwrap().as_secs();
        assert_eq!(seconds(found.termination_drain_duration), 9);
        assert_eq!(seconds(found.drain_duration), 3);
        let names: Vec<_> = found.proxy_metadata.keys().map(String::as_str).collect();
        assert_eq!(names, ["FROM", "MESH", "ROOT"]);
    }

    #[test]
    fn an_annotation_that_cannot_be_honoured_is_refused_by_field() {
        let refused = |text: &str| {
            let found = settings()
                .effective("shop", &BTreeMap::new(), Some(text))
                .unwrap_err();
            found[0].to_string()
        };
        assert!(refused("concurrenzy: 1").contains("concurrenzy"));
        assert!(refused("statusPort: 15099").contains("statusPort"));
        assert!(refused("concurrency: -1").contains("concurrency"));
        let topology = "gatewayTopology: {proxyProtocol: {}}";
        assert!(refused(topology).contains("proxyProtocol"));
    }
}
