//! A Deployment's ReplicaSets: which one is the new one, what a new one looks like, their revisions.

use std::sync::Arc;

use api::kinds::{DEPLOYMENT, REPLICA_SET};
use base::{ContentHasher, ObjectKey};
use serde_json::{Map, Value, json};

use crate::action::Action;
use crate::cache::Cache;
use crate::object::{
    adoption, annotation, controlled_by, controller_of, controller_reference, count, created,
    deleting, feed, key, labels, meta, normalised, release, safe_hash, strings,
};
use crate::selector::Selector;

pub(crate) const HASH: &str = "pod-template-hash";
pub(crate) const REVISION: &str = "deployment.kubernetes.io/revision";
const HISTORY: &str = "deployment.kubernetes.io/revision-history";
pub(crate) const DESIRED: &str = "deployment.kubernetes.io/desired-replicas";
pub(crate) const MAX: &str = "deployment.kubernetes.io/max-replicas";
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// Entries of the revision history that are kept.
const HISTORY_LENGTH: usize = 20;

/// The ReplicaSets of a Deployment, oldest first.
#[derive(Default)]
pub(crate) struct Sets {
    pub(crate) new: Option<Arc<Value>>,
    pub(crate) old: Vec<Arc<Value>>,
    /// Adoptions and releases to be made.
    pub(crate) claims: Vec<Action>,
}

impl Sets {
    pub(crate) fn gather(deployment: &Value, cache: &Cache) -> Self {
        let mut sets = Self::default();
        let Some(selector) = Selector::parse(&deployment["spec"]["selector"]) else {
            return sets;
        };
        let mut all: Vec<Arc<Value>> = Vec::new();
        for set in cache.in_namespace(&REPLICA_SET, meta(deployment, "namespace")) {
            let fits = selector.matches(&labels(set));
            if controlled_by(set, deployment) {
                if fits || deleting(deployment) {
                    all.push(set.clone());
                } else {
                    let patch = release(deployment, set);
                    sets.claims
                        .push(Action::Patch(REPLICA_SET, key(set), patch));
                }
            } else if fits
                && controller_of(set).is_none()
                && !deleting(set)
                && !deleting(deployment)
            {
                let patch = adoption(&DEPLOYMENT, deployment, set);
                sets.claims
                    .push(Action::Patch(REPLICA_SET, key(set), patch));
                all.push(set.clone());
            }
        }
        all.retain(|set| !deleting(set));
        all.sort_by_key(|set| (created(set), key(set)));
        let template = comparable(&deployment["spec"]["template"]);
        let hash = template_hash(deployment);
        let is_new = |set: &Arc<Value>| {
            labels(set).get(HASH) == Some(&hash) || comparable(&set["spec"]["template"]) == template
        };
        if let Some(at) = all.iter().position(is_new) {
            sets.new = Some(all.remove(at));
        }
        sets.old = all;
        sets
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<Value>> {
        self.old.iter().chain(&self.new)
    }

    /// Old sets which still want pods, oldest first.
    pub(crate) fn old_active(&self) -> impl Iterator<Item = &Arc<Value>> {
        self.old.iter().filter(|set| replicas(set) > 0)
    }

    fn last_revision(&self) -> i64 {
        self.old.iter().map(|set| revision(set)).max().unwrap_or(0)
    }

    /// The revision that the new set must carry: above all old ones, or its own if that is so already.
    pub(crate) fn next_revision(&self) -> i64 {
        let own = self.new.as_ref().map_or(0, |set| revision(set));
        own.max(self.last_revision() + 1)
    }
}

pub(crate) fn replicas(set: &Value) -> i64 {
    set["spec"]["replicas"].as_i64().unwrap_or(1).max(0)
}

pub(crate) fn revision(object: &Value) -> i64 {
    annotation(object, REVISION)
        .and_then(|revision| revision.parse().ok())
        .unwrap_or(0)
}

/// A template without its hash label and without what means nothing: `kubectl rollout undo` writes
/// an old ReplicaSet's template back through typed structs.
fn comparable(template: &Value) -> Value {
    let mut template = template.clone();
    if let Some(labels) = template["metadata"]["labels"].as_object_mut() {
        labels.remove(HASH);
    }
    normalised(&template)
}

/// The name part and label value of the ReplicaSet for the current template.
pub(crate) fn template_hash(deployment: &Value) -> String {
    let mut hasher = ContentHasher::default();
    feed(&mut hasher, &comparable(&deployment["spec"]["template"]));
    let collisions = count(&deployment["status"]["collisionCount"]);
    hasher.write(&collisions.to_le_bytes());
    safe_hash(hasher.finish().0)
}

/// The Deployment's annotations that its ReplicaSets carry too.
fn inherited(deployment: &Value) -> Map<String, Value> {
    strings(&deployment["metadata"]["annotations"])
        .into_iter()
        .filter(|(name, _)| {
            !matches!(
                name.as_str(),
                LAST_APPLIED | REVISION | HISTORY | DESIRED | MAX
            )
        })
        .map(|(name, value)| (name, value.into()))
        .collect()
}

/// The ReplicaSet for the current template.
pub(crate) fn new_set(deployment: &Value, size: i64, revision: i64, max: i64) -> Value {
    let at = key(deployment);
    let hash = template_hash(deployment);
    let spec = &deployment["spec"];
    let mut template = spec["template"].clone();
    template["metadata"]["labels"][HASH] = hash.as_str().into();
    let mut selector = spec["selector"].clone();
    selector["matchLabels"][HASH] = hash.as_str().into();
    let mut annotations = inherited(deployment);
    annotations.insert(REVISION.into(), revision.to_string().into());
    annotations.insert(DESIRED.into(), replicas(deployment).to_string().into());
    annotations.insert(MAX.into(), max.to_string().into());
    let mut set = json!({
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "namespace": &*at.namespace,
            "name": format!("{}-{hash}", at.name),
            "labels": template["metadata"]["labels"],
            "annotations": annotations,
            "ownerReferences": [controller_reference(&DEPLOYMENT, deployment)],
        },
        "spec": { "replicas": size, "selector": selector, "template": template },
    });
    if let Some(seconds) = spec["minReadySeconds"].as_i64() {
        set["spec"]["minReadySeconds"] = seconds.into();
    }
    set
}

/// What the existing new ReplicaSet must be told: revision, annotations, `minReadySeconds`.
pub(crate) fn refresh(deployment: &Value, set: &Value, wanted: i64) -> Option<Action> {
    let mut annotations = Map::new();
    for (name, value) in inherited(deployment) {
        if annotation(set, &name) != value.as_str() {
            annotations.insert(name, value);
        }
    }
    let own = revision(set);
    if own != wanted {
        annotations.insert(REVISION.into(), wanted.to_string().into());
        if own > 0 {
            let past = annotation(set, HISTORY).unwrap_or_default();
            let mut past: Vec<String> = past
                .split(',')
                .filter(|entry| !entry.is_empty())
                .map(Into::into)
                .collect();
            past.push(own.to_string());
            let kept = past.split_off(past.len().saturating_sub(HISTORY_LENGTH));
            annotations.insert(HISTORY.into(), kept.join(",").into());
        }
    }
    let mut patch = json!({});
    if !annotations.is_empty() {
        patch["metadata"] = json!({ "annotations": annotations });
    }
    let seconds = count(&deployment["spec"]["minReadySeconds"]);
    if count(&set["spec"]["minReadySeconds"]) != seconds {
        patch["spec"] = json!({ "minReadySeconds": seconds });
    }
    let empty = patch.as_object().is_none_or(Map::is_empty);
    (!empty).then(|| Action::Patch(REPLICA_SET, key(set), patch))
}

/// Sets a ReplicaSet's size and remembers what it was chosen for.
pub(crate) fn resize(deployment: &Value, set: &Value, size: i64, max: i64) -> Option<Action> {
    let desired = replicas(deployment).to_string();
    let max = max.to_string();
    let noted = annotation(set, DESIRED) == Some(&desired) && annotation(set, MAX) == Some(&max);
    if replicas(set) == size && noted {
        return None;
    }
    let patch = json!({
        "metadata": { "annotations": { DESIRED: desired, MAX: max } },
        "spec": { "replicas": size },
    });
    Some(Action::Patch(REPLICA_SET, key(set), patch))
}

/// Old, empty ReplicaSets beyond `revisionHistoryLimit`, lowest revision first.
pub(crate) fn expired(deployment: &Value, sets: &Sets) -> Vec<ObjectKeyAndUid> {
    let limit = deployment["spec"]["revisionHistoryLimit"]
        .as_i64()
        .unwrap_or(10)
        .max(0);
    let mut idle: Vec<&Arc<Value>> = sets
        .old
        .iter()
        .filter(|set| {
            replicas(set) == 0
                && count(&set["status"]["replicas"]) == 0
                && count(&set["status"]["observedGeneration"]) >= crate::object::generation(set)
        })
        .collect();
    idle.sort_by_key(|set| (revision(set), created(set)));
    let surplus = sets
        .old
        .len()
        .saturating_sub(usize::try_from(limit).unwrap_or(0));
    idle.into_iter()
        .take(surplus)
        .map(|set| (key(set), crate::object::uid(set).to_owned()))
        .collect()
}

pub(crate) type ObjectKeyAndUid = (ObjectKey, String);
