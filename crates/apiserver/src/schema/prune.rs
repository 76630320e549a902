//! Removes what a schema does not know.

use serde_json::Value;

use super::{embeds, is_root_field, join, of_field, preserves};

/// Prunes an object; returns the paths of what was removed.
pub(crate) fn object(schema: &Value, object: &mut Value) -> Vec<String> {
    let mut removed = Vec::new();
    prune(schema, object, "", true, &mut removed);
    removed
}

/// As [`object`], for any value at `path`; nothing is implied at its root.
pub(crate) fn value(schema: &Value, value: &mut Value, path: &str) -> Vec<String> {
    let mut removed = Vec::new();
    prune(schema, value, path, false, &mut removed);
    removed
}

fn prune(schema: &Value, value: &mut Value, path: &str, resource: bool, removed: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            let open = preserves(schema) || schema["additionalProperties"] == true;
            map.retain(|key, value| {
                if resource && is_root_field(key) {
                    return true;
                }
                match of_field(schema, key) {
                    Some(field) => {
                        prune(field, value, &join(path, key), embeds(field), removed);
                        true
                    }
                    None if open => true,
                    None => {
                        removed.push(join(path, key));
                        false
                    }
                }
            });
        }
        Value::Array(list) => {
            let items = &schema["items"];
            if items.is_object() {
                for (i, item) in list.iter_mut().enumerate() {
                    prune(items, item, &format!("{path}[{i}]"), embeds(items), removed);
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn removes_unknown_fields_and_names_them() {
        let schema = json!({"type": "object", "properties": {"spec": {"type": "object", "properties": {
            "list": {"type": "array", "items": {"type": "object", "properties": {"a": {"type": "string"}}}},
            "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
            "map": {"type": "object", "additionalProperties": {"type": "object", "properties": {}}},
        }}}});
        let mut value = json!({"apiVersion": "x/v1", "kind": "X", "metadata": {"name": "n"}, "extra": 1,
            "spec": {"list": [{"a": "1", "b": "2"}], "free": {"any": 1}, "map": {"k": {"no": 1}}}});
        let removed = object(&schema, &mut value);
        assert_eq!(removed, ["extra", "spec.list[0].b", "spec.map.k.no"]);
        assert_eq!(
            value["spec"],
            json!({"list": [{"a": "1"}], "free": {"any": 1}, "map": {"k": {}}})
        );
    }
}
