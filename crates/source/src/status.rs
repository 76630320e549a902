//! Writes the conditions of Istio objects: at most one write a second an object, only what changed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use api::Condition;
use api::store::{Patch, ResourceType, Store, StoreError};
use base::ObjectKey;
use futures::StreamExt;
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::time::Instant;

/// The shortest time between two writes to one object.
const PACE: Duration = Duration::from_secs(1);
/// Writes under way at once.
const PARALLEL: usize = 8;

/// The conditions that are ours; all others are left alone.
const OWNED: &[&str] = &["Live", "Accepted", "Quarantined", "Resolved", "Warning"];

/// What an object's status should say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    pub ty: ResourceType,
    pub key: ObjectKey,
    /// The generation that the conditions are about.
    pub generation: i64,
    pub conditions: Vec<Condition>,
}

type Id = (&'static str, ObjectKey);

/// Which objects are to be written when. Pure: time comes in.
#[derive(Default)]
struct Schedule {
    objects: HashMap<Id, Entry>,
}

struct Entry {
    desired: Report,
    /// `desired` is not known to be stored.
    dirty: bool,
    not_before: Option<Instant>,
    busy: bool,
}

impl Schedule {
    /// Whether there is something new to write.
    fn want(&mut self, report: Report) -> bool {
        let id = (report.ty.kind, report.key.clone());
        match self.objects.get_mut(&id) {
            Some(entry) if entry.desired == report => false,
            Some(entry) => {
                entry.desired = report;
                entry.dirty = true;
                true
            }
            None => {
                let entry = Entry {
                    desired: report,
                    dirty: true,
                    not_before: None,
                    busy: false,
                };
                self.objects.insert(id, entry);
                true
            }
        }
    }

    /// The reports to write now.
    fn due(&mut self, now: Instant, room: usize) -> Vec<Report> {
        let ready = self
            .objects
            .values_mut()
            .filter(|e| e.dirty && !e.busy && e.not_before.is_none_or(|at| at <= now));
        ready
            .take(room)
            .map(|entry| {
                entry.dirty = false;
                entry.busy = true;
                entry.not_before = Some(now + PACE);
                entry.desired.clone()
            })
            .collect()
    }

    /// When the next report falls due.
    fn next(&self) -> Option<Instant> {
        let waiting = self.objects.values().filter(|e| e.dirty && !e.busy);
        waiting.filter_map(|e| e.not_before).min()
    }

    fn done(&mut self, report: &Report, outcome: &Outcome) {
        let id = (report.ty.kind, report.key.clone());
        let Some(entry) = self.objects.get_mut(&id) else {
            return;
        };
        entry.busy = false;
        match outcome {
            Outcome::Stored => {}
            Outcome::Retry => entry.dirty = true,
            Outcome::Gone => {
                if entry.desired == *report {
                    self.objects.remove(&id);
                }
            }
        }
    }
}

enum Outcome {
    Stored,
    Retry,
    Gone,
}

#[derive(Default)]
struct Shared {
    schedule: Mutex<Schedule>,
    wake: Notify,
}

impl Shared {
    fn with<T>(&self, f: impl FnOnce(&mut Schedule) -> T) -> T {
        f(&mut self.schedule.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Takes reports at any rate and writes them at a bearable one. Its task ends with the last clone.
#[derive(Clone)]
pub struct StatusWriter {
    shared: Arc<Shared>,
    _end: Arc<tokio::sync::oneshot::Sender<()>>,
}

impl StatusWriter {
    /// Starts the task that writes.
    #[must_use]
    pub fn start(store: Arc<dyn Store>) -> Self {
        let shared = Arc::new(Shared::default());
        let (end, ended) = tokio::sync::oneshot::channel();
        let worker = shared.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = write_all(worker, store) => {}
                _ = ended => {}
            }
        });
        Self {
            shared,
            _end: Arc::new(end),
        }
    }

    /// Asks for this status; replaces what was asked before for the object.
    pub fn report(&self, report: Report) {
        if self.shared.with(|schedule| schedule.want(report)) {
            self.shared.wake.notify_one();
        }
    }

    /// The object is gone.
    pub fn forget(&self, ty: &ResourceType, key: &ObjectKey) {
        let id = (ty.kind, key.clone());
        self.shared.with(|schedule| schedule.objects.remove(&id));
    }
}

async fn write_all(shared: Arc<Shared>, store: Arc<dyn Store>) {
    let mut writes = futures::stream::FuturesUnordered::new();
    loop {
        let room = PARALLEL - writes.len();
        let now = Instant::now();
        for report in shared.with(|schedule| schedule.due(now, room)) {
            let store = store.clone();
            writes.push(async move {
                let outcome = write(&*store, &report).await;
                (report, outcome)
            });
        }
        let next = shared
            .with(|schedule| schedule.next())
            .filter(|_| writes.len() < PARALLEL);
        let timer = async {
            match next {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = shared.wake.notified() => {}
            () = timer => {}
            Some((report, outcome)) = writes.next(), if !writes.is_empty() => {
                shared.with(|schedule| schedule.done(&report, &outcome));
            }
        }
    }
}

async fn write(store: &dyn Store, report: &Report) -> Outcome {
    let Report { ty, key, .. } = report;
    let object = match store.get(ty, key).await {
        Ok(object) => object,
        Err(StoreError::NotFound(_)) => return Outcome::Gone,
        Err(_) => return Outcome::Retry,
    };
    let Some(status) = merged(&object["status"], report, &now()) else {
        return Outcome::Stored;
    };
    let patch = json!({
        "metadata": { "resourceVersion": object["metadata"]["resourceVersion"] },
        "status": status,
    });
    match store.patch_status(ty, key, Patch::Merge(patch)).await {
        Ok(_) => Outcome::Stored,
        Err(StoreError::NotFound(_)) => Outcome::Gone,
        Err(error) if error.retryable() => Outcome::Retry,
        Err(error) => {
            tracing::warn!(kind = ty.kind, %key, %error, "status is not written");
            Outcome::Stored
        }
    }
}

/// The fields of `status` to write, or `None` when it says all this already. Conditions of others
/// stay; `lastTransitionTime` moves only when a condition's status does.
fn merged(status: &Value, report: &Report, now: &str) -> Option<Value> {
    let old = status["conditions"].as_array().cloned().unwrap_or_default();
    let mut conditions: Vec<Value> = old
        .iter()
        .filter(|c| !OWNED.iter().any(|kind| c["type"] == *kind))
        .cloned()
        .collect();
    for condition in &report.conditions {
        let Condition {
            kind,
            status,
            reason,
            message,
        } = condition;
        let status = if *status { "True" } else { "False" };
        let before = old.iter().find(|c| c["type"] == *kind);
        let since = before
            .filter(|c| c["status"] == status)
            .and_then(|c| c["lastTransitionTime"].as_str())
            .unwrap_or(now);
        conditions.push(json!({
            "type": kind,
            "status": status,
            "reason": reason,
            "message": message,
            "observedGeneration": report.generation,
            "lastTransitionTime": since,
        }));
    }
    let unordered = |list: &[Value]| {
        let mut list: Vec<String> = list.iter().map(ToString::to_string).collect();
        list.sort_unstable();
        list
    };
    if unordered(&old) == unordered(&conditions)
        && status["observedGeneration"].as_i64() == Some(report.generation)
    {
        return None;
    }
    Some(json!({ "conditions": conditions, "observedGeneration": report.generation }))
}

/// RFC 3339, seconds, as Kubernetes writes times.
fn now() -> String {
    use time::format_description::well_known::Rfc3339;
    let now = time::OffsetDateTime::now_utc();
    let now = now.replace_nanosecond(0).unwrap_or(now);
    now.format(&Rfc3339).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::kinds::VIRTUAL_SERVICE;
    use testkit::{MemoryStore, Verb};

    fn report(acknowledged: usize) -> Report {
        Report {
            ty: VIRTUAL_SERVICE,
            key: ObjectKey::new("ns", "a"),
            generation: 3,
            conditions: vec![Condition::accepted(), Condition::live(acknowledged, 3)],
        }
    }

    fn store() -> MemoryStore {
        let store = MemoryStore::default();
        store.put(
            &VIRTUAL_SERVICE,
            json!({
                "metadata": { "namespace": "ns", "name": "a", "generation": 3 },
                "spec": {},
                "status": { "conditions": [{ "type": "Theirs", "status": "True" }] },
            }),
        );
        store
    }

    fn live(store: &MemoryStore) -> Option<String> {
        let object = store.peek(&VIRTUAL_SERVICE, "ns", "a")?;
        let conditions = object["status"]["conditions"].as_array()?.clone();
        assert!(conditions.iter().any(|c| c["type"] == "Theirs"));
        let live = conditions.iter().find(|c| c["type"] == "Live")?;
        live["message"].as_str().map(Into::into)
    }

    fn writes(store: &MemoryStore) -> usize {
        let calls = store.take_calls();
        calls.iter().filter(|c| c.verb == Verb::PatchStatus).count()
    }

    #[tokio::test(start_paused = true)]
    async fn an_object_is_written_at_most_once_a_second_and_ends_at_the_last_report() {
        let store = store();
        let writer = StatusWriter::start(store.shared());
        for n in 0..=3 {
            writer.report(report(n));
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert_eq!(writes(&store), 1);
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert_eq!(writes(&store), 1);
        assert_eq!(live(&store).as_deref(), Some("3/3"));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_stored_already_is_not_written_again() {
        let store = store();
        for _ in 0..2 {
            let writer = StatusWriter::start(store.shared());
            writer.report(report(3));
            tokio::time::sleep(Duration::from_secs(3)).await;
        }
        assert_eq!(writes(&store), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn an_outage_delays_a_write_and_a_vanished_object_ends_it() {
        let store = store();
        let down = || StoreError::Unavailable("down".into());
        store.fail_next(Verb::Get, "virtualservices", down());
        store.fail_next(
            Verb::PatchStatus,
            "virtualservices",
            StoreError::Conflict("x".into()),
        );
        let writer = StatusWriter::start(store.shared());
        writer.report(report(1));
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert_eq!(live(&store).as_deref(), Some("1/3"));
        store
            .delete(
                &VIRTUAL_SERVICE,
                &ObjectKey::new("ns", "a"),
                Default::default(),
            )
            .await
            .unwrap();
        writer.report(report(2));
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert!(writer.shared.with(|schedule| schedule.objects.is_empty()));
    }

    #[test]
    fn a_transition_time_moves_only_with_the_status() {
        let first = merged(&Value::Null, &report(1), "t1").unwrap();
        let second = merged(&first, &report(2), "t2").unwrap();
        let third = merged(&second, &report(3), "t3").unwrap();
        let since = |status: &Value| status["conditions"][1]["lastTransitionTime"].clone();
        assert_eq!(since(&second), "t1");
        assert_eq!(since(&third), "t3");
        assert_eq!(merged(&third, &report(3), "t4"), None);
    }
}
