//! The objects that every cluster has: namespaces and the Service of the API server.

use serde_json::{Value, json};

use crate::api::Api;
use crate::error::ApiError;

const NAMESPACES: &[&str] = &["default", "kube-system", "kube-public", "kube-node-lease"];

/// Creates what is missing. The error names the object.
pub(crate) async fn run(api: &Api) -> Result<(), (String, ApiError)> {
    for name in NAMESPACES {
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
        ensure(api, "", "namespaces", "", namespace).await?;
    }
    Ok(())
}

async fn ensure(api: &Api, group: &str, plural: &str, namespace: &str, object: Value) -> Result<(), (String, ApiError)> {
    let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    let what = format!("{plural} {name}");
    let Some(mut call) = api.internal_call(group, plural, "create", namespace, &name) else {
        return Err((what, ApiError::no_route()));
    };
    match api.create(&mut call, object).await {
        Err(error) if error.code() != 409 => Err((what, error)),
        _ => Ok(()),
    }
}
