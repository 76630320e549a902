//! The metadata that the server owns: names, uid, times, generation.

use serde_json::{Map, Value};

use super::call::Call;
use crate::clock;
use crate::error::{ApiError, ApiResult, Cause};

const SUFFIX: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
const MAX_GENERATED: usize = 58;

pub(crate) fn metadata(object: &mut Value) -> &mut Map<String, Value> {
    if !object["metadata"].is_object() {
        object["metadata"] = Value::Object(Map::new());
    }
    object["metadata"]
        .as_object_mut()
        .expect("made an object just above")
}

pub(crate) fn text<'a>(object: &'a Value, field: &str) -> &'a str {
    object["metadata"][field].as_str().unwrap_or_default()
}

pub(crate) fn random_suffix() -> String {
    (0..5)
        .map(|_| char::from(SUFFIX[fastrand::usize(..SUFFIX.len())]))
        .collect()
}

pub(crate) fn has_finalizers(object: &Value) -> bool {
    object["metadata"]["finalizers"]
        .as_array()
        .is_some_and(|f| !f.is_empty())
}

pub(crate) fn is_deleting(object: &Value) -> bool {
    object["metadata"]["deletionTimestamp"].is_string()
}

/// Checks that the body is an object of the type that the path names, in the namespace of the path.
pub(crate) fn check_type(call: &Call, object: &mut Value) -> ApiResult<()> {
    let Some(map) = object.as_object_mut() else {
        return Err(ApiError::bad_request(
            "the object provided is not a JSON object",
        ));
    };
    let (wanted_version, wanted_kind) =
        (call.resource.api_version(), call.resource.kind.to_string());
    for (field, wanted) in [("apiVersion", &wanted_version), ("kind", &wanted_kind)] {
        let found = map.entry(field).or_insert_with(|| wanted.clone().into());
        if found.as_str() != Some(wanted) {
            let message = format!(
                "the {field} in the data ({found}) does not match the expected {field} ({wanted})"
            );
            return Err(ApiError::bad_request(message));
        }
    }
    check_shape(object)?;
    let namespace = call.namespace.clone();
    let given = text(object, "namespace").to_owned();
    if call.resource.namespaced {
        if !given.is_empty() && given != namespace {
            return Err(ApiError::bad_request(format!(
                "the namespace of the provided object does not match the namespace sent on the request: expected {namespace:?}, got {given:?}"
            )));
        }
        metadata(object).insert("namespace".into(), namespace.into());
    } else if !given.is_empty() {
        metadata(object).remove("namespace");
    }
    Ok(())
}

/// The parts of the metadata that everything else relies on have the right types.
fn check_shape(object: &mut Value) -> ApiResult<()> {
    let meta = metadata(object);
    let bad = |field: &str, want: &str| {
        ApiError::bad_request(format!(
            "the object provided is unrecognized: metadata.{field} must be {want}"
        ))
    };
    meta.retain(|_, value| !value.is_null());
    for field in [
        "name",
        "generateName",
        "namespace",
        "uid",
        "resourceVersion",
        "deletionTimestamp",
        "creationTimestamp",
    ] {
        if meta.get(field).is_some_and(|v| !v.is_string()) {
            return Err(bad(field, "a string"));
        }
    }
    for field in ["labels", "annotations"] {
        if let Some(value) = meta.get(field) {
            let strings = value
                .as_object()
                .is_some_and(|map| map.values().all(Value::is_string));
            if !strings {
                return Err(bad(field, "a map of strings"));
            }
        }
    }
    if meta
        .get("finalizers")
        .is_some_and(|v| !v.as_array().is_some_and(|a| a.iter().all(Value::is_string)))
    {
        return Err(bad("finalizers", "a list of strings"));
    }
    if meta
        .get("ownerReferences")
        .is_some_and(|v| !v.as_array().is_some_and(|a| a.iter().all(Value::is_object)))
    {
        return Err(bad("ownerReferences", "a list of objects"));
    }
    Ok(())
}

/// Chooses the name of a new object.
pub(crate) fn choose_name(call: &Call, object: &mut Value) -> ApiResult<()> {
    if text(object, "name").is_empty() {
        let prefix = text(object, "generateName").to_owned();
        if prefix.is_empty() {
            let cause = Cause::required("metadata.name", "name or generateName is required");
            return Err(ApiError::invalid(
                call.resource.group(),
                &call.resource.kind,
                "",
                &[cause],
            ));
        }
        let end = (0..=prefix.len().min(MAX_GENERATED))
            .rev()
            .find(|i| prefix.is_char_boundary(*i))
            .unwrap_or(0);
        let name = format!("{}{}", &prefix[..end], random_suffix());
        metadata(object).insert("name".into(), name.into());
    }
    Ok(())
}

/// Fills what a new object gets from the server.
pub(crate) fn initialise(call: &Call, object: &mut Value) {
    let meta = metadata(object);
    for field in [
        "resourceVersion",
        "selfLink",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "managedFields",
    ] {
        meta.remove(field);
    }
    meta.insert("uid".into(), uuid::Uuid::new_v4().to_string().into());
    meta.insert("creationTimestamp".into(), clock::now().into());
    if counts_generations(call) {
        meta.insert("generation".into(), 1.into());
    } else {
        meta.remove("generation");
    }
}

/// Types whose spec is acted on by something that reports the generation that it saw.
fn counts_generations(call: &Call) -> bool {
    let builtin = matches!(
        call.resource.plural(),
        "deployments"
            | "replicasets"
            | "pods"
            | "endpointslices"
            | "customresourcedefinitions"
            | "mutatingwebhookconfigurations"
            | "validatingwebhookconfigurations"
    );
    builtin || call.resource.custom().is_some()
}

/// Fields of the metadata that an update cannot change.
const IMMUTABLE: &[&str] = &[
    "name",
    "namespace",
    "uid",
    "creationTimestamp",
    "generateName",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "selfLink",
    "resourceVersion",
    "generation",
    "managedFields",
];

/// Carries the server's metadata from `old` into `new`, refusing attempts to change the identity.
pub(crate) fn carry(call: &Call, old: &Value, new: &mut Value) -> ApiResult<()> {
    for field in ["name", "uid"] {
        let given = text(new, field);
        if given.is_empty() || given == text(old, field) {
            continue;
        }
        if field == "uid" {
            let why = format!(
                "Precondition failed: UID in precondition: {given}, UID in object meta: {}",
                text(old, "uid")
            );
            return Err(call.conflict(why));
        }
        let message = format!(
            "the name of the object ({given}) does not match the name on the URL ({})",
            call.name
        );
        return Err(ApiError::bad_request(message));
    }
    let old_meta = old["metadata"].as_object().cloned().unwrap_or_default();
    let meta = metadata(new);
    for field in IMMUTABLE {
        match old_meta.get(*field) {
            Some(value) => meta.insert((*field).into(), value.clone()),
            None => meta.remove(*field),
        };
    }
    Ok(())
}

/// Everything but metadata and status: a change of it is a new generation.
fn desired(object: &Value) -> impl Iterator<Item = (&String, &Value)> {
    let fields = object.as_object().into_iter().flatten();
    fields.filter(|(key, _)| !matches!(key.as_str(), "metadata" | "status" | "apiVersion" | "kind"))
}

/// Counts the generation up when what is desired changed.
pub(crate) fn bump_generation(call: &Call, old: &Value, new: &mut Value) {
    if counts_generations(call) && !desired(old).eq(desired(new)) {
        let generation = old["metadata"]["generation"].as_i64().unwrap_or(0) + 1;
        metadata(new).insert("generation".into(), generation.into());
    }
}
