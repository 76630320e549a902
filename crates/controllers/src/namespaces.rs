//! What every namespace has from the start: a service account and the trust roots of the mesh. The API server publishes
//! its own root (`kube-root-ca.crt`) itself.

use std::sync::Arc;

use api::kinds::{CONFIG_MAP, NAMESPACE, SERVICE_ACCOUNT};
use api::store::ResourceType;
use base::ObjectKey;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::action::Action;
use crate::cache::Cache;
use crate::hub::{Controller, Plan};
use crate::object::{deleting, key, meta};

const MESH_ROOT: &str = "istio-ca-root-cert";
/// Where Istio writes no root: no workload of a mesh runs there.
const WITHOUT_MESH: &[&str] = &["kube-system", "kube-public", "kube-node-lease"];

/// The controller.
pub(crate) struct Namespaces {
    /// PEM of the mesh's trust bundle.
    pub(crate) mesh_roots: Option<watch::Receiver<Option<Arc<str>>>>,
}

impl Controller for Namespaces {
    fn name(&self) -> &'static str {
        "namespace-defaults-controller"
    }

    fn kinds(&self) -> &'static [ResourceType] {
        &[NAMESPACE, SERVICE_ACCOUNT, CONFIG_MAP]
    }

    fn affected(
        &self,
        ty: &ResourceType,
        old: Option<&Value>,
        new: Option<&Value>,
        _cache: &Cache,
    ) -> Vec<ObjectKey> {
        let Some(object) = new.or(old) else {
            return Vec::new();
        };
        if *ty == NAMESPACE {
            return vec![key(object)];
        }
        match meta(object, "name") {
            "default" | MESH_ROOT => {
                vec![ObjectKey::new("", meta(object, "namespace"))]
            }
            _ => Vec::new(),
        }
    }

    fn outside(&self) -> Option<(ResourceType, watch::Receiver<Option<Arc<str>>>)> {
        Some((NAMESPACE, self.mesh_roots.clone()?))
    }

    fn plan(&self, key: &ObjectKey, cache: &Cache, _now: i64) -> Plan {
        let Some(namespace) = cache.get(&NAMESPACE, key) else {
            return Plan::default();
        };
        if deleting(namespace) || namespace["status"]["phase"] == "Terminating" {
            return Plan::default();
        }
        let name = &*key.name;
        let mut actions = Vec::new();
        if cache
            .get(&SERVICE_ACCOUNT, &ObjectKey::new(name, "default"))
            .is_none()
        {
            let account = json!({
                "apiVersion": "v1",
                "kind": "ServiceAccount",
                "metadata": { "namespace": name, "name": "default" },
            });
            actions.push(Action::Create(SERVICE_ACCOUNT, account));
        }
        let mesh = self
            .mesh_roots
            .as_ref()
            .and_then(|roots| roots.borrow().clone());
        if let Some(roots) = mesh.filter(|_| !WITHOUT_MESH.contains(&name)) {
            let labels = json!({ "istio.io/config": "true" });
            actions.extend(bundle(
                cache,
                name,
                MESH_ROOT,
                "root-cert.pem",
                &roots,
                &labels,
            ));
        }
        actions.into()
    }
}

/// Creates or corrects a ConfigMap of one key.
fn bundle(
    cache: &Cache,
    namespace: &str,
    name: &str,
    data_key: &str,
    pem: &str,
    labels: &Value,
) -> Option<Action> {
    let at = ObjectKey::new(namespace, name);
    match cache.get(&CONFIG_MAP, &at) {
        None => Some(Action::Create(
            CONFIG_MAP,
            json!({
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": { "namespace": namespace, "name": name, "labels": labels },
                "data": { data_key: pem },
            }),
        )),
        Some(map) if map["data"][data_key] != pem => {
            let patch = json!({ "data": { data_key: pem } });
            Some(Action::Patch(CONFIG_MAP, at, patch))
        }
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::harness::Harness;

    fn controller() -> (Namespaces, watch::Sender<Option<Arc<str>>>) {
        let (sender, receiver) = watch::channel(Some("ROOT 1".into()));
        let controller = Namespaces {
            mesh_roots: Some(receiver),
        };
        (controller, sender)
    }

    fn world() -> Harness {
        let mut world = Harness::new();
        for name in ["a", "kube-system"] {
            world.create(&NAMESPACE, json!({ "metadata": { "name": name } }));
        }
        world
    }

    #[test]
    fn every_namespace_gets_its_account_and_roots() {
        let mut world = world();
        let (controller, _sender) = controller();
        world.settle(&controller);
        assert!(world.find(&SERVICE_ACCOUNT, "a", "default").is_some());
        assert_eq!(
            world.get(&CONFIG_MAP, "a", MESH_ROOT)["data"]["root-cert.pem"],
            "ROOT 1"
        );
        assert!(world.find(&CONFIG_MAP, "kube-system", MESH_ROOT).is_none());
    }

    #[test]
    fn what_was_removed_or_edited_is_restored_and_a_rotated_root_spreads() {
        let mut world = world();
        let (controller, sender) = controller();
        world.settle(&controller);
        world.delete(&SERVICE_ACCOUNT, "a", "default");
        world.patch(
            &CONFIG_MAP,
            "a",
            MESH_ROOT,
            json!({ "data": { "root-cert.pem": "FORGED" } }),
        );
        sender.send_replace(Some("ROOT 1\nROOT 2".into()));
        world.settle(&controller);
        assert!(world.find(&SERVICE_ACCOUNT, "a", "default").is_some());
        let roots = world.get(&CONFIG_MAP, "a", MESH_ROOT)["data"]["root-cert.pem"].clone();
        assert_eq!(roots, "ROOT 1\nROOT 2");
    }

    #[test]
    fn a_namespace_on_its_way_out_gets_nothing() {
        let mut world = Harness::new();
        world.create(
            &NAMESPACE,
            json!({ "metadata": { "name": "b", "finalizers": ["x/y"] } }),
        );
        world.delete(&NAMESPACE, "", "b");
        world.settle(&controller().0);
        assert!(world.find(&SERVICE_ACCOUNT, "b", "default").is_none());
    }
}
