//! Removes pods that nobody will ever finish: those of nodes which are gone, and deleted ones that never
//! had a node.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use api::kinds::{NODE, POD};
use api::store::ResourceType;
use base::ObjectKey;
use serde_json::Value;

use crate::action::{Action, Deletion};
use crate::cache::Cache;
use crate::hub::{Controller, Plan};
use crate::object::{deleting, key, uid};

/// A node must be missing for this long, in seconds: it may be about to register again.
const QUARANTINE: i64 = 40;

/// The controller.
#[derive(Default)]
pub(crate) struct StrayPods {
    /// Since when (unix seconds) a node is missed.
    missing: Mutex<HashMap<String, i64>>,
}

fn node_of(pod: &Value) -> Option<&str> {
    pod["spec"]["nodeName"]
        .as_str()
        .filter(|name| !name.is_empty())
}

impl Controller for StrayPods {
    fn name(&self) -> &'static str {
        "pod-garbage-collector"
    }

    fn kinds(&self) -> &'static [ResourceType] {
        &[POD, NODE]
    }

    fn affected(
        &self,
        ty: &ResourceType,
        old: Option<&Value>,
        new: Option<&Value>,
        cache: &Cache,
    ) -> Vec<ObjectKey> {
        match (ty.kind, old, new) {
            ("Node", Some(old), None) => {
                let name = key(old).name;
                let pods = cache.all(&POD).filter(|pod| node_of(pod) == Some(&name));
                pods.map(|pod| key(pod)).collect()
            }
            ("Node", _, _) => Vec::new(),
            _ => new.map(key).into_iter().collect(),
        }
    }

    fn plan(&self, key: &ObjectKey, cache: &Cache, now: i64) -> Plan {
        let Some(pod) = cache.get(&POD, key) else {
            return Plan::default();
        };
        let remove = || -> Plan {
            let deletion = Deletion {
                uid: uid(pod).into(),
                grace: Some(0),
            };
            vec![Action::Delete(POD, key.clone(), deletion)].into()
        };
        let Some(node) = node_of(pod) else {
            return if deleting(pod) {
                remove()
            } else {
                Plan::default()
            };
        };
        let mut missing = self.missing.lock().unwrap_or_else(PoisonError::into_inner);
        if cache.get(&NODE, &ObjectKey::new("", node)).is_some() {
            missing.remove(node);
            return Plan::default();
        }
        let since = *missing.entry(node.to_owned()).or_insert(now);
        let left = since + QUARANTINE - now;
        if left <= 0 {
            return remove();
        }
        Plan {
            actions: Vec::new(),
            again: Some(Duration::from_secs(left.unsigned_abs())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::harness::Harness;
    use serde_json::json;

    fn pod(node: &str) -> Value {
        json!({ "metadata": { "namespace": "ns", "name": "p" }, "spec": { "nodeName": node } })
    }

    #[test]
    fn pods_of_a_node_that_stays_away_are_removed() {
        let mut world = Harness::new();
        world.create(&POD, pod("n"));
        let controller = StrayPods::default();
        world.settle(&controller);
        world.advance(39);
        world.settle(&controller);
        assert!(world.find(&POD, "ns", "p").is_some());
        world.advance(2);
        world.settle(&controller);
        assert!(world.find(&POD, "ns", "p").is_none());
    }

    #[test]
    fn pods_of_a_node_that_came_back_stay() {
        let mut world = Harness::new();
        world.create(&POD, pod("n"));
        let controller = StrayPods::default();
        world.settle(&controller);
        world.advance(30);
        world.create(&NODE, json!({ "metadata": { "name": "n" } }));
        world.settle(&controller);
        world.advance(30);
        world.settle(&controller);
        assert!(world.find(&POD, "ns", "p").is_some());
    }
}
