//! Gives each new pod a node: ready, schedulable, with the labels that the pod asks for, tolerated, and
//! least loaded among those.

use api::kinds::{NODE, POD};
use api::store::ResourceType;
use base::ObjectKey;
use serde_json::{Value, json};
use std::sync::Arc;

use crate::action::{Action, Event};
use crate::cache::Cache;
use crate::hub::{Controller, Plan};
use crate::object::{
    condition, deleting, items, key, labels, pod_finished, strings, timestamp, uid,
};
use crate::selector::Selector;

const FROM: &str = "default-scheduler";

/// The controller.
pub(crate) struct Scheduler;

fn unbound(pod: &Value) -> bool {
    let ours = pod["spec"]["schedulerName"]
        .as_str()
        .is_none_or(|name| name == FROM);
    let bound = pod["spec"]["nodeName"]
        .as_str()
        .is_some_and(|name| !name.is_empty());
    ours && !bound && !deleting(pod) && !pod_finished(pod)
}

impl Controller for Scheduler {
    fn name(&self) -> &'static str {
        FROM
    }

    fn kinds(&self) -> &'static [ResourceType] {
        &[POD, NODE]
    }

    fn affected(
        &self,
        ty: &ResourceType,
        _old: Option<&Value>,
        new: Option<&Value>,
        cache: &Cache,
    ) -> Vec<ObjectKey> {
        if *ty == POD {
            return new
                .filter(|pod| unbound(pod))
                .map(key)
                .into_iter()
                .collect();
        }
        let waiting = cache.all(&POD).filter(|pod| unbound(pod));
        waiting.map(|pod| key(pod)).collect()
    }

    fn plan(&self, key: &ObjectKey, cache: &Cache, now: i64) -> Plan {
        let Some(pod) = cache.get(&POD, key).filter(|pod| unbound(pod)) else {
            return Plan::default();
        };
        let mut reasons = Vec::new();
        let mut fit: Vec<&Arc<Value>> = Vec::new();
        for node in cache.all(&NODE) {
            match unfit(pod, node) {
                None => fit.push(node),
                Some(reason) => reasons.push(format!("{}: {reason}", self::key(node).name)),
            }
        }
        let load = |node: &Value| {
            let name = self::key(node).name;
            let on = |pod: &&Arc<Value>| {
                pod["spec"]["nodeName"].as_str() == Some(&*name) && !pod_finished(pod)
            };
            (cache.all(&POD).filter(on).count(), name.clone())
        };
        match fit.into_iter().min_by_key(|node| load(node)) {
            Some(node) => bind(pod, &self::key(node).name).into(),
            None => refuse(pod, &reasons, now).into(),
        }
    }
}

/// Why the pod cannot run on the node.
fn unfit(pod: &Value, node: &Value) -> Option<String> {
    if deleting(node) || node["spec"]["unschedulable"] == true {
        return Some("node is unschedulable".into());
    }
    if condition(node, "Ready").is_none_or(|c| c["status"] != "True") {
        return Some("node is not ready".into());
    }
    let mut has = labels(node);
    let selector = strings(&pod["spec"]["nodeSelector"]);
    if !selector.iter().all(|(k, v)| has.get(k) == Some(v)) {
        return Some("node does not match the pod's nodeSelector".into());
    }
    has.insert("metadata.name".into(), key(node).name.to_string());
    let required =
        &pod["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"];
    let terms = items(&required["nodeSelectorTerms"]);
    let matches = |term: &Value| {
        Selector::of_expressions(&term["matchExpressions"]).matches(&has)
            && Selector::of_expressions(&term["matchFields"]).matches(&has)
    };
    if !terms.is_empty() && !terms.iter().any(matches) {
        return Some("node does not match the pod's node affinity".into());
    }
    let repels = |taint: &&Value| {
        taint["effect"] != "PreferNoSchedule"
            && !items(&pod["spec"]["tolerations"])
                .iter()
                .any(|t| tolerates(t, taint))
    };
    let taint = items(&node["spec"]["taints"]).iter().find(repels)?;
    let name = taint["key"].as_str().unwrap_or_default();
    Some(format!("node has the untolerated taint {name}"))
}

fn tolerates(toleration: &Value, taint: &Value) -> bool {
    let text = |value: &'_ Value| value.as_str().unwrap_or_default().to_owned();
    let (key, effect) = (text(&toleration["key"]), text(&toleration["effect"]));
    let exists = toleration["operator"] == "Exists";
    (effect.is_empty() || effect == text(&taint["effect"]))
        && (key == text(&taint["key"]) || (key.is_empty() && exists))
        && (exists || text(&toleration["value"]) == text(&taint["value"]))
}

fn bind(pod: &Value, node: &str) -> Vec<Action> {
    let at = key(pod);
    let binding = json!({
        "apiVersion": "v1",
        "kind": "Binding",
        "metadata": { "namespace": &*at.namespace, "name": &*at.name, "uid": uid(pod) },
        "target": { "apiVersion": "v1", "kind": "Node", "name": node },
    });
    let message = format!("Successfully assigned {at} to {node}");
    vec![
        Action::Post(POD, at, "binding", binding),
        Action::Tell(Event::new(&POD, pod, "Scheduled", message, FROM)),
    ]
}

fn refuse(pod: &Value, reasons: &[String], now: i64) -> Vec<Action> {
    let message = if reasons.is_empty() {
        "no node is registered yet".to_owned()
    } else {
        format!("no node fits: {}", reasons.join("; "))
    };
    let old = condition(pod, "PodScheduled");
    if old.is_some_and(|c| c["message"] == message.as_str()) {
        return Vec::new();
    }
    let mut conditions = items(&pod["status"]["conditions"]).to_vec();
    conditions.retain(|c| c["type"] != "PodScheduled");
    conditions.push(json!({
        "type": "PodScheduled",
        "status": "False",
        "reason": "Unschedulable",
        "message": message,
        "lastTransitionTime": timestamp(now),
    }));
    let patch = json!({ "status": { "conditions": conditions } });
    vec![
        Action::PatchStatus(POD, key(pod), patch),
        Action::Tell(Event::new(&POD, pod, "FailedScheduling", message, FROM).warning()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::harness::Harness;

    fn node(name: &str, ready: bool) -> Value {
        json!({
            "metadata": { "name": name, "labels": { "disk": name } },
            "status": { "conditions": [{ "type": "Ready", "status": if ready { "True" } else { "False" } }] },
        })
    }

    fn pod(spec: &Value) -> Value {
        json!({ "metadata": { "namespace": "ns", "name": "p" }, "spec": spec })
    }

    fn placed(world: &Harness) -> Option<String> {
        world.get(&POD, "ns", "p")["spec"]["nodeName"]
            .as_str()
            .map(Into::into)
    }

    #[test]
    fn a_pod_waits_for_a_ready_node_and_says_so() {
        let mut world = Harness::new();
        world.put(&NODE, node("a", false));
        world.create(&POD, pod(&json!({})));
        world.settle(&Scheduler);
        assert_eq!(placed(&world), None);
        let waiting = world.get(&POD, "ns", "p");
        let reason = condition(&waiting, "PodScheduled").unwrap()["message"].clone();
        assert!(reason.as_str().unwrap().contains("not ready"), "{reason}");
        world.put(&NODE, node("a", true));
        world.settle(&Scheduler);
        assert_eq!(placed(&world).as_deref(), Some("a"));
    }

    #[test]
    fn labels_and_taints_are_respected() {
        let mut world = Harness::new();
        world.put(&NODE, node("a", true));
        let mut tainted = node("b", true);
        tainted["spec"] = json!({ "taints": [{ "key": "k", "effect": "NoSchedule" }] });
        world.put(&NODE, tainted);
        let spec = json!({ "nodeSelector": { "disk": "b" } });
        world.create(&POD, pod(&spec));
        world.settle(&Scheduler);
        assert_eq!(placed(&world), None);
        let tolerate = json!({ "spec": { "tolerations": [{ "key": "k", "operator": "Exists" }] } });
        world.patch(&POD, "ns", "p", tolerate);
        world.settle(&Scheduler);
        assert_eq!(placed(&world).as_deref(), Some("b"));
    }
}
