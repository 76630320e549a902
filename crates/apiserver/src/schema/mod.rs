//! Structural OpenAPI v3 schemas at work: pruning, defaulting and validation of objects.

pub(crate) mod default;
pub(crate) mod prune;
pub(crate) mod validate;

use serde_json::Value;

/// Root fields that every object has, whatever its schema says.
fn is_root_field(key: &str) -> bool {
    matches!(key, "apiVersion" | "kind" | "metadata")
}

fn preserves(schema: &Value) -> bool {
    schema["x-kubernetes-preserve-unknown-fields"] == true
}

fn embeds(schema: &Value) -> bool {
    schema["x-kubernetes-embedded-resource"] == true
}

/// The schema of a field, from `properties` or `additionalProperties`.
fn of_field<'a>(schema: &'a Value, key: &str) -> Option<&'a Value> {
    if let Some(found) = schema["properties"].get(key) {
        return Some(found);
    }
    match &schema["additionalProperties"] {
        Value::Object(_) => Some(&schema["additionalProperties"]),
        _ => None,
    }
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}
