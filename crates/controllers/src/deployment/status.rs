//! A Deployment's status: counts and conditions as `kubectl rollout status` and `kubectl wait` read them.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::rollout::Strategy;
use super::sets::{Sets, replicas};
use crate::object::{condition, count, generation, items, meta, timestamp, unix};

/// A condition to be set, without its times.
struct Wanted {
    kind: &'static str,
    status: &'static str,
    reason: String,
    message: String,
}

fn wanted(kind: &'static str, status: bool, reason: &str, message: String) -> Wanted {
    Wanted {
        kind,
        status: if status { "True" } else { "False" },
        reason: reason.into(),
        message,
    }
}

/// What the plan did beside counting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// Nothing to mention.
    None,
    /// This ReplicaSet is being created.
    Created(String),
}

/// The new status, and when a deadline is to be checked again.
pub(crate) fn status(
    deployment: &Value,
    sets: &Sets,
    strategy: Strategy,
    step: &Step,
    now: i64,
) -> (Map<String, Value>, Option<Duration>) {
    let sum = |field: &str| {
        sets.all()
            .map(|set| count(&set["status"][field]))
            .sum::<i64>()
    };
    let available = sum("availableReplicas");
    let wanted_total: i64 = sets.all().map(|set| replicas(set)).sum();
    let updated = sets
        .new
        .as_ref()
        .map_or(0, |set| count(&set["status"]["replicas"]));
    let mut status = deployment["status"]
        .as_object()
        .cloned()
        .unwrap_or_default();
    for (field, value) in [
        ("observedGeneration", generation(deployment)),
        ("replicas", sum("replicas")),
        ("updatedReplicas", updated),
        ("readyReplicas", sum("readyReplicas")),
        ("availableReplicas", available),
        ("unavailableReplicas", (wanted_total - available).max(0)),
    ] {
        status.insert(field.into(), value.into());
    }
    let mut conditions = Conditions::of(deployment, now);
    conditions.set(&availability(deployment, strategy, available));
    conditions.failure(sets);
    let again = progress(deployment, sets, &status, step, &mut conditions, now);
    status.insert("conditions".into(), conditions.list.into());
    (status, again)
}

fn availability(deployment: &Value, strategy: Strategy, available: i64) -> Wanted {
    if available >= replicas(deployment) - strategy.unavailable() {
        let message = "Deployment has minimum availability.".into();
        wanted("Available", true, "MinimumReplicasAvailable", message)
    } else {
        let message = "Deployment does not have minimum availability.".into();
        wanted("Available", false, "MinimumReplicasUnavailable", message)
    }
}

fn complete(deployment: &Value, status: &Map<String, Value>) -> bool {
    let wanted = replicas(deployment);
    ["updatedReplicas", "replicas", "availableReplicas"]
        .iter()
        .all(|field| status.get(*field).and_then(Value::as_i64) == Some(wanted))
}

/// Whether more pods are updated, ready or available, or fewer old ones are left, than last time.
fn progressed(deployment: &Value, status: &Map<String, Value>) -> bool {
    let before = |field: &str| count(&deployment["status"][field]);
    let after = |field: &str| status.get(field).map_or(0, count);
    ["updatedReplicas", "readyReplicas", "availableReplicas"]
        .iter()
        .any(|field| after(field) > before(field))
        || after("replicas") - after("updatedReplicas")
            < before("replicas") - before("updatedReplicas")
}

fn progress(
    deployment: &Value,
    sets: &Sets,
    status: &Map<String, Value>,
    step: &Step,
    conditions: &mut Conditions,
    now: i64,
) -> Option<Duration> {
    let current = condition(deployment, "Progressing");
    let reason = current.map_or("", |c| c["reason"].as_str().unwrap_or_default());
    if deployment["spec"]["paused"] == true {
        if reason != "DeploymentPaused" {
            let message = "Deployment is paused".into();
            conditions.set(&Wanted {
                status: "Unknown",
                ..wanted("Progressing", true, "DeploymentPaused", message)
            });
        }
        return None;
    }
    if reason == "DeploymentPaused" {
        let message = "Deployment is resumed".into();
        conditions.touch(&Wanted {
            status: "Unknown",
            ..wanted("Progressing", true, "DeploymentResumed", message)
        });
    }
    if let Step::Created(name) = step {
        let message = format!("Created new replica set {name:?}");
        conditions.touch(&wanted(
            "Progressing",
            true,
            "NewReplicaSetCreated",
            message,
        ));
        return deadline(deployment).map(seconds);
    }
    let name = sets.new.as_ref().map_or("", |set| meta(set, "name"));
    if complete(deployment, status) {
        if reason != "NewReplicaSetAvailable" {
            let message = format!("ReplicaSet {name:?} has successfully progressed.");
            conditions.touch(&wanted(
                "Progressing",
                true,
                "NewReplicaSetAvailable",
                message,
            ));
        }
        return None;
    }
    let done_before = reason == "NewReplicaSetAvailable"
        && status.get("replicas") == status.get("updatedReplicas");
    if progressed(deployment, status) || current.is_none() {
        let message = format!("ReplicaSet {name:?} is progressing.");
        // A finished rollout which lost a pod is not progressing again.
        if !done_before {
            conditions.touch(&wanted("Progressing", true, "ReplicaSetUpdated", message));
        }
        return deadline(deployment).map(seconds);
    }
    if done_before || reason == "ProgressDeadlineExceeded" {
        return None;
    }
    let since = current
        .and_then(|c| c["lastUpdateTime"].as_str())
        .map_or(now, unix);
    let left = since + deadline(deployment)? - now;
    if left > 0 {
        return Some(seconds(left));
    }
    let message = format!("ReplicaSet {name:?} has timed out progressing.");
    conditions.touch(&wanted(
        "Progressing",
        false,
        "ProgressDeadlineExceeded",
        message,
    ));
    None
}

fn seconds(seconds: i64) -> Duration {
    Duration::from_secs(seconds.max(1).unsigned_abs())
}

/// Seconds; `None` when no deadline is wanted (Kubernetes writes that as 2³¹-1).
fn deadline(deployment: &Value) -> Option<i64> {
    let seconds = deployment["spec"]["progressDeadlineSeconds"]
        .as_i64()
        .unwrap_or(600);
    (seconds < i64::from(i32::MAX)).then_some(seconds)
}

struct Conditions {
    list: Vec<Value>,
    now: String,
}

impl Conditions {
    fn of(deployment: &Value, now: i64) -> Self {
        Self {
            list: items(&deployment["status"]["conditions"]).to_vec(),
            now: timestamp(now),
        }
    }

    fn remove(&mut self, kind: &str) -> Option<Value> {
        let at = self.list.iter().position(|c| c["type"] == kind)?;
        Some(self.list.remove(at))
    }

    /// Sets a condition unless it says the same already.
    fn set(&mut self, wanted: &Wanted) {
        let same = |c: &Value| {
            c["type"] == wanted.kind
                && c["status"] == wanted.status
                && c["reason"] == wanted.reason.as_str()
        };
        if !self.list.iter().any(same) {
            self.touch(wanted);
        }
    }

    /// Sets a condition and its update time.
    fn touch(&mut self, wanted: &Wanted) {
        let Wanted {
            kind,
            status,
            reason,
            message,
        } = wanted;
        let old = self.remove(kind);
        let since = old
            .filter(|c| c["status"] == *status)
            .and_then(|c| c["lastTransitionTime"].as_str().map(ToOwned::to_owned))
            .unwrap_or_else(|| self.now.clone());
        self.list.push(json!({
            "type": kind,
            "status": status,
            "reason": reason,
            "message": message,
            "lastUpdateTime": self.now,
            "lastTransitionTime": since,
        }));
    }

    /// A ReplicaSet's failure to create pods is the Deployment's.
    fn failure(&mut self, sets: &Sets) {
        let newest_first = sets.new.iter().chain(sets.old.iter().rev());
        let failure = newest_first
            .clone()
            .find_map(|set| condition(set, "ReplicaFailure"));
        match failure {
            Some(failure) => {
                let text = |field: &str| failure[field].as_str().unwrap_or_default().to_owned();
                let wanted = wanted("ReplicaFailure", true, &text("reason"), text("message"));
                self.set(&wanted);
            }
            None => {
                self.remove("ReplicaFailure");
            }
        }
    }
}
