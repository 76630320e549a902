//! Reading raw objects, and building references between them. Raw, since a typed round trip of a pod
//! template would lose the fields that we do not know.

use std::collections::BTreeMap;

use api::store::ResourceType;
use base::{ContentHasher, ObjectKey};
use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

pub(crate) fn meta<'a>(object: &'a Value, field: &str) -> &'a str {
    object["metadata"][field].as_str().unwrap_or_default()
}

pub(crate) fn key(object: &Value) -> ObjectKey {
    ObjectKey::new(meta(object, "namespace"), meta(object, "name"))
}

pub(crate) fn uid(object: &Value) -> &str {
    meta(object, "uid")
}

pub(crate) fn deleting(object: &Value) -> bool {
    !meta(object, "deletionTimestamp").is_empty()
}

pub(crate) fn generation(object: &Value) -> i64 {
    object["metadata"]["generation"].as_i64().unwrap_or(0)
}

pub(crate) fn annotation<'a>(object: &'a Value, name: &str) -> Option<&'a str> {
    object["metadata"]["annotations"][name].as_str()
}

pub(crate) fn strings(map: &Value) -> BTreeMap<String, String> {
    let entries = map.as_object().into_iter().flatten();
    entries
        .filter_map(|(k, v)| Some((k.clone(), v.as_str()?.to_owned())))
        .collect()
}

pub(crate) fn labels(object: &Value) -> BTreeMap<String, String> {
    strings(&object["metadata"]["labels"])
}

pub(crate) fn items(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// A count; absent and negative are zero.
pub(crate) fn count(value: &Value) -> i64 {
    value.as_i64().unwrap_or(0).max(0)
}

/// Unix seconds of an RFC 3339 text; 0 when there is none.
pub(crate) fn unix(text: &str) -> i64 {
    OffsetDateTime::parse(text, &Rfc3339).map_or(0, OffsetDateTime::unix_timestamp)
}

pub(crate) fn created(object: &Value) -> i64 {
    unix(meta(object, "creationTimestamp"))
}

/// As Kubernetes writes times: RFC 3339, whole seconds, UTC.
pub(crate) fn timestamp(unix: i64) -> String {
    OffsetDateTime::from_unix_timestamp(unix)
        .ok()
        .and_then(|at| at.format(&Rfc3339).ok())
        .unwrap_or_default()
}

/// The owner with `controller: true`.
pub(crate) fn controller_of(object: &Value) -> Option<&Value> {
    items(&object["metadata"]["ownerReferences"])
        .iter()
        .find(|owner| owner["controller"] == true)
}

pub(crate) fn controlled_by(object: &Value, owner: &Value) -> bool {
    controller_of(object).is_some_and(|found| found["uid"] == uid(owner))
}

/// The key of the controlling owner, when it is of this kind.
pub(crate) fn owner_key(object: &Value, kind: &str) -> Option<ObjectKey> {
    let owner = controller_of(object).filter(|owner| owner["kind"] == kind)?;
    Some(ObjectKey::new(
        meta(object, "namespace"),
        owner["name"].as_str()?,
    ))
}

pub(crate) fn controller_reference(ty: &ResourceType, owner: &Value) -> Value {
    json!({
        "apiVersion": ty.api_version(),
        "kind": ty.kind,
        "name": meta(owner, "name"),
        "uid": uid(owner),
        "controller": true,
        "blockOwnerDeletion": true,
    })
}

/// A merge patch which gives an orphan this controller.
pub(crate) fn adoption(ty: &ResourceType, owner: &Value, orphan: &Value) -> Value {
    let mut owners = items(&orphan["metadata"]["ownerReferences"]).to_vec();
    owners.push(controller_reference(ty, owner));
    // The uid guards against another object of the same name.
    json!({ "metadata": { "uid": uid(orphan), "ownerReferences": owners } })
}

/// A merge patch which takes this controller away.
pub(crate) fn release(owner: &Value, owned: &Value) -> Value {
    let rest: Vec<&Value> = items(&owned["metadata"]["ownerReferences"])
        .iter()
        .filter(|o| o["uid"] != uid(owner))
        .collect();
    json!({ "metadata": { "uid": uid(owned), "ownerReferences": rest } })
}

pub(crate) fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    items(&object["status"]["conditions"])
        .iter()
        .find(|c| c["type"] == kind)
}

pub(crate) fn pod_ready(pod: &Value) -> bool {
    condition(pod, "Ready").is_some_and(|c| c["status"] == "True")
}

pub(crate) fn pod_finished(pod: &Value) -> bool {
    matches!(
        pod["status"]["phase"].as_str(),
        Some("Succeeded" | "Failed")
    )
}

/// Without what means the same as nothing: null, empty lists and empty objects. Clients that decode
/// into types add and drop those.
pub(crate) fn normalised(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let kept: Map<String, Value> = fields
                .iter()
                .map(|(name, value)| (name.clone(), normalised(value)))
                .filter(|(_, value)| !is_empty(value))
                .collect();
            Value::Object(kept)
        }
        Value::Array(items) => items.iter().map(normalised).collect(),
        other => other.clone(),
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    }
}

/// Whether a status says this already. Typed servers leave out zeros, so those say nothing.
pub(crate) fn says(object: &Value, status: &Map<String, Value>) -> bool {
    let told = |fields: Option<&Map<String, Value>>| -> Map<String, Value> {
        let fields = fields.into_iter().flatten();
        let kept = fields.map(|(name, value)| (name.clone(), normalised(value)));
        kept.filter(|(_, value)| !is_empty(value) && *value != 0)
            .collect()
    };
    told(object["status"].as_object()) == told(Some(status))
}

/// Adds a value to a hash; the order of an object's fields does not matter.
pub(crate) fn feed(hasher: &mut ContentHasher, value: &Value) {
    match value {
        Value::Array(items) => {
            hasher.write(b"[");
            items.iter().for_each(|item| feed(hasher, item));
            hasher.write(b"]");
        }
        Value::Object(fields) => {
            let mut sorted: Vec<_> = fields.iter().collect();
            sorted.sort_unstable_by_key(|(name, _)| name.as_str());
            hasher.write(b"{");
            for (name, value) in sorted {
                hasher.write(name.as_bytes());
                feed(hasher, value);
            }
            hasher.write(b"}");
        }
        scalar => hasher.write(scalar.to_string().as_bytes()),
    }
}

/// A hash in the alphabet of Kubernetes' generated names: no vowels, so no words.
pub(crate) fn safe_hash(hash: u64) -> String {
    const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
    let decimal = (hash % (1 << 32)).to_string();
    decimal
        .bytes()
        .map(|byte| char::from(ALPHABET[usize::from(byte) % ALPHABET.len()]))
        .collect()
}
