//! Fills the defaults that a schema gives.

use serde_json::Value;

use super::of_field;

pub(crate) fn object(schema: &Value, value: &mut Value) {
    match value {
        Value::Object(map) => {
            for (key, field) in schema["properties"].as_object().into_iter().flatten() {
                let Some(default) = field.get("default") else {
                    continue;
                };
                let absent = match map.get(key) {
                    None => true,
                    Some(value) => value.is_null() && field["nullable"] != true,
                };
                if absent {
                    map.insert(key.clone(), default.clone());
                }
            }
            for (key, value) in map.iter_mut() {
                if let Some(field) = of_field(schema, key) {
                    object(field, value);
                }
            }
        }
        Value::Array(list) => {
            for item in list {
                object(&schema["items"], item);
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
    fn fills_absent_fields_at_every_depth() {
        let schema = json!({"properties": {"spec": {"default": {}, "properties": {
            "mode": {"type": "string", "default": "A"},
            "list": {"items": {"properties": {"n": {"default": 3}}}},
        }}}});
        let mut value = json!({});
        object(&schema, &mut value);
        assert_eq!(value, json!({"spec": {"mode": "A"}}));
        let mut value = json!({"spec": {"mode": "B", "list": [{}, {"n": 1}]}});
        object(&schema, &mut value);
        assert_eq!(
            value,
            json!({"spec": {"mode": "B", "list": [{"n": 3}, {"n": 1}]}})
        );
    }
}
