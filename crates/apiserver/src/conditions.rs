//! Conditions in statuses.

use serde_json::{Value, json};

use crate::clock;

/// Sets one condition; its transition time changes only when its status does.
pub(crate) fn set(object: &mut Value, kind: &str, status: &str, reason: &str, message: &str) {
    if !object["status"].is_object() {
        object["status"] = json!({});
    }
    if !object["status"]["conditions"].is_array() {
        object["status"]["conditions"] = json!([]);
    }
    let Some(conditions) = object["status"]["conditions"].as_array_mut() else {
        return;
    };
    let before = conditions.iter().position(|c| c["type"] == kind);
    let since = match before.map(|i| &conditions[i]) {
        Some(same) if same["status"] == status => same["lastTransitionTime"].clone(),
        _ => clock::now().into(),
    };
    let mut condition = json!({"type": kind, "status": status, "lastTransitionTime": since});
    for (field, text) in [("reason", reason), ("message", message)] {
        if !text.is_empty() {
            condition[field] = text.into();
        }
    }
    match before {
        Some(i) => conditions[i] = condition,
        None => conditions.push(condition),
    }
}
