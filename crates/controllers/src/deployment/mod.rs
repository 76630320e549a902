//! Rolls a Deployment's ReplicaSets from one template to the next.

mod rollout;
mod sets;
mod status;

use std::cmp::Reverse;
use std::sync::Arc;

use api::kinds::{DEPLOYMENT, POD, REPLICA_SET};
use api::store::{ResourceType, StoreError};
use base::ObjectKey;
use serde_json::{Value, json};

use crate::action::{Action, Deletion, Event};
use crate::cache::Cache;
use crate::hub::{Controller, Plan};
use crate::object::{
    annotation, controlled_by, controller_of, count, created, deleting, key, labels, meta,
    owner_key, pod_finished, says,
};
use crate::selector::Selector;
use rollout::{Counts, Share, Strategy, grow_new, shrink_old, spread};
use sets::{Sets, replicas};
use status::Step;

const FROM: &str = "deployment-controller";

/// The controller.
pub(crate) struct Deployments;

impl Controller for Deployments {
    fn name(&self) -> &'static str {
        FROM
    }

    fn kinds(&self) -> &'static [ResourceType] {
        &[DEPLOYMENT, REPLICA_SET, POD]
    }

    fn affected(
        &self,
        ty: &ResourceType,
        old: Option<&Value>,
        new: Option<&Value>,
        cache: &Cache,
    ) -> Vec<ObjectKey> {
        match ty.kind {
            "Deployment" => new.or(old).map(key).into_iter().collect(),
            "ReplicaSet" => of_set(old, new, cache),
            // Only Recreate waits for pods to end.
            _ => match (old, new) {
                (Some(pod), None) => deployment_of_pod(pod, cache).into_iter().collect(),
                (_, Some(pod)) if pod_finished(pod) => {
                    deployment_of_pod(pod, cache).into_iter().collect()
                }
                _ => Vec::new(),
            },
        }
    }

    fn plan(&self, key: &ObjectKey, cache: &Cache, now: i64) -> Plan {
        match cache.get(&DEPLOYMENT, key) {
            Some(deployment) => plan(deployment, cache, now),
            None => Plan::default(),
        }
    }

    /// Another ReplicaSet has the name: the next hash takes the collision into account.
    fn failed(&self, action: &Action, error: &StoreError, cache: &Cache, _now: i64) -> Vec<Action> {
        let (Action::Create(ty, set), StoreError::AlreadyExists(_)) = (action, error) else {
            return Vec::new();
        };
        let at = owner_key(set, DEPLOYMENT.kind);
        let Some(deployment) = at.and_then(|at| cache.get(&DEPLOYMENT, &at)) else {
            return Vec::new();
        };
        match cache.get(ty, &key(set)) {
            // Ours: the cache was late, or it is about to go. Anyone else's, for sure:
            Some(other) if !controlled_by(other, deployment) => {
                let collisions = count(&deployment["status"]["collisionCount"]) + 1;
                let patch = json!({ "status": { "collisionCount": collisions } });
                vec![Action::PatchStatus(DEPLOYMENT, key(deployment), patch)]
            }
            _ => Vec::new(),
        }
    }
}

fn of_set(old: Option<&Value>, new: Option<&Value>, cache: &Cache) -> Vec<ObjectKey> {
    let mut keys: Vec<ObjectKey> = [old, new]
        .into_iter()
        .flatten()
        .filter_map(|set| owner_key(set, DEPLOYMENT.kind))
        .collect();
    if let Some(orphan) = new.filter(|set| controller_of(set).is_none()) {
        let labels = labels(orphan);
        let selects = |deployment: &&Arc<Value>| {
            Selector::parse(&deployment["spec"]["selector"]).is_some_and(|s| s.matches(&labels))
        };
        let all = cache.in_namespace(&DEPLOYMENT, meta(orphan, "namespace"));
        keys.extend(all.filter(selects).map(|deployment| key(deployment)));
    }
    keys.sort_unstable();
    keys.dedup();
    keys
}

fn deployment_of_pod(pod: &Value, cache: &Cache) -> Option<ObjectKey> {
    let set = cache.get(&REPLICA_SET, &owner_key(pod, REPLICA_SET.kind)?)?;
    owner_key(set, DEPLOYMENT.kind)
}

/// One look at a Deployment.
struct Look<'a> {
    deployment: &'a Value,
    sets: Sets,
    strategy: Strategy,
    wanted: i64,
    /// The most pods there may be.
    max: i64,
    actions: Vec<Action>,
    step: Step,
}

fn plan(deployment: &Value, cache: &Cache, now: i64) -> Plan {
    let mut sets = Sets::gather(deployment, cache);
    let wanted = replicas(deployment);
    let strategy = Strategy::of(&deployment["spec"], wanted);
    let actions = std::mem::take(&mut sets.claims);
    let mut look = Look {
        deployment,
        sets,
        strategy,
        wanted,
        max: if wanted == 0 {
            0
        } else {
            wanted + strategy.surge()
        },
        actions,
        step: Step::None,
    };
    if !deleting(deployment) {
        look.decide(cache);
    }
    let Look {
        sets,
        mut actions,
        step,
        ..
    } = look;
    let (status, again) = status::status(deployment, &sets, strategy, &step, now);
    if !says(deployment, &status) {
        let patch = json!({ "status": status });
        actions.push(Action::PatchStatus(DEPLOYMENT, key(deployment), patch));
    }
    Plan { actions, again }
}

impl Look<'_> {
    fn decide(&mut self, cache: &Cache) {
        let paused = self.deployment["spec"]["paused"] == true;
        if self.size_changed() {
            self.follow_size();
        } else if !paused {
            match self.strategy {
                Strategy::Recreate => self.recreate(cache),
                Strategy::Rolling { .. } => self.roll(),
            }
        }
        if !paused {
            self.note_revision();
        }
        self.clean_up();
    }

    /// Whether the Deployment was scaled since its ReplicaSets' sizes were chosen.
    fn size_changed(&self) -> bool {
        self.sets.all().filter(|set| replicas(set) > 0).any(|set| {
            annotation(set, sets::DESIRED)
                .and_then(|text| text.parse::<i64>().ok())
                .is_some_and(|desired| desired != self.wanted)
        })
    }

    fn resize(&mut self, set: &Value, size: i64) -> bool {
        let changed = replicas(set) != size;
        if let Some(action) = sets::resize(self.deployment, set, size, self.max) {
            self.actions.push(action);
        }
        if changed {
            let verb = if size > replicas(set) { "up" } else { "down" };
            let message = format!(
                "Scaled {verb} replica set {} from {} to {size}",
                meta(set, "name"),
                replicas(set)
            );
            let event = Event::new(
                &DEPLOYMENT,
                self.deployment,
                "ScalingReplicaSet",
                message,
                FROM,
            );
            self.actions.push(Action::Tell(event));
        }
        changed
    }

    /// Scales what is there; the template is not looked at.
    fn follow_size(&mut self) {
        let mut active: Vec<Arc<Value>> = self
            .sets
            .all()
            .filter(|set| replicas(set) > 0)
            .cloned()
            .collect();
        if let [only] = active.as_slice() {
            let only = only.clone();
            self.resize(&only, self.wanted);
            return;
        }
        if let Some(new) = self
            .sets
            .new
            .clone()
            .filter(|new| saturated(new, self.wanted))
        {
            self.resize(&new, self.wanted);
            for old in self.sets.old.clone() {
                self.resize(&old, 0);
            }
            return;
        }
        if self.strategy == Strategy::Recreate {
            return;
        }
        let growing = self.max > active.iter().map(|set| replicas(set)).sum();
        // What rounding leaves goes to the biggest; among equals the newest grows, the oldest shrinks.
        active.sort_by_key(|set| {
            let age = created(set);
            (Reverse(replicas(set)), if growing { -age } else { age })
        });
        let shares: Vec<Share> = active
            .iter()
            .map(|set| Share {
                spec: replicas(set),
                max_before: annotation(set, sets::MAX)
                    .and_then(|text| text.parse().ok())
                    .unwrap_or(0),
            })
            .collect();
        for (set, size) in active.iter().zip(spread(self.max, &shares)) {
            self.resize(set, size);
        }
    }

    fn old_total(&self) -> i64 {
        self.sets.old.iter().map(|set| replicas(set)).sum()
    }

    /// Creates the new ReplicaSet, or brings the existing one's annotations up to date.
    fn ensure_new(&mut self, size: i64) -> Option<Arc<Value>> {
        let revision = self.sets.next_revision();
        if let Some(new) = self.sets.new.clone() {
            self.actions
                .extend(sets::refresh(self.deployment, &new, revision));
            return Some(new);
        }
        let set = sets::new_set(self.deployment, size, revision, self.max);
        let name = meta(&set, "name").to_owned();
        let message = format!("Scaled up replica set {name} from 0 to {size}");
        self.actions.push(Action::Create(REPLICA_SET, set));
        if size > 0 {
            let event = Event::new(
                &DEPLOYMENT,
                self.deployment,
                "ScalingReplicaSet",
                message,
                FROM,
            );
            self.actions.push(Action::Tell(event));
        }
        self.step = Step::Created(name);
        None
    }

    fn roll(&mut self) {
        let size = self.sets.new.as_ref().map_or(0, |set| replicas(set));
        let size = grow_new(self.wanted, self.strategy, size, self.old_total());
        let Some(new) = self.ensure_new(size) else {
            return;
        };
        if self.resize(&new, size) {
            return;
        }
        let counts = |set: &Value| Counts {
            spec: replicas(set),
            available: count(&set["status"]["availableReplicas"]),
        };
        let old: Vec<Arc<Value>> = self.sets.old_active().cloned().collect();
        let old_counts: Vec<Counts> = old.iter().map(|set| counts(set)).collect();
        let sizes = shrink_old(self.wanted, self.strategy, counts(&new), &old_counts);
        for (set, size) in old.iter().zip(sizes) {
            if size != replicas(set) {
                self.resize(set, size);
            }
        }
    }

    /// All old pods end before the first new one starts.
    fn recreate(&mut self, cache: &Cache) {
        let old: Vec<Arc<Value>> = self.sets.old_active().cloned().collect();
        if !old.is_empty() {
            for set in &old {
                self.resize(set, 0);
            }
            return;
        }
        let running = cache
            .in_namespace(&POD, meta(self.deployment, "namespace"))
            .filter(|pod| !pod_finished(pod))
            .any(|pod| self.sets.old.iter().any(|set| controlled_by(pod, set)));
        if running {
            return;
        }
        if let Some(new) = self.ensure_new(self.wanted) {
            self.resize(&new, self.wanted);
        }
    }

    /// The Deployment carries the revision of its new ReplicaSet.
    fn note_revision(&mut self) {
        let known = self.sets.new.is_some() || self.step != Step::None;
        let revision = self.sets.next_revision();
        if known && sets::revision(self.deployment) != revision {
            let patch = json!({
                "metadata": { "annotations": { sets::REVISION: revision.to_string() } }
            });
            self.actions
                .push(Action::Patch(DEPLOYMENT, key(self.deployment), patch));
        }
    }

    /// Forgets revisions beyond the limit, once the rollout is over.
    fn clean_up(&mut self) {
        let settled = self
            .sets
            .new
            .as_ref()
            .is_some_and(|new| saturated(new, self.wanted));
        if !settled || self.old_total() > 0 {
            return;
        }
        for (at, uid) in sets::expired(self.deployment, &self.sets) {
            let deletion = Deletion { uid, grace: None };
            self.actions.push(Action::Delete(REPLICA_SET, at, deletion));
        }
    }
}

/// Whether the set alone has all pods, available.
fn saturated(set: &Value, wanted: i64) -> bool {
    let noted = annotation(set, sets::DESIRED).and_then(|text| text.parse::<i64>().ok());
    replicas(set) == noted.unwrap_or(wanted)
        && count(&set["status"]["availableReplicas"]) == replicas(set)
}

#[cfg(test)]
mod tests;
