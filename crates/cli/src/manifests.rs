//! Built-in manifests, and applying them: create what is missing, merge into what is there.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use api::kinds;
use api::parse::Document;
use api::store::{Patch, Query, ResourceType, Store, StoreError};
use base::ObjectKey;
use serde_json::{Value, json};

use crate::exit::{Code, Failure};
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

/// A file of the user's, read and found to be right as far as that can be known without an API server.
#[derive(Debug)]
pub(crate) struct Manifest {
    pub(crate) name: String,
    objects: Vec<Value>,
}

/// Reads files, and of directories every `.yaml`, `.yml` and `.json` in the order of their names. The error
/// has every mistake with file, line and column; warnings go to standard error.
pub(crate) fn read(paths: &[PathBuf]) -> anyhow::Result<Vec<Manifest>> {
    let mut mistakes = Vec::new();
    let mut manifests = Vec::new();
    for path in paths {
        for file in files(path)? {
            let name = file.display().to_string();
            let text = std::fs::read_to_string(&file)
                .map_err(|error| unreadable(&file, &error.to_string()))?;
            let documents = api::parse::parse_file(&name, &text);
            for found in documents.iter().flat_map(|document| &document.diagnostics) {
                match found.is_error() {
                    true => mistakes.push(found.to_string()),
                    false => eprintln!("{found}"),
                }
            }
            if documents.is_empty() {
                eprintln!("{name}: warning: there is no object in it");
            }
            let objects = documents.into_iter().map(|Document { value, .. }| value);
            manifests.push(Manifest {
                name,
                objects: objects.collect(),
            });
        }
    }
    if mistakes.is_empty() {
        return Ok(manifests);
    }
    let message = format!(
        "the manifests are wrong; nothing was started\n{}",
        mistakes.join("\n")
    );
    Err(Failure::new(Code::Failure, message).into())
}

fn files(path: &Path) -> anyhow::Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let failed = |error: std::io::Error| unreadable(path, &error.to_string());
    let mut files: Vec<PathBuf> = std::fs::read_dir(path)
        .map_err(failed)?
        .map(|entry| entry.map(|e| e.path()))
        .collect::<Result<_, _>>()
        .map_err(failed)?;
    let wanted = |file: &PathBuf| {
        let extension = file.extension().and_then(|e| e.to_str());
        file.is_file() && matches!(extension, Some("yaml" | "yml" | "json"))
    };
    files.retain(wanted);
    files.sort();
    if files.is_empty() {
        return Err(unreadable(path, "the directory has no .yaml, .yml or .json file").into());
    }
    Ok(files)
}

fn unreadable(path: &Path, why: &str) -> Failure {
    Failure::new(Code::Failure, format!("-f {}: {why}", path.display()))
        .remedy("ferromesh up -f FILE-OR-DIRECTORY")
}

/// Applies what was read; the number of objects.
pub(crate) async fn apply_manifest(store: &dyn Store, manifest: Manifest) -> anyhow::Result<usize> {
    let Manifest { name, objects } = manifest;
    let count = objects.len();
    for object in objects {
        apply(store, object).await.with_context(|| name.clone())?;
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

/// A custom resource is served a moment after its definition is created.
const ESTABLISHED: Duration = Duration::from_secs(5);

async fn put(store: &dyn Store, mut object: Value, existing: Existing) -> anyhow::Result<()> {
    let (version, kind) = (text(&object["apiVersion"]), text(&object["kind"]));
    let Some(ty) = resource_type(store, &version, &kind).await? else {
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
    let deadline = tokio::time::Instant::now() + ESTABLISHED;
    loop {
        match store.create(&ty, object.clone()).await {
            Err(StoreError::AlreadyExists(_)) if existing == Existing::Keep => return Ok(()),
            Err(StoreError::AlreadyExists(_)) => {
                let patch = Patch::Merge(object);
                store.patch(&ty, &key, patch).await.with_context(|| what)?;
                return Ok(());
            }
            // Of the namespace, or of the kind itself.
            Err(StoreError::NotFound(missing)) if missing.contains("namespaces") => {
                let namespace = &key.namespace;
                bail!(
                    "{what}: namespace {namespace} not found; create it before, in the same file or one that is read earlier"
                );
            }
            Err(StoreError::NotFound(_)) if tokio::time::Instant::now() > deadline => {
                bail!(
                    "{what}: {version} {kind} is not served here; `kubectl api-resources` lists the kinds"
                );
            }
            Err(StoreError::NotFound(_)) => tokio::time::sleep(Duration::from_millis(50)).await,
            other => {
                other.with_context(|| what)?;
                return Ok(());
            }
        }
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// The type that a manifest names, at the version that it names.
async fn resource_type(
    store: &dyn Store,
    api_version: &str,
    kind: &str,
) -> Result<Option<ResourceType>, StoreError> {
    if let Some(ty) = kinds::by_api_version(api_version, kind) {
        let (_, version) = api_version.rsplit_once('/').unwrap_or(("", api_version));
        let served = kinds::served_versions(ty).iter().find(|v| **v == version);
        return Ok(served.map(|version| ResourceType { version, ..*ty }));
    }
    let definitions = store
        .list(&kinds::CUSTOM_RESOURCE_DEFINITION, &Query::default())
        .await?;
    Ok(definitions
        .iter()
        .find_map(|definition| custom(definition, api_version, kind)))
}

/// The type that a definition serves, if it is the one.
fn custom(definition: &Value, api_version: &str, kind: &str) -> Option<ResourceType> {
    let spec = &definition["spec"];
    let (group, version) = api_version.split_once('/')?;
    let served = spec["versions"].as_array()?.iter();
    let mut served = served.filter(|v| v["served"] == true);
    if spec["group"] != group
        || spec["names"]["kind"] != kind
        || !served.any(|v| v["name"] == version)
    {
        return None;
    }
    // A handful in the life of the process.
    let keep = |text: &str| -> &'static str { Box::leak(text.to_owned().into_boxed_str()) };
    Some(ResourceType {
        group: keep(group),
        version: keep(version),
        kind: keep(kind),
        plural: keep(spec["names"]["plural"].as_str()?),
        namespaced: spec["scope"] == "Namespaced",
    })
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
