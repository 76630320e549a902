//! Keeps as many pods as a ReplicaSet asks for.

use std::cmp::Reverse;
use std::sync::Arc;
use std::time::Duration;

use api::kinds::{POD, REPLICA_SET};
use api::store::{ResourceType, StoreError};
use base::ObjectKey;
use serde_json::{Map, Value, json};

use crate::action::{Action, Deletion, Event};
use crate::cache::Cache;
use crate::hub::{Controller, Plan};
use crate::object::{
    adoption, annotation, condition, controlled_by, controller_of, controller_reference, count,
    created, deleting, generation, items, key, labels, owner_key, pod_finished, pod_ready, release,
    says, timestamp, uid, unix,
};
use crate::selector::Selector;

/// Creations and deletions in one go; the rest follows in the next.
const BURST: usize = 500;
const FROM: &str = "replicaset-controller";

/// The controller.
pub(crate) struct ReplicaSets;

impl Controller for ReplicaSets {
    fn name(&self) -> &'static str {
        FROM
    }

    fn kinds(&self) -> &'static [ResourceType] {
        &[REPLICA_SET, POD]
    }

    fn affected(
        &self,
        ty: &ResourceType,
        old: Option<&Value>,
        new: Option<&Value>,
        cache: &Cache,
    ) -> Vec<ObjectKey> {
        if *ty == REPLICA_SET {
            return new.or(old).map(key).into_iter().collect();
        }
        let mut keys: Vec<ObjectKey> = [old, new]
            .into_iter()
            .flatten()
            .filter_map(|pod| owner_key(pod, REPLICA_SET.kind))
            .collect();
        if let Some(orphan) = new.filter(|pod| controller_of(pod).is_none()) {
            let labels = labels(orphan);
            let sets = cache.in_namespace(&REPLICA_SET, &key(orphan).namespace);
            keys.extend(sets.filter(|set| selects(set, &labels)).map(|set| key(set)));
        }
        keys.sort_unstable();
        keys.dedup();
        keys
    }

    fn plan(&self, key: &ObjectKey, cache: &Cache, now: i64) -> Plan {
        match cache.get(&REPLICA_SET, key) {
            Some(set) => plan(set, cache, now),
            None => Plan::default(),
        }
    }

    fn failed(&self, action: &Action, error: &StoreError, cache: &Cache, now: i64) -> Vec<Action> {
        let Action::Create(ty, pod) = action else {
            return Vec::new();
        };
        let set = owner_key(pod, REPLICA_SET.kind).and_then(|key| cache.get(&REPLICA_SET, &key));
        match set {
            Some(set) if *ty == POD => refused(set, error, now),
            _ => Vec::new(),
        }
    }
}

fn selects(set: &Value, labels: &std::collections::BTreeMap<String, String>) -> bool {
    Selector::parse(&set["spec"]["selector"]).is_some_and(|selector| selector.matches(labels))
}

/// A creation was refused, by a webhook for example: say so on the object and in an event.
fn refused(set: &Value, error: &StoreError, now: i64) -> Vec<Action> {
    let message = format!("Error creating: {error}");
    let mut status = set["status"].as_object().cloned().unwrap_or_default();
    set_failure(&mut status, Some(&message), now);
    let mut actions = vec![Action::Tell(
        Event::new(&REPLICA_SET, set, "FailedCreate", message, FROM).warning(),
    )];
    if !says(set, &status) {
        // `replicas` is a required field of the status.
        let replicas = count(&set["status"]["replicas"]);
        let conditions = &status["conditions"];
        let patch = json!({ "status": { "conditions": conditions, "replicas": replicas } });
        actions.push(Action::PatchStatus(REPLICA_SET, key(set), patch));
    }
    actions
}

fn set_failure(status: &mut Map<String, Value>, failure: Option<&str>, now: i64) {
    let old = status.get("conditions").map(items).unwrap_or_default();
    let is_failure = |c: &&Value| c["type"] == "ReplicaFailure";
    let since = old
        .iter()
        .find(is_failure)
        .and_then(|c| c["lastTransitionTime"].as_str())
        .map_or_else(|| timestamp(now), ToOwned::to_owned);
    let mut conditions: Vec<Value> = old.iter().filter(|c| !is_failure(c)).cloned().collect();
    if let Some(message) = failure {
        conditions.push(json!({
            "type": "ReplicaFailure",
            "status": "True",
            "reason": "FailedCreate",
            "message": message,
            "lastTransitionTime": since,
        }));
    }
    if !conditions.is_empty() || status.contains_key("conditions") {
        status.insert("conditions".into(), conditions.into());
    }
}

fn plan(set: &Arc<Value>, cache: &Cache, now: i64) -> Plan {
    let Some(selector) = Selector::parse(&set["spec"]["selector"]) else {
        return Plan::default();
    };
    let mut actions = Vec::new();
    let mut active: Vec<&Arc<Value>> = Vec::new();
    for pod in cache.in_namespace(&POD, &key(set).namespace) {
        let fits = selector.matches(&labels(pod));
        let living = !deleting(pod) && !pod_finished(pod);
        if controlled_by(pod, set) {
            if fits {
                active.extend(living.then_some(pod));
            } else if !deleting(set) {
                actions.push(Action::Patch(POD, key(pod), release(set, pod)));
            }
        } else if fits && living && controller_of(pod).is_none() && !deleting(set) {
            actions.push(Action::Patch(
                POD,
                key(pod),
                adoption(&REPLICA_SET, set, pod),
            ));
            active.push(pod);
        }
    }
    let wanted = usize::try_from(count(&set["spec"]["replicas"])).unwrap_or(0);
    let missing = wanted.saturating_sub(active.len());
    if !deleting(set) {
        actions.extend(creations(set, missing.min(BURST)));
        actions.extend(deletions(set, &active, active.len().saturating_sub(wanted)));
    }
    let (status, again) = status(set, &active, missing == 0, now);
    if !says(set, &status) {
        let patch = json!({ "status": status });
        actions.push(Action::PatchStatus(REPLICA_SET, key(set), patch));
    }
    Plan { actions, again }
}

fn creations(set: &Value, missing: usize) -> Vec<Action> {
    let pod = new_pod(set);
    std::iter::repeat_with(|| Action::Create(POD, pod.clone()))
        .take(missing)
        .collect()
}

fn new_pod(set: &Value) -> Value {
    let template = &set["spec"]["template"];
    let at = key(set);
    let mut meta = Map::new();
    for field in ["labels", "annotations", "finalizers"] {
        if let Some(value) = template["metadata"].get(field).filter(|v| !v.is_null()) {
            meta.insert(field.into(), value.clone());
        }
    }
    meta.insert("namespace".into(), (&*at.namespace).into());
    meta.insert("generateName".into(), format!("{}-", at.name).into());
    let owner = controller_reference(&REPLICA_SET, set);
    meta.insert("ownerReferences".into(), vec![owner].into());
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": meta,
        "spec": template["spec"],
    })
}

/// Deletes the pods that will be missed least.
fn deletions(set: &Value, active: &[&Arc<Value>], surplus: usize) -> Vec<Action> {
    let mut ranked: Vec<&Arc<Value>> = active.to_vec();
    ranked.sort_by_key(|pod| rank(pod));
    ranked
        .into_iter()
        .take(surplus.min(BURST))
        .flat_map(|pod| {
            let deletion = Deletion {
                uid: uid(pod).into(),
                grace: None,
            };
            let message = format!("Deleted pod: {}", key(pod).name);
            [
                Action::Delete(POD, key(pod), deletion),
                Action::Tell(Event::new(
                    &REPLICA_SET,
                    set,
                    "SuccessfulDelete",
                    message,
                    FROM,
                )),
            ]
        })
        .collect()
}

/// Kubernetes' order, first to go first: not on a node, pending, not ready, cheap by annotation, ready
/// for the shortest time, restarted most often, youngest.
fn rank(pod: &Value) -> impl Ord + use<> {
    let assigned = pod["spec"]["nodeName"]
        .as_str()
        .is_some_and(|n| !n.is_empty());
    let phase = match pod["status"]["phase"].as_str() {
        Some("Running") => 2,
        Some("Unknown") => 1,
        _ => 0,
    };
    let ready = pod_ready(pod);
    let cost: i64 = annotation(pod, "controller.kubernetes.io/pod-deletion-cost")
        .and_then(|cost| cost.parse().ok())
        .unwrap_or(0);
    let ready_since = condition(pod, "Ready")
        .filter(|_| ready)
        .and_then(|c| c["lastTransitionTime"].as_str())
        .map_or(0, unix);
    let restarts = items(&pod["status"]["containerStatuses"])
        .iter()
        .map(|c| count(&c["restartCount"]))
        .max()
        .unwrap_or(0);
    (
        assigned,
        phase,
        ready,
        cost,
        Reverse(ready_since),
        Reverse(restarts),
        Reverse(created(pod)),
        key(pod),
    )
}

fn status(
    set: &Value,
    active: &[&Arc<Value>],
    complete: bool,
    now: i64,
) -> (Map<String, Value>, Option<Duration>) {
    let template = labels(&set["spec"]["template"]);
    let min_ready = count(&set["spec"]["minReadySeconds"]);
    let (mut labelled, mut ready, mut available) = (0, 0, 0);
    let mut next: Option<i64> = None;
    for pod in active {
        let has = labels(pod);
        labelled += i64::from(template.iter().all(|(k, v)| has.get(k) == Some(v)));
        if !pod_ready(pod) {
            continue;
        }
        ready += 1;
        let since = condition(pod, "Ready").and_then(|c| c["lastTransitionTime"].as_str());
        let left = since.map_or(0, unix) + min_ready - now;
        if min_ready == 0 || left <= 0 {
            available += 1;
        } else {
            next = Some(next.map_or(left, |n| n.min(left)));
        }
    }
    let mut status = set["status"].as_object().cloned().unwrap_or_default();
    let replicas = i64::try_from(active.len()).unwrap_or(i64::MAX);
    for (field, value) in [
        ("replicas", replicas),
        ("fullyLabeledReplicas", labelled),
        ("readyReplicas", ready),
        ("availableReplicas", available),
        ("observedGeneration", generation(set)),
    ] {
        status.insert(field.into(), value.into());
    }
    if complete {
        set_failure(&mut status, None, now);
    }
    let again = next.and_then(|seconds| u64::try_from(seconds).ok());
    (status, again.map(Duration::from_secs))
}

#[cfg(test)]
mod tests;
