//! One raw object, decoded for its table or refused whole.

use std::collections::BTreeMap;
use std::sync::Arc;

use base::{ContentHash, ContentHasher, ObjectKey, ObjectRef};
use k8s_openapi::api::core::v1 as core;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::{Quarantine, Resource};
use crate::istio;
use crate::parse::decode_value;
use crate::path::Path;
use crate::store::ResourceType;
use crate::validate::{Rules, spec_rules};
use crate::{Diagnostic, unsupported};

/// What every object has beside its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meta {
    pub kind: &'static str,
    pub key: ObjectKey,
    pub uid: Arc<str>,
    pub labels: BTreeMap<String, String>,
    pub annotations: BTreeMap<String, String>,
    /// Unix seconds; 0 if unknown.
    pub created: i64,
    pub generation: i64,
    pub resource_version: Arc<str>,
}

impl Meta {
    /// Kind and key.
    #[must_use]
    pub fn reference(&self) -> ObjectRef {
        ObjectRef {
            kind: self.kind.into(),
            key: self.key.clone(),
        }
    }
}

pub(super) enum Parsed<T> {
    Nameless,
    Refused(Quarantine),
    Good(Resource<T>),
}

/// Repeats the whole object and follows every `kubectl apply`.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

pub(super) fn parse<T: Content>(ty: &ResourceType, object: &Value) -> Parsed<T> {
    let Some(meta) = meta(ty, object) else {
        return Parsed::Nameless;
    };
    match T::read(ty, object) {
        Ok(spec) => {
            let hash = hash(&meta, object);
            Parsed::Good(Resource { meta, spec, hash })
        }
        Err(diagnostics) => Parsed::Refused(Quarantine { meta, diagnostics }),
    }
}

/// What a table holds of an object.
pub(super) trait Content: Sized {
    fn read(ty: &ResourceType, object: &Value) -> Result<Self, Vec<Diagnostic>>;
}

macro_rules! content {
    (kubernetes: $($kind:ty,)*) => {
        $(impl Content for $kind {
            fn read(ty: &ResourceType, object: &Value) -> Result<Self, Vec<Diagnostic>> {
                let object = without_noise(ty, object);
                Self::deserialize(&object).or_else(|_| decode_value(&object, Path::Root))
            }
        })*
    };
    (istio: $($kind:ty,)*) => {
        $(impl Content for $kind {
            fn read(ty: &ResourceType, object: &Value) -> Result<Self, Vec<Diagnostic>> {
                custom(ty, object)
            }
        })*
    };
}

content! {
    kubernetes:
    core::Namespace,
    core::Service,
    core::Pod,
    core::Node,
    core::Secret,
    core::ConfigMap,
    core::ServiceAccount,
    EndpointSlice,
}

content! {
    istio:
    istio::VirtualService,
    istio::DestinationRule,
    istio::Gateway,
    istio::ServiceEntry,
    istio::PeerAuthentication,
    istio::Telemetry,
    istio::ProxyConfig,
}

/// Strict: an object of ours that is not understood whole is not used at all. The decoder of
/// `serde_json` is the fast way; where it fails, ours says why.
fn custom<T: DeserializeOwned + Rules>(
    ty: &ResourceType,
    object: &Value,
) -> Result<T, Vec<Diagnostic>> {
    let empty = Value::Object(Map::new());
    let spec = object
        .get("spec")
        .filter(|spec| !spec.is_null())
        .unwrap_or(&empty);
    let decoded: T =
        T::deserialize(spec).or_else(|_| decode_value(spec, Path::Root.key("spec")))?;
    let metadata = ObjectMeta {
        name: object
            .pointer("/metadata/name")
            .and_then(Value::as_str)
            .map(str::to_owned),
        namespace: object
            .pointer("/metadata/namespace")
            .and_then(Value::as_str)
            .map(str::to_owned),
        ..ObjectMeta::default()
    };
    let mut diagnostics = spec_rules(&decoded, &metadata);
    diagnostics.retain(Diagnostic::is_error);
    diagnostics.extend(unsupported(ty, object));
    if diagnostics.is_empty() {
        Ok(decoded)
    } else {
        Err(diagnostics)
    }
}

/// Leaves out what changes without meaning anything to the mesh.
fn without_noise(ty: &ResourceType, object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
        metadata.remove("resourceVersion");
        if let Some(annotations) = metadata
            .get_mut("annotations")
            .and_then(Value::as_object_mut)
        {
            annotations.remove(LAST_APPLIED);
        }
    }
    if ty.kind == "Node"
        && let Some(status) = object.get_mut("status").and_then(Value::as_object_mut)
    {
        // Heartbeats and image lists.
        status.remove("conditions");
        status.remove("images");
    }
    object
}

fn meta(ty: &ResourceType, object: &Value) -> Option<Meta> {
    let metadata = object.get("metadata")?;
    let text = |field: &str| {
        metadata
            .get(field)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let name = text("name");
    if name.is_empty() {
        return None;
    }
    let namespace = match (ty.namespaced, text("namespace")) {
        (false, _) => "",
        (true, "") => "default",
        (true, namespace) => namespace,
    };
    Some(Meta {
        kind: ty.kind,
        key: ObjectKey::new(namespace, name),
        uid: text("uid").into(),
        labels: strings(metadata.get("labels")),
        annotations: strings(metadata.get("annotations")),
        created: unix_seconds(text("creationTimestamp")),
        generation: metadata
            .get("generation")
            .and_then(Value::as_i64)
            .unwrap_or_default(),
        resource_version: text("resourceVersion").into(),
    })
}

fn strings(map: Option<&Value>) -> BTreeMap<String, String> {
    let entries = map.and_then(Value::as_object).into_iter().flatten();
    entries
        .filter(|(key, _)| *key != LAST_APPLIED)
        .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
        .collect()
}

fn unix_seconds(timestamp: &str) -> i64 {
    use time::format_description::well_known::Rfc3339;
    time::OffsetDateTime::parse(timestamp, &Rfc3339).map_or(0, time::OffsetDateTime::unix_timestamp)
}

fn hash(meta: &Meta, object: &Value) -> ContentHash {
    let mut hasher = ContentHasher::default();
    hasher.write(meta.key.namespace.as_bytes());
    hasher.write(meta.key.name.as_bytes());
    for (key, value) in meta
        .labels
        .iter()
        .chain([(&String::new(), &String::new())])
        .chain(&meta.annotations)
    {
        hasher.write(key.as_bytes());
        hasher.write(value.as_bytes());
    }
    for (field, value) in sorted(object.as_object()) {
        if !matches!(
            field.as_str(),
            "metadata" | "status" | "apiVersion" | "kind"
        ) {
            hasher.write(field.as_bytes());
            feed(&mut hasher, value);
        }
    }
    hasher.finish()
}

fn sorted(map: Option<&Map<String, Value>>) -> Vec<(&String, &Value)> {
    let mut entries: Vec<_> = map.into_iter().flatten().collect();
    entries.sort_unstable_by_key(|(key, _)| key.as_str());
    entries
}

fn feed(hasher: &mut ContentHasher, value: &Value) {
    match value {
        Value::Null => hasher.write(b"0"),
        Value::Bool(bool) => hasher.write(if *bool { b"true" } else { b"false" }),
        Value::Number(number) => hasher.write(number.to_string().as_bytes()),
        Value::String(text) => {
            hasher.write(b"s");
            hasher.write(text.as_bytes());
        }
        Value::Array(items) => {
            hasher.write(&items.len().to_le_bytes());
            items.iter().for_each(|item| feed(hasher, item));
        }
        Value::Object(map) => {
            hasher.write(b"{");
            for (key, value) in sorted(Some(map)) {
                hasher.write(key.as_bytes());
                feed(hasher, value);
            }
            hasher.write(b"}");
        }
    }
}
