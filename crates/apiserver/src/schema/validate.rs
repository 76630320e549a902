//! Checks an object against a schema; the messages are kube-apiserver's.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use regex::Regex;
use serde_json::Value;

use super::{embeds, is_root_field, join, of_field};
use crate::error::Cause;

/// Mistakes reported at a time.
const MAX_CAUSES: usize = 32;
/// Compiled patterns kept.
const MAX_PATTERNS: usize = 512;

/// What is wrong with the object; empty when it fits.
pub(crate) fn object(schema: &Value, object: &Value) -> Vec<Cause> {
    let mut checker = Checker { causes: Vec::new() };
    checker.check(schema, object, "", true);
    checker.causes
}

/// As [`object`], for any value at `path`; nothing is implied at its root.
pub(crate) fn value(schema: &Value, value: &Value, path: &str) -> Vec<Cause> {
    let mut checker = Checker { causes: Vec::new() };
    checker.check(schema, value, path, false);
    checker.causes
}

struct Checker {
    causes: Vec<Cause>,
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(n) if n.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn fits(wanted: &str, value: &Value) -> bool {
    let kind = kind_of(value);
    kind == wanted
        || (wanted == "number" && kind == "integer")
        // 1.0 is an integer in JSON Schema.
        || (wanted == "integer" && value.as_f64().is_some_and(|n| n.fract() == 0.0))
}

fn matches(pattern: &str, text: &str) -> Option<bool> {
    static PATTERNS: LazyLock<Mutex<HashMap<String, Option<Regex>>>> =
        LazyLock::new(Mutex::default);
    let mut patterns = PATTERNS.lock().unwrap_or_else(PoisonError::into_inner);
    if patterns.len() >= MAX_PATTERNS && !patterns.contains_key(pattern) {
        patterns.clear();
    }
    let compiled = patterns
        .entry(pattern.to_owned())
        .or_insert_with(|| Regex::new(pattern).ok());
    compiled.as_ref().map(|regex| regex.is_match(text))
}

impl Checker {
    fn add(&mut self, cause: Cause) {
        if self.causes.len() < MAX_CAUSES {
            self.causes.push(cause);
        }
    }

    fn invalid(&mut self, path: &str, value: &Value, detail: &str) {
        let place = if path.is_empty() { "<nil>" } else { path };
        self.add(Cause::invalid(
            place,
            value,
            format!("{place} in body {detail}"),
        ));
    }

    fn check(&mut self, schema: &Value, value: &Value, path: &str, resource: bool) {
        if value.is_null() && (schema["nullable"] == true || schema["type"].is_null()) {
            return;
        }
        if schema["x-kubernetes-int-or-string"] == true {
            if !matches!(kind_of(value), "integer" | "string") {
                self.invalid(path, value, "must be of type integer or string");
            }
        } else if let Some(wanted) = schema["type"].as_str()
            && !fits(wanted, value)
        {
            let shown = Value::from(kind_of(value));
            let place = if path.is_empty() { "<nil>" } else { path };
            self.add(Cause {
                reason: "FieldValueTypeInvalid",
                message: format!(
                    "Invalid value: {shown}: {place} in body must be of type {wanted}: {shown}"
                ),
                field: place.into(),
            });
            return;
        }
        if let Some(allowed) = schema["enum"].as_array()
            && !allowed.contains(value)
        {
            let names: Vec<&str> = allowed.iter().filter_map(Value::as_str).collect();
            self.add(Cause::unsupported(path, value, &names));
        }
        match value {
            Value::String(text) => self.text(schema, value, text, path),
            Value::Number(number) => {
                self.number(schema, value, number.as_f64().unwrap_or(0.0), path);
            }
            Value::Array(list) => self.list(schema, value, list, path),
            Value::Object(_) => self.map(schema, value, path, resource),
            _ => {}
        }
        self.combined(schema, value, path);
    }

    fn text(&mut self, schema: &Value, value: &Value, text: &str, path: &str) {
        let length = text.chars().count() as u64;
        if let Some(least) = schema["minLength"].as_u64().filter(|least| length < *least) {
            self.invalid(
                path,
                value,
                &format!("should be at least {least} chars long"),
            );
        }
        if let Some(most) = schema["maxLength"].as_u64().filter(|most| length > *most) {
            let message = format!("Too long: may not be more than {most} bytes");
            self.add(Cause {
                reason: "FieldValueTooLong",
                message,
                field: path.into(),
            });
        }
        if let Some(pattern) = schema["pattern"].as_str()
            && matches(pattern, text) == Some(false)
        {
            self.invalid(path, value, &format!("should match '{pattern}'"));
        }
        let format = schema["format"].as_str().unwrap_or_default();
        let wrong = match format {
            "date-time" => crate::clock::parse(text).is_none(),
            "ipv4" => text.parse::<std::net::Ipv4Addr>().is_err(),
            "ipv6" => text.parse::<std::net::Ipv6Addr>().is_err(),
            "uuid" => uuid::Uuid::parse_str(text).is_err(),
            "byte" => {
                base64::Engine::decode(&base64::engine::general_purpose::STANDARD, text).is_err()
            }
            _ => false,
        };
        if wrong {
            self.invalid(path, value, &format!("must be of type {format}: {value}"));
        }
    }

    fn number(&mut self, schema: &Value, value: &Value, number: f64, path: &str) {
        if let Some(least) = schema["minimum"].as_f64() {
            let exclusive = schema["exclusiveMinimum"] == true;
            if number < least || (exclusive && number <= least) {
                let words = if exclusive {
                    "greater than"
                } else {
                    "greater than or equal to"
                };
                self.invalid(path, value, &format!("should be {words} {least}"));
            }
        }
        if let Some(most) = schema["maximum"].as_f64() {
            let exclusive = schema["exclusiveMaximum"] == true;
            if number > most || (exclusive && number >= most) {
                let words = if exclusive {
                    "less than"
                } else {
                    "less than or equal to"
                };
                self.invalid(path, value, &format!("should be {words} {most}"));
            }
        }
        if let Some(step) = schema["multipleOf"].as_f64().filter(|step| *step > 0.0)
            && (number / step).fract() != 0.0
        {
            self.invalid(path, value, &format!("should be a multiple of {step}"));
        }
        let bounds = match schema["format"].as_str() {
            Some("int32") => Some((f64::from(i32::MIN), f64::from(i32::MAX))),
            Some("uint32") => Some((0.0, f64::from(u32::MAX))),
            _ => None,
        };
        if let Some((least, most)) = bounds
            && !(least..=most).contains(&number)
        {
            self.invalid(
                path,
                value,
                &format!(
                    "must be of type {}: {value}",
                    schema["format"].as_str().unwrap_or_default()
                ),
            );
        }
    }

    fn list(&mut self, schema: &Value, value: &Value, list: &[Value], path: &str) {
        let length = list.len() as u64;
        if let Some(least) = schema["minItems"].as_u64().filter(|least| length < *least) {
            self.invalid(
                path,
                &length.into(),
                &format!("should have at least {least} items"),
            );
        }
        if let Some(most) = schema["maxItems"].as_u64().filter(|most| length > *most) {
            let message = format!("Too many: {length}: must have at most {most} items");
            self.add(Cause {
                reason: "FieldValueTooMany",
                message,
                field: path.into(),
            });
            return;
        }
        if schema["items"].is_object() {
            for (i, item) in list.iter().enumerate() {
                self.check(
                    &schema["items"],
                    item,
                    &format!("{path}[{i}]"),
                    embeds(&schema["items"]),
                );
            }
        }
        self.unique(schema, value, list, path);
    }

    /// `uniqueItems`, and the keys of lists that are sets or maps.
    fn unique(&mut self, schema: &Value, _value: &Value, list: &[Value], path: &str) {
        let keys: Vec<&str> = schema["x-kubernetes-list-map-keys"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let set = schema["uniqueItems"] == true || schema["x-kubernetes-list-type"] == "set";
        let map = schema["x-kubernetes-list-type"] == "map" && !keys.is_empty();
        if !set && !map {
            return;
        }
        let mut seen = std::collections::HashSet::new();
        for (i, item) in list.iter().enumerate() {
            let identity: Value = if map {
                keys.iter().map(|k| item[*k].clone()).collect()
            } else {
                item.clone()
            };
            if !seen.insert(identity.to_string()) {
                self.add(Cause::duplicate(format!("{path}[{i}]"), item));
            }
        }
    }

    fn map(&mut self, schema: &Value, value: &Value, path: &str, resource: bool) {
        let Some(map) = value.as_object() else { return };
        for key in schema["required"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
        {
            if !map.contains_key(key) {
                self.add(Cause::required(join(path, key), ""));
            }
        }
        let size = map.len() as u64;
        if let Some(least) = schema["minProperties"]
            .as_u64()
            .filter(|least| size < *least)
        {
            self.invalid(
                path,
                value,
                &format!("should have at least {least} properties"),
            );
        }
        if let Some(most) = schema["maxProperties"].as_u64().filter(|most| size > *most) {
            self.invalid(
                path,
                value,
                &format!("should have at most {most} properties"),
            );
        }
        for (key, value) in map {
            if resource && is_root_field(key) {
                continue;
            }
            if let Some(field) = of_field(schema, key) {
                let absent =
                    value.is_null() && field["nullable"] != true && field["default"].is_null();
                // A null for an optional field counts as the field being absent.
                if absent {
                    continue;
                }
                self.check(field, value, &join(path, key), embeds(field));
            }
        }
    }

    fn combined(&mut self, schema: &Value, value: &Value, path: &str) {
        let fitting = |list: &Value| -> Option<usize> {
            let list = list.as_array()?;
            Some(
                list.iter()
                    .filter(|schema| alone(schema, value, path))
                    .count(),
            )
        };
        for part in schema["allOf"].as_array().into_iter().flatten() {
            self.check(part, value, path, false);
        }
        if fitting(&schema["anyOf"]) == Some(0) {
            self.invalid(path, value, "must validate at least one schema (anyOf)");
        }
        if fitting(&schema["oneOf"]).is_some_and(|n| n != 1) {
            self.invalid(path, value, "must validate one and only one schema (oneOf)");
        }
        if schema["not"].is_object() && alone(&schema["not"], value, path) {
            self.invalid(path, value, "must not validate the schema (not)");
        }
    }
}

fn alone(schema: &Value, value: &Value, path: &str) -> bool {
    let mut checker = Checker { causes: Vec::new() };
    checker.check(schema, value, path, false);
    checker.causes.is_empty()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn problems(schema: &Value, value: &Value) -> Vec<String> {
        object(schema, value)
            .into_iter()
            .map(|c| format!("{}: {}", c.field, c.message))
            .collect()
    }

    #[test]
    fn reports_every_wrong_field_in_kubernetes_words() {
        let schema = json!({"type": "object", "properties": {"spec": {"type": "object", "required": ["host"], "properties": {
            "host": {"type": "string"},
            "port": {"type": "integer", "minimum": 1, "maximum": 65535},
            "mode": {"type": "string", "enum": ["A", "B"]},
            "name": {"type": "string", "pattern": "^[a-z]+$"},
        }}}});
        let value = json!({"spec": {"port": 0, "mode": "C", "name": "X1"}});
        assert_eq!(
            problems(&schema, &value),
            [
                "spec.host: Required value",
                "spec.mode: Unsupported value: \"C\": supported values: \"A\", \"B\"",
                "spec.name: Invalid value: \"X1\": spec.name in body should match '^[a-z]+$'",
                "spec.port: Invalid value: 0: spec.port in body should be greater than or equal to 1",
            ]
        );
        assert_eq!(
            problems(&schema, &json!({"spec": {"host": 7}})),
            [
                "spec.host: Invalid value: \"integer\": spec.host in body must be of type string: \"integer\"",
            ]
        );
    }

    #[test]
    fn one_of_means_exactly_one() {
        let schema = json!({"type": "object", "oneOf": [{"required": ["a"]}, {"required": ["b"]}]});
        assert!(problems(&schema, &json!({"a": 1})).is_empty());
        assert_eq!(problems(&schema, &json!({"a": 1, "b": 1})).len(), 1);
        assert_eq!(problems(&schema, &json!({})).len(), 1);
    }

    #[test]
    fn int_or_string_takes_both() {
        let schema = json!({"properties": {"port": {"x-kubernetes-int-or-string": true}}});
        assert!(problems(&schema, &json!({"port": 80})).is_empty());
        assert!(problems(&schema, &json!({"port": "http"})).is_empty());
        assert_eq!(problems(&schema, &json!({"port": []})).len(), 1);
    }
}
