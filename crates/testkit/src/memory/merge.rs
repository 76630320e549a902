//! The three patch types. Strategic merge knows the list keys of the common built-in fields.

use serde_json::{Map, Value};

/// RFC 7396.
pub(crate) fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(fields) = target else {
        return;
    };
    for (name, value) in patch {
        if value.is_null() {
            fields.remove(name);
        } else {
            merge(fields.entry(name.clone()).or_insert(Value::Null), value);
        }
    }
}

/// Kubernetes' strategic merge: lists of objects merge by key.
pub(crate) fn strategic(target: &mut Value, patch: &Value) {
    let (Value::Object(fields), Value::Object(patch)) = (&mut *target, patch) else {
        merge(target, patch);
        return;
    };
    for (name, value) in patch {
        match (fields.get_mut(name), value) {
            (_, Value::Null) => {
                fields.remove(name);
            }
            (Some(Value::Array(old)), Value::Array(new)) if merge_key(name).is_some() => {
                merge_lists(old, new, merge_key(name).unwrap_or("name"));
            }
            (Some(old), new) => strategic(old, new),
            (None, new) => {
                let mut fresh = Value::Null;
                merge(&mut fresh, new);
                fields.insert(name.clone(), fresh);
            }
        }
    }
}

fn merge_key(field: &str) -> Option<&'static str> {
    match field {
        "containers" | "initContainers" | "env" | "volumes" | "imagePullSecrets" => Some("name"),
        "conditions" => Some("type"),
        "volumeMounts" => Some("mountPath"),
        "ownerReferences" => Some("uid"),
        "addresses" => Some("type"),
        _ => None,
    }
}

fn merge_lists(old: &mut Vec<Value>, new: &[Value], key: &str) {
    for item in new {
        let at = old.iter().position(|o| o[key] == item[key]);
        match (item["$patch"].as_str(), at) {
            (Some("delete"), Some(at)) => {
                old.remove(at);
            }
            (Some("delete"), None) => {}
            (_, Some(at)) => strategic(&mut old[at], item),
            (_, None) => old.push(item.clone()),
        }
    }
}

/// RFC 6902.
pub(crate) fn json(target: &mut Value, patch: &Value) -> Result<(), String> {
    let operations: json_patch::Patch =
        serde_json::from_value(patch.clone()).map_err(|e| e.to_string())?;
    json_patch::patch(target, &operations).map_err(|e| e.to_string())
}
