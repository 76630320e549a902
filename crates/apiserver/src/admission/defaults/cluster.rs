//! Everything that is neither a workload nor a Service.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{each, object_mut, set};

pub(super) fn secret(object: &mut Value) {
    set(object, "type", "Opaque");
    let plain = object
        .as_object_mut()
        .and_then(|map| map.remove("stringData"));
    let Some(Value::Object(plain)) = plain else {
        return;
    };
    set(object, "data", json!({}));
    for (key, value) in plain {
        // Not a string: left for validation, which names the field.
        object["data"][key] = value
            .as_str()
            .map_or(value.clone(), |text| STANDARD.encode(text).into());
    }
}

pub(super) fn namespace(object: &mut Value) {
    let name = object["metadata"]["name"].clone();
    set(&mut object["metadata"], "labels", json!({}));
    object["metadata"]["labels"]["kubernetes.io/metadata.name"] = name;
    set(object, "spec", json!({}));
    if object["metadata"]["deletionTimestamp"].is_null() {
        set(&mut object["spec"], "finalizers", json!(["kubernetes"]));
    }
    set(object, "status", json!({}));
    set(&mut object["status"], "phase", "Active");
}

pub(super) fn endpoints(object: &mut Value) {
    for subset in each(object, "subsets") {
        for port in each(subset, "ports") {
            set(port, "protocol", "TCP");
        }
    }
}

pub(super) fn endpoint_slice(object: &mut Value) {
    for port in each(object, "ports") {
        set(port, "name", "");
        set(port, "protocol", "TCP");
    }
}

pub(super) fn webhooks(object: &mut Value) {
    let mutating = object["kind"] == "MutatingWebhookConfiguration";
    for webhook in each(object, "webhooks") {
        set(webhook, "failurePolicy", "Fail");
        set(webhook, "matchPolicy", "Equivalent");
        set(webhook, "namespaceSelector", json!({}));
        set(webhook, "objectSelector", json!({}));
        set(webhook, "timeoutSeconds", 10);
        if mutating {
            set(webhook, "reinvocationPolicy", "Never");
        }
        for rule in each(webhook, "rules") {
            set(rule, "scope", "*");
        }
        if let Some(service) =
            object_mut(webhook, "clientConfig").and_then(|config| object_mut(config, "service"))
        {
            set(service, "port", 443);
        }
    }
}

pub(super) fn definition(object: &mut Value) {
    if object["metadata"]["deletionTimestamp"].is_null() {
        set(
            &mut object["metadata"],
            "finalizers",
            json!([crate::controllers::definitions::CLEANUP]),
        );
    }
    let Some(spec) = object_mut(object, "spec") else {
        return;
    };
    set(spec, "conversion", json!({"strategy": "None"}));
    if let Some(names) = object_mut(spec, "names")
        && let Some(kind) = names["kind"].as_str().map(str::to_owned)
    {
        set(names, "singular", kind.to_lowercase());
        set(names, "listKind", format!("{kind}List"));
    }
}

pub(super) fn binding(object: &mut Value) {
    const GROUP: &str = "rbac.authorization.k8s.io";
    if let Some(role) = object_mut(object, "roleRef") {
        set(role, "apiGroup", GROUP);
    }
    for subject in each(object, "subjects") {
        if matches!(subject["kind"].as_str(), Some("User" | "Group")) {
            set(subject, "apiGroup", GROUP);
        }
    }
}
