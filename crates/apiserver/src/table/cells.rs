//! Cells that several tables share.

use serde_json::Value;

pub(super) const NONE: &str = "<none>";

/// The text at a pointer, or `otherwise`.
pub(super) fn at(object: &Value, pointer: &str, otherwise: &str) -> Value {
    match object.pointer(pointer).and_then(Value::as_str) {
        Some("") | None => otherwise.into(),
        Some(text) => text.into(),
    }
}

pub(super) fn count(object: &Value, pointer: &str) -> i64 {
    object.pointer(pointer).and_then(Value::as_i64).unwrap_or(0)
}

pub(super) fn list<'a>(
    object: &'a Value,
    pointer: &str,
) -> impl Iterator<Item = &'a Value> + use<'a> {
    object
        .pointer(pointer)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}

/// Size of a map or list.
pub(super) fn size(value: &Value) -> usize {
    value.as_object().map_or_else(
        || value.as_array().map_or(0, Vec::len),
        serde_json::Map::len,
    )
}

/// The first `most` items and how many more there are.
pub(super) fn some(items: &[String], most: usize) -> String {
    match items.len() {
        0 => NONE.into(),
        n if n > most => format!("{} + {} more...", items[..most].join(","), n - most),
        _ => items.join(","),
    }
}

/// `a=b,c in (d)` of a selector with `matchLabels`, or of a plain map.
pub(super) fn selector(selector: &Value) -> Value {
    let labels = if selector["matchLabels"].is_object() || selector["matchExpressions"].is_array() {
        &selector["matchLabels"]
    } else {
        selector
    };
    let mut parts: Vec<String> = labels
        .as_object()
        .into_iter()
        .flatten()
        .map(|(k, v)| format!("{k}={}", v.as_str().unwrap_or_default()))
        .collect();
    for expression in list(selector, "/matchExpressions") {
        let values: Vec<&str> = list(expression, "/values")
            .filter_map(Value::as_str)
            .collect();
        let key = expression["key"].as_str().unwrap_or_default();
        parts.push(match expression["operator"].as_str() {
            Some("In") => format!("{key} in ({})", values.join(",")),
            Some("NotIn") => format!("{key} notin ({})", values.join(",")),
            Some("Exists") => key.to_owned(),
            _ => format!("!{key}"),
        });
    }
    if parts.is_empty() {
        NONE.into()
    } else {
        parts.join(",").into()
    }
}
