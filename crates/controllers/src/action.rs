//! What a controller decided to do, and doing it.

use std::sync::{PoisonError, RwLock};

use api::kinds::{CORE_EVENT, POD, REPLICA_SET};
use api::store::{Delete, Patch, ResourceType, Store, StoreError};
use base::{ContentHasher, ObjectKey};
use serde_json::{Value, json};

use crate::cache::Cache;
use crate::object::{count, meta, timestamp, uid};

/// One write.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Action {
    Create(ResourceType, Value),
    Replace(ResourceType, Value),
    /// A merge patch.
    Patch(ResourceType, ObjectKey, Value),
    /// A merge patch of the status subresource.
    PatchStatus(ResourceType, ObjectKey, Value),
    Delete(ResourceType, ObjectKey, Deletion),
    /// POST to a subresource.
    Post(ResourceType, ObjectKey, &'static str, Value),
    Tell(Event),
}

/// Which object is deleted, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Deletion {
    pub(crate) uid: String,
    /// Seconds; `None` leaves the object's own grace.
    pub(crate) grace: Option<i64>,
}

/// An Event about an object.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Event {
    pub(crate) about: Value,
    pub(crate) warning: bool,
    pub(crate) reason: &'static str,
    pub(crate) message: String,
    pub(crate) from: &'static str,
}

impl Event {
    pub(crate) fn new(
        ty: &ResourceType,
        object: &Value,
        reason: &'static str,
        message: String,
        from: &'static str,
    ) -> Self {
        let about = json!({
            "apiVersion": ty.api_version(),
            "kind": ty.kind,
            "namespace": meta(object, "namespace"),
            "name": meta(object, "name"),
            "uid": uid(object),
            "resourceVersion": meta(object, "resourceVersion"),
        });
        Self {
            about,
            warning: false,
            reason,
            message,
            from,
        }
    }

    pub(crate) fn warning(self) -> Self {
        Self {
            warning: true,
            ..self
        }
    }

    /// The same event about the same object is one object, counted.
    fn name(&self) -> String {
        let mut hasher = ContentHasher::default();
        for part in [
            self.about["uid"].as_str().unwrap_or_default(),
            self.reason,
            &self.message,
        ] {
            hasher.write(part.as_bytes());
        }
        let about = self.about["name"].as_str().unwrap_or_default();
        format!("{about}.{}", hasher.finish())
    }

    fn object(&self, now: i64) -> Value {
        let at = timestamp(now);
        let namespace = self.about["namespace"].as_str().filter(|ns| !ns.is_empty());
        json!({
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": { "namespace": namespace.unwrap_or("default"), "name": self.name() },
            "involvedObject": self.about,
            "type": if self.warning { "Warning" } else { "Normal" },
            "reason": self.reason,
            "message": self.message,
            "source": { "component": self.from },
            "reportingComponent": self.from,
            "reportingInstance": "",
            "count": 1,
            "firstTimestamp": at,
            "lastTimestamp": at,
        })
    }
}

/// Does one action and lets the cache know.
pub(crate) async fn apply(
    store: &dyn Store,
    cache: &RwLock<Cache>,
    action: &Action,
    now: i64,
) -> Result<(), StoreError> {
    let known = |ty: &ResourceType, object: Value, created: bool| {
        let mut cache = cache.write().unwrap_or_else(PoisonError::into_inner);
        cache.written(ty, object, created, now);
    };
    match action {
        Action::Create(ty, object) => {
            let made = store.create(ty, object.clone()).await?;
            let event = creation(ty, &made);
            known(ty, made, true);
            if let Some(event) = event {
                tell(store, &event, now).await;
            }
        }
        Action::Replace(ty, object) => known(ty, store.replace(ty, object.clone()).await?, false),
        Action::Patch(ty, key, patch) => {
            let patch = Patch::Merge(patch.clone());
            known(ty, store.patch(ty, key, patch).await?, false);
        }
        Action::PatchStatus(ty, key, patch) => {
            let patch = Patch::Merge(patch.clone());
            known(ty, store.patch_status(ty, key, patch).await?, false);
        }
        Action::Delete(ty, key, deletion) => {
            let options = Delete {
                grace: deletion.grace,
                uid: Some(deletion.uid.clone()).filter(|uid| !uid.is_empty()),
                ..Delete::default()
            };
            match store.delete(ty, key, options).await {
                // Gone already, or its name is another's: what was wanted.
                Ok(()) | Err(StoreError::NotFound(_) | StoreError::Conflict(_)) => {
                    let mut cache = cache.write().unwrap_or_else(PoisonError::into_inner);
                    cache.deleted(ty, key, &deletion.uid, now);
                }
                Err(error) => return Err(error),
            }
        }
        Action::Post(ty, key, subresource, body) => {
            store.post(ty, key, subresource, body.clone()).await?;
        }
        Action::Tell(event) => tell(store, event, now).await,
    }
    Ok(())
}

/// What a ReplicaSet says of the pods that it makes; their names are known only now.
fn creation(ty: &ResourceType, made: &Value) -> Option<Event> {
    let mut owners = made["metadata"]["ownerReferences"].as_array()?.iter();
    let owner = owners.find(|owner| owner["controller"] == true)?;
    if *ty != POD || owner["kind"] != REPLICA_SET.kind {
        return None;
    }
    let about = json!({
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "namespace": meta(made, "namespace"),
        "name": owner["name"],
        "uid": owner["uid"],
    });
    Some(Event {
        about,
        warning: false,
        reason: "SuccessfulCreate",
        message: format!("Created pod: {}", meta(made, "name")),
        from: "replicaset-controller",
    })
}

/// Events are best effort: a failure is no reason to repeat the work.
async fn tell(store: &dyn Store, event: &Event, now: i64) {
    let object = event.object(now);
    let key = crate::object::key(&object);
    let result = match store.create(&CORE_EVENT, object).await {
        Err(StoreError::AlreadyExists(_)) => match store.get(&CORE_EVENT, &key).await {
            Ok(known) => {
                let again = json!({
                    "count": count(&known["count"]) + 1,
                    "lastTimestamp": timestamp(now),
                });
                let patch = Patch::Merge(again);
                store.patch(&CORE_EVENT, &key, patch).await.map(drop)
            }
            Err(error) => Err(error),
        },
        other => other.map(drop),
    };
    if let Err(error) = result {
        tracing::debug!(%error, reason = event.reason, "event is not recorded");
    }
}
