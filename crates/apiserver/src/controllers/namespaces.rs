//! Gives every namespace its root certificate and default account, and empties those that are deleted.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::admission::ROOT_CA;
use crate::api::Api;
use crate::conditions;
use crate::objects::call::Call;
use crate::objects::delete::DeleteOptions;
use crate::objects::meta;
use crate::registry::Resource;
use crate::storage::ResourceId;

/// Between looks at namespaces that are not yet empty.
const AGAIN: Duration = Duration::from_millis(500);

fn id() -> ResourceId {
    ResourceId::new("", "namespaces")
}

pub(crate) async fn run(api: Arc<Api>) {
    let mut revision = api.storage.subscribe();
    let mut furnished = std::collections::HashSet::new();
    loop {
        revision.borrow_and_update();
        let mut leaving = false;
        for ((_, name), object) in api.storage.snapshot(&id()).range(None, None) {
            if meta::is_deleting(&object.value) {
                leaving |= !empty(&api, name, &object.value).await;
            } else if furnished.insert(meta::text(&object.value, "uid").to_owned()) {
                furnish(&api, name).await;
            } else {
                keep_root(&api, name).await;
            }
        }
        tokio::select! {
            changed = revision.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(AGAIN), if leaving => {}
            () = api.stopping() => return,
        }
    }
}

/// What pods need to exist in a namespace.
pub(crate) async fn furnish(api: &Api, namespace: &str) {
    create(api, "serviceaccounts", namespace, "default", json!({})).await;
    keep_root(api, namespace).await;
}

/// Publishes the server's certificate authority, and puts back what somebody changed or removed. Nobody else does.
async fn keep_root(api: &Api, namespace: &str) {
    const KEY: &str = "ca.crt";
    let pem = &api.pki.ca_pem;
    let maps = ResourceId::new("", "configmaps");
    let Some(map) = api.storage.get(&maps, namespace, ROOT_CA) else {
        let data = json!({"data": {KEY: pem}});
        return create(api, "configmaps", namespace, ROOT_CA, data).await;
    };
    if map.value["data"][KEY] == **pem || meta::is_deleting(&map.value) {
        return;
    }
    let Some(call) = api.internal_call("", "configmaps", "update", namespace, ROOT_CA) else {
        return;
    };
    let change = |current: &Value| {
        let mut next = current.clone();
        next["data"][KEY] = pem.as_str().into();
        Ok(next)
    };
    if let Err(error) = api.update(&call, change).await {
        tracing::warn!(
            namespace,
            error = error.message(),
            "{ROOT_CA} was changed and cannot be corrected"
        );
    }
}

/// Creates an object; one that is there stays as it is.
async fn create(api: &Api, plural: &str, namespace: &str, name: &str, mut object: Value) {
    object["metadata"] = json!({"name": name});
    let Some(mut call) = api.internal_call("", plural, "create", namespace, name) else {
        return;
    };
    match api.create(&mut call, object).await {
        Err(error) if error.code() != 409 => {
            tracing::warn!(
                namespace,
                plural,
                error = error.message(),
                "cannot furnish the namespace"
            );
        }
        _ => {}
    }
}

fn namespaced(api: &Api) -> impl Iterator<Item = Arc<Resource>> {
    api.registry.stored().into_iter().filter(|r| r.namespaced)
}

/// Plural names of the types that have objects in the namespace.
fn remaining(api: &Api, name: &str) -> Vec<String> {
    let has = |r: &Arc<Resource>| {
        api.storage
            .snapshot(&r.id)
            .range(Some(name), None)
            .next()
            .is_some()
    };
    namespaced(api)
        .filter(has)
        .map(|r| r.plural().to_owned())
        .collect()
}

/// Deletes the content. True once the namespace itself is gone.
async fn empty(api: &Api, name: &str, namespace: &Value) -> bool {
    for resource in namespaced(api) {
        for ((_, object_name), object) in api.storage.snapshot(&resource.id).range(Some(name), None)
        {
            if meta::is_deleting(&object.value) {
                continue;
            }
            let call = Call::internal(resource.clone(), "delete", name, object_name);
            if let Err(error) = api.delete(&call, &DeleteOptions::default()).await {
                tracing::debug!(
                    namespace = name,
                    error = error.message(),
                    "content stays for now"
                );
            }
        }
    }
    let Some(mut call) = api.internal_call("", "namespaces", "update", "", name) else {
        return false;
    };
    let remaining = remaining(api, name);
    if remaining.is_empty() {
        let finalizers = namespace["spec"]["finalizers"]
            .as_array()
            .into_iter()
            .flatten();
        let others: Vec<Value> = finalizers.filter(|f| *f != "kubernetes").cloned().collect();
        return api.finalize(&call, &others.into()).await.is_ok();
    }
    let message = format!("Some resources are remaining: {}", remaining.join(", "));
    call.subresource = "status".into();
    let change = |current: &Value| {
        let mut next = current.clone();
        conditions::set(
            &mut next,
            "NamespaceContentRemaining",
            "True",
            "SomeResourcesRemain",
            &message,
        );
        Ok(next)
    };
    if let Err(error) = api.update(&call, change).await {
        tracing::debug!(
            namespace = name,
            error = error.message(),
            "the namespace changed meanwhile"
        );
    }
    false
}
