//! Turns CustomResourceDefinitions into served types and says so in their status.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::api::Api;
use crate::clock;
use crate::registry::Crd;
use crate::storage::{EventKind, ResourceId};

fn id() -> ResourceId {
    ResourceId::new("apiextensions.k8s.io", "customresourcedefinitions")
}

/// Serves the definitions that are stored; called before the first request.
pub(crate) fn load(api: &Api) {
    for (_, object) in api.storage.snapshot(&id()).range(None, None) {
        install(api, &object.value);
    }
}

fn install(api: &Api, object: &Value) {
    match Crd::read(object) {
        Ok(crd) => api.registry.install(crd),
        Err(causes) => tracing::warn!(definition = %object["metadata"]["name"], ?causes, "a stored definition cannot be served"),
    }
}

/// Follows the definitions until the server stops.
pub(crate) async fn run(api: Arc<Api>) {
    let mut revision = api.storage.subscribe();
    let snapshot = api.storage.snapshot(&id());
    for ((_, name), object) in snapshot.range(None, None) {
        establish(&api, name, &object.value).await;
    }
    let mut reached = snapshot.revision;
    loop {
        let (events, now) = match api.storage.events(&id(), reached, usize::MAX) {
            Ok(found) => found,
            Err(_) => (Vec::new(), api.storage.revision()),
        };
        for event in events {
            if event.kind == EventKind::Deleted {
                api.registry.uninstall(&event.name.1);
            } else {
                install(&api, &event.object.value);
                establish(&api, &event.name.1, &event.object.value).await;
            }
        }
        reached = now;
        tokio::select! {
            changed = revision.changed() => if changed.is_err() { return },
            () = api.stopping() => return,
        }
    }
}

fn condition(kind: &str, reason: &str, message: &str) -> Value {
    json!({"type": kind, "status": "True", "reason": reason, "message": message, "lastTransitionTime": clock::now()})
}

/// The status of a served definition.
fn established(object: &Value) -> Value {
    let mut status = object["status"].clone();
    let has = |kind: &str| {
        status["conditions"].as_array().into_iter().flatten().any(|c| c["type"] == kind && c["status"] == "True")
    };
    let mut conditions = status["conditions"].as_array().cloned().unwrap_or_default();
    for (kind, reason, message) in [
        ("NamesAccepted", "NoConflicts", "no conflicts found"),
        ("Established", "InitialNamesAccepted", "the initial names have been accepted"),
    ] {
        if !has(kind) {
            conditions.retain(|c| c["type"] != kind);
            conditions.push(condition(kind, reason, message));
        }
    }
    let spec = &object["spec"];
    let mut stored: Vec<Value> = status["storedVersions"].as_array().cloned().unwrap_or_default();
    for version in spec["versions"].as_array().into_iter().flatten().filter(|v| v["storage"] == true) {
        if !stored.contains(&version["name"]) {
            stored.push(version["name"].clone());
        }
    }
    if !status.is_object() {
        status = json!({});
    }
    status["conditions"] = conditions.into();
    status["acceptedNames"] = spec["names"].clone();
    status["storedVersions"] = stored.into();
    status
}

async fn establish(api: &Api, name: &str, object: &Value) {
    if object["metadata"]["deletionTimestamp"].is_string() || established(object) == object["status"] {
        return;
    }
    let Some(mut call) = api.internal_call("apiextensions.k8s.io", "customresourcedefinitions", "patch", "", name) else { return };
    call.subresource = "status".into();
    let change = |current: &Value| {
        let mut next = current.clone();
        next["status"] = established(current);
        Ok(next)
    };
    if let Err(error) = api.update(&call, change).await {
        tracing::debug!(name, error = error.message(), "the definition left before it was established");
    }
}
