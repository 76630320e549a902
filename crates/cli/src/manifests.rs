//! Built-in manifests, and applying them: create what is missing, merge into what is there.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use api::kinds;
use api::store::{Patch, ResourceType, Store, StoreError};
use base::ObjectKey;
use serde_json::{Value, json};

use crate::processes::EngineArg;

pub(crate) const SYSTEM: &str = include_str!("../manifests/system.yaml");
pub(crate) const WEBHOOKS: &str = include_str!("../manifests/webhooks.yaml");

/// A file of the Bookinfo sample.
macro_rules! bookinfo {
    ($name:literal) => {
        (
            $name,
            include_str!(concat!("../../../samples/bookinfo/yaml/", $name)),
        )
    };
}

/// What `--demo` applies, in this order.
pub(crate) const DEMO: [(&str, &str); 5] = [
    bookinfo!("bookinfo-gateway.yaml"),
    bookinfo!("destination-rule-reviews.yaml"),
    bookinfo!("virtual-service-reviews-canary.yaml"),
    bookinfo!("peer-authentication-strict.yaml"),
    bookinfo!("bookinfo.yaml"),
];

/// The ingress gateway for an engine.
pub(crate) fn gateway(engine: EngineArg) -> String {
    let (image, args) = match engine {
        EngineArg::Ferromesh => ("ferromesh/proxy", "[gateway]"),
        EngineArg::Envoy => ("ferromesh/agent", "[gateway, --engine, envoy]"),
    };
    include_str!("../manifests/gateway.yaml")
        .replace("${PROXY_IMAGE}", image)
        .replace("${GATEWAY_ARGS}", args)
}

/// Applies every document of `text`; `name` is for errors.
pub(crate) async fn apply_text(store: &dyn Store, text: &str, name: &str) -> anyhow::Result<usize> {
    let objects = objects(text, name)?;
    let count = objects.len();
    for object in objects {
        apply(store, declared(object))
            .await
            .with_context(|| name.to_owned())?;
    }
    Ok(count)
}

/// Where `kubectl apply` keeps what it was last given, to know what is gone from the next text.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// The object as `kubectl apply` would write it, so that people go on with `kubectl apply`.
fn declared(mut object: Value) -> Value {
    let text = format!("{object}\n");
    let metadata = object.get_mut("metadata");
    if let Some(metadata) = metadata.and_then(Value::as_object_mut) {
        let annotations = metadata.entry("annotations").or_insert(json!({}));
        if let Some(annotations) = annotations.as_object_mut() {
            annotations.insert(LAST_APPLIED.into(), json!(text));
        }
    }
    object
}

/// The objects of a text, `List`s taken apart.
pub(crate) fn objects(text: &str, name: &str) -> anyhow::Result<Vec<Value>> {
    let documents = api::parse::documents(text, name).map_err(|errors| {
        anyhow::anyhow!(
            errors
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join("\n")
        )
    })?;
    let values = documents.iter().map(api::parse::Node::to_value);
    Ok(values
        .filter(|value| !value.is_null())
        .flat_map(flatten)
        .collect())
}

/// Applies a file, or every `.yaml`, `.yml` and `.json` of a directory in the order of their names.
pub(crate) async fn apply_path(store: &dyn Store, path: &Path) -> anyhow::Result<usize> {
    let mut files: Vec<PathBuf> = vec![path.to_owned()];
    if path.is_dir() {
        files = std::fs::read_dir(path)?
            .map(|entry| entry.map(|e| e.path()))
            .collect::<Result<_, _>>()?;
        files.retain(|f| {
            f.extension()
                .is_some_and(|e| ["yaml", "yml", "json"].iter().any(|x| e == *x))
        });
        files.sort();
    }
    let mut count = 0;
    for file in &files {
        let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
        count += apply_text(store, &text, &file.display().to_string()).await?;
    }
    Ok(count)
}

/// Sets one label of a namespace.
pub(crate) async fn label_namespace(
    store: &dyn Store,
    namespace: &str,
    label: &str,
    value: &str,
) -> Result<(), StoreError> {
    let patch = Patch::Merge(json!({"metadata": {"labels": {label: value}}}));
    store
        .patch(&kinds::NAMESPACE, &ObjectKey::new("", namespace), patch)
        .await
        .map(drop)
}

/// A `List` is its items.
fn flatten(value: Value) -> Vec<Value> {
    match value {
        Value::Object(mut map) if map.get("kind").is_some_and(|k| k == "List") => {
            match map.remove("items") {
                Some(Value::Array(items)) => items,
                _ => Vec::new(),
            }
        }
        other => vec![other],
    }
}

/// Creates the object unless there is one.
pub(crate) async fn create_if_missing(store: &dyn Store, object: Value) -> anyhow::Result<()> {
    put(store, object, Existing::Keep).await
}

/// Creates the object, or merges it into the one that is there.
pub(crate) async fn apply(store: &dyn Store, object: Value) -> anyhow::Result<()> {
    put(store, object, Existing::Merge).await
}

/// What becomes of an object that is there already.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Existing {
    Keep,
    Merge,
}

async fn put(store: &dyn Store, mut object: Value, existing: Existing) -> anyhow::Result<()> {
    let (version, kind) = (text(&object["apiVersion"]), text(&object["kind"]));
    let Some(ty) = resource_type(&version, &kind) else {
        bail!("{version} {kind}: no such kind here; `kubectl api-resources` lists the kinds");
    };
    if ty.namespaced && object["metadata"]["namespace"].is_null() {
        object["metadata"]["namespace"] = json!("default");
    }
    let namespace = if ty.namespaced {
        text(&object["metadata"]["namespace"])
    } else {
        String::new()
    };
    let key = ObjectKey::new(namespace, text(&object["metadata"]["name"]));
    let what = format!("{kind} {key}");
    match store.create(&ty, object.clone()).await {
        Err(StoreError::AlreadyExists(_)) if existing == Existing::Keep => {}
        Err(StoreError::AlreadyExists(_)) => {
            store
                .patch(&ty, &key, Patch::Merge(object))
                .await
                .with_context(|| what)?;
        }
        other => {
            other.with_context(|| what)?;
        }
    }
    Ok(())
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// The type that a manifest names, at the version that it names.
fn resource_type(api_version: &str, kind: &str) -> Option<ResourceType> {
    let (group, version) = api_version.rsplit_once('/').unwrap_or(("", api_version));
    let known = kinds::ALL
        .iter()
        .find(|ty| ty.group == group && ty.kind == kind)?;
    let version = kinds::ALL
        .iter()
        .map(|ty| ty.version)
        .chain(["v1", "v1beta1", "v1alpha3", "v1alpha1", "v2"])
        .find(|known| *known == version)?;
    Some(ResourceType { version, ..*known })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_declared_object_remembers_its_text() {
        let object = json!({"kind": "A", "metadata": {"name": "a"}, "spec": {"b": 1}});
        let declared = declared(object.clone());
        let text = declared["metadata"]["annotations"][LAST_APPLIED].as_str();
        assert_eq!(
            serde_json::from_str::<Value>(text.unwrap()).unwrap(),
            object
        );
        assert_eq!(declared["spec"], object["spec"]);
    }
}
