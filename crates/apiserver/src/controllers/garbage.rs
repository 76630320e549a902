//! Owner references: what lost its last owner goes; `foregroundDeletion` waits for what blocks it;
//! `orphan` lets the owned objects stay.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::api::Api;
use crate::error::ApiResult;
use crate::objects::call::Call;
use crate::objects::delete::{DeleteOptions, FOREGROUND, ORPHAN};
use crate::objects::meta;
use crate::registry::Resource;
use crate::storage::Object;

/// Changes are looked at together: a burst of writes causes one sweep.
const SETTLE: Duration = Duration::from_millis(100);
/// An owner that was never seen may still be on its way; after this it counts as gone.
const PATIENCE: Duration = Duration::from_secs(1);

/// An object with where it is.
struct Found {
    resource: Arc<Resource>,
    namespace: Arc<str>,
    name: Arc<str>,
    object: Arc<Object>,
}

pub(crate) async fn run(api: Arc<Api>) {
    let mut revision = api.storage.subscribe();
    let (mut seen, mut again) = (0, true);
    loop {
        revision.borrow_and_update();
        let ownership = api.storage.ownership();
        if again || ownership != seen {
            seen = ownership;
            again = sweep(&api).await;
        }
        tokio::select! {
            changed = revision.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(PATIENCE), if again => {}
            () = api.stopping() => return,
        }
        tokio::time::sleep(SETTLE).await;
    }
}

/// One look at everything. True when something has to be looked at again without a change.
async fn sweep(api: &Api) -> bool {
    let mut owned = Vec::new();
    let mut leaving = Vec::new();
    let mut alive: HashMap<String, bool> = HashMap::new();
    let mut known_types = HashSet::new();
    for resource in api.registry.stored() {
        known_types.insert((resource.group().to_owned(), resource.kind.to_string()));
        for ((namespace, name), object) in api.storage.snapshot(&resource.id).range(None, None) {
            let found = || Found {
                resource: resource.clone(),
                namespace: namespace.clone(),
                name: name.clone(),
                object: object.clone(),
            };
            let foreground =
                has_finalizer(&object.value, FOREGROUND) && meta::is_deleting(&object.value);
            alive.insert(meta::text(&object.value, "uid").to_owned(), foreground);
            if object.value["metadata"]["ownerReferences"]
                .as_array()
                .is_some_and(|o| !o.is_empty())
            {
                owned.push(found());
            }
            if meta::is_deleting(&object.value)
                && (foreground || has_finalizer(&object.value, ORPHAN))
            {
                leaving.push(found());
            }
        }
    }
    let mut again = false;
    for owner in leaving
        .iter()
        .filter(|owner| has_finalizer(&owner.object.value, ORPHAN))
    {
        if let Err(error) = release(api, owner, &owned).await {
            tracing::debug!(error = error.message(), "orphaning is tried again");
            again = true;
        }
    }
    if leaving
        .iter()
        .any(|owner| has_finalizer(&owner.object.value, ORPHAN))
    {
        // The owned objects changed: the next look decides about them.
        return true;
    }
    for dependent in &owned {
        again |= !collect(api, dependent, &alive, &known_types).await;
    }
    for owner in &leaving {
        again |= !finish_foreground(api, owner, &owned).await;
    }
    again
}

fn has_finalizer(object: &Value, name: &str) -> bool {
    object["metadata"]["finalizers"]
        .as_array()
        .is_some_and(|list| list.iter().any(|f| f == name))
}

fn owners(object: &Value) -> impl Iterator<Item = &Value> {
    object["metadata"]["ownerReferences"]
        .as_array()
        .into_iter()
        .flatten()
}

fn is_owned_by(object: &Value, owner: &Value) -> bool {
    owners(object).any(|reference| reference["uid"] == owner["metadata"]["uid"])
}

fn young(object: &Value) -> bool {
    let created = crate::clock::parse(meta::text(object, "creationTimestamp"));
    created.is_some_and(|at| time::OffsetDateTime::now_utc() - at < PATIENCE)
}

/// Deletes an object whose owners are all gone, or which an owner that leaves in the foreground waits
/// for. False when it has to be looked at again.
async fn collect(
    api: &Api,
    dependent: &Found,
    alive: &HashMap<String, bool>,
    types: &HashSet<(String, String)>,
) -> bool {
    let object = &dependent.object.value;
    if meta::is_deleting(object) {
        return true;
    }
    let state = |reference: &Value| {
        let version = reference["apiVersion"].as_str().unwrap_or_default();
        let group = version.split_once('/').map_or("", |(group, _)| group);
        let kind = reference["kind"].as_str().unwrap_or_default();
        if !types.contains(&(group.to_owned(), kind.to_owned())) {
            // A type that is not served cannot be judged.
            return Some(false);
        }
        alive
            .get(reference["uid"].as_str().unwrap_or_default())
            .copied()
    };
    let solid = owners(object).any(|reference| state(reference) == Some(false));
    if solid {
        return true;
    }
    let waited_for = owners(object).any(|reference| state(reference) == Some(true));
    if !waited_for && young(object) {
        return false;
    }
    let call = Call::internal(
        dependent.resource.clone(),
        "delete",
        &dependent.namespace,
        &dependent.name,
    );
    let uid = meta::text(object, "uid");
    let propagation = if waited_for {
        "Foreground"
    } else {
        "Background"
    };
    let body = serde_json::json!({"preconditions": {"uid": uid}, "propagationPolicy": propagation});
    let Ok(options) = DeleteOptions::read(&call, &body) else {
        return true;
    };
    match api.delete(&call, &options).await {
        Err(error) if error.code() != 404 && error.code() != 409 => {
            tracing::debug!(name = %dependent.name, error = error.message(), "collection is tried again");
            false
        }
        _ => true,
    }
}

/// Takes the owner's references out of what it owns, then its `orphan` finalizer.
async fn release(api: &Api, owner: &Found, owned: &[Found]) -> ApiResult<()> {
    let uid = owner.object.value["metadata"]["uid"].clone();
    for dependent in owned
        .iter()
        .filter(|d| is_owned_by(&d.object.value, &owner.object.value))
    {
        let call = Call::internal(
            dependent.resource.clone(),
            "patch",
            &dependent.namespace,
            &dependent.name,
        );
        let change = |current: &Value| {
            let mut next = current.clone();
            let rest: Vec<Value> = owners(current)
                .filter(|reference| reference["uid"] != uid)
                .cloned()
                .collect();
            if rest.is_empty() {
                meta::metadata(&mut next).remove("ownerReferences");
            } else {
                next["metadata"]["ownerReferences"] = rest.into();
            }
            Ok(next)
        };
        match api.update(&call, change).await {
            Err(error) if error.code() != 404 => return Err(error),
            _ => {}
        }
    }
    drop_finalizer(api, owner, ORPHAN).await
}

async fn drop_finalizer(api: &Api, found: &Found, name: &str) -> ApiResult<()> {
    let call = Call::internal(
        found.resource.clone(),
        "patch",
        &found.namespace,
        &found.name,
    );
    let change = |current: &Value| {
        let mut next = current.clone();
        if let Some(list) = next["metadata"]
            .get_mut("finalizers")
            .and_then(Value::as_array_mut)
        {
            list.retain(|f| f != name);
        }
        Ok(next)
    };
    match api.update(&call, change).await {
        Err(error) if error.code() != 404 => Err(error),
        _ => Ok(()),
    }
}

/// Lets an owner go once nothing that blocks it is left.
async fn finish_foreground(api: &Api, owner: &Found, owned: &[Found]) -> bool {
    if !has_finalizer(&owner.object.value, FOREGROUND) {
        return true;
    }
    let blocked = owned.iter().any(|d| {
        let blocks = owners(&d.object.value).any(|r| {
            r["uid"] == owner.object.value["metadata"]["uid"] && r["blockOwnerDeletion"] == true
        });
        blocks
            && api
                .storage
                .get(&d.resource.id, &d.namespace, &d.name)
                .is_some()
    });
    if blocked {
        return true;
    }
    drop_finalizer(api, owner, FOREGROUND).await.is_ok()
}
