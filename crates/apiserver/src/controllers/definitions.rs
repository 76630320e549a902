//! Turns CustomResourceDefinitions into served types and says so in their status.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::api::Api;
use crate::clock;
use crate::objects::call::Call;
use crate::objects::delete::DeleteOptions;
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
        Err(causes) => {
            tracing::warn!(definition = %object["metadata"]["name"], ?causes, "a stored definition cannot be served");
        }
    }
}

/// Keeps a definition until its objects are gone.
pub(crate) const CLEANUP: &str = "customresourcecleanup.apiextensions.k8s.io";
/// Between looks at definitions that wait for their objects.
const AGAIN: Duration = Duration::from_millis(300);

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
        let mut leaving = false;
        for ((_, name), object) in api.storage.snapshot(&id()).range(None, None) {
            leaving |= object.value["metadata"]["deletionTimestamp"].is_string()
                && !clean_up(&api, name, &object.value).await;
        }
        tokio::select! {
            changed = revision.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(AGAIN), if leaving => {}
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
        status["conditions"]
            .as_array()
            .into_iter()
            .flatten()
            .any(|c| c["type"] == kind && c["status"] == "True")
    };
    let mut conditions = status["conditions"].as_array().cloned().unwrap_or_default();
    for (kind, reason, message) in [
        ("NamesAccepted", "NoConflicts", "no conflicts found"),
        (
            "Established",
            "InitialNamesAccepted",
            "the initial names have been accepted",
        ),
    ] {
        if !has(kind) {
            conditions.retain(|c| c["type"] != kind);
            conditions.push(condition(kind, reason, message));
        }
    }
    let spec = &object["spec"];
    let mut stored: Vec<Value> = status["storedVersions"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    for version in spec["versions"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|v| v["storage"] == true)
    {
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
    if object["metadata"]["deletionTimestamp"].is_string()
        || established(object) == object["status"]
    {
        return;
    }
    let Some(mut call) = api.internal_call(
        "apiextensions.k8s.io",
        "customresourcedefinitions",
        "patch",
        "",
        name,
    ) else {
        return;
    };
    call.subresource = "status".into();
    let change = |current: &Value| {
        let mut next = current.clone();
        next["status"] = established(current);
        Ok(next)
    };
    if let Err(error) = api.update(&call, change).await {
        tracing::debug!(
            name,
            error = error.message(),
            "the definition left before it was established"
        );
    }
}

/// Deletes the objects of a definition that leaves, then lets it go. False while there are any left.
async fn clean_up(api: &Api, name: &str, definition: &Value) -> bool {
    let Ok(crd) = Crd::read(definition) else {
        return true;
    };
    if let Some(resource) = crd.resources().into_iter().next() {
        let resource = Arc::new(resource);
        let objects = || api.storage.snapshot(&resource.id);
        for ((namespace, name), object) in objects().range(None, None) {
            if object.value["metadata"]["deletionTimestamp"].is_string() {
                continue;
            }
            let call = Call::internal(resource.clone(), "delete", namespace, name);
            if let Err(error) = api.delete(&call, &DeleteOptions::default()).await {
                tracing::debug!(%name, error = error.message(), "a custom object stays for now");
            }
        }
        if !objects().is_empty() {
            return false;
        }
    }
    let Some(call) = api.internal_call(
        "apiextensions.k8s.io",
        "customresourcedefinitions",
        "patch",
        "",
        name,
    ) else {
        return true;
    };
    let change = |current: &Value| {
        let mut next = current.clone();
        if let Some(list) = next["metadata"]
            .get_mut("finalizers")
            .and_then(Value::as_array_mut)
        {
            list.retain(|f| f != CLEANUP);
        }
        Ok(next)
    };
    api.update(&call, change).await.is_ok()
}
