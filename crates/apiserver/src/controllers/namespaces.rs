//! Gives every namespace its root certificate and default account, and empties those that are deleted.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::admission::ROOT_CA;
use crate::api::Api;
use crate::conditions;
use crate::objects::delete::DeleteOptions;
use crate::objects::meta;
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
            }
        }
        tokio::select! {
            changed = revision.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(AGAIN), if leaving => {}
            () = api.stopping() => return,
        }
    }
}

/// What pods need to exist in a namespace; what is there stays as it is.
pub(crate) async fn furnish(api: &Api, namespace: &str) {
    let account = json!({"metadata": {"name": "default"}});
    let root = json!({"metadata": {"name": ROOT_CA}, "data": {"ca.crt": api.pki.ca_pem}});
    for (plural, object) in [("serviceaccounts", account), ("configmaps", root)] {
        let name = object["metadata"]["name"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        let Some(mut call) = api.internal_call("", plural, "create", namespace, &name) else {
            continue;
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
}

/// Deletes the content. True once the namespace itself is gone.
async fn empty(api: &Api, name: &str, namespace: &Value) -> bool {
    let mut remaining = Vec::new();
    for resource in api.registry.stored().into_iter().filter(|r| r.namespaced) {
        let snapshot = api.storage.snapshot(&resource.id);
        for ((_, object_name), object) in snapshot.range(Some(name), None) {
            remaining.push(resource.plural().to_owned());
            if meta::is_deleting(&object.value) {
                continue;
            }
            let call =
                crate::objects::call::Call::internal(resource.clone(), "delete", name, object_name);
            if let Err(error) = api.delete(&call, &DeleteOptions::default()).await {
                tracing::debug!(
                    namespace = name,
                    error = error.message(),
                    "content stays for now"
                );
            }
        }
    }
    let left = api.registry.stored().into_iter().filter(|r| r.namespaced);
    let left = left
        .filter(|r| {
            api.storage
                .snapshot(&r.id)
                .range(Some(name), None)
                .next()
                .is_some()
        })
        .count();
    let Some(mut call) = api.internal_call("", "namespaces", "update", "", name) else {
        return false;
    };
    if left == 0 {
        let finalizers: Vec<Value> = namespace["spec"]["finalizers"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|f| *f != "kubernetes")
            .cloned()
            .collect();
        return api.finalize(&call, &finalizers.into()).await.is_ok();
    }
    remaining.dedup();
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
