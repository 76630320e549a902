//! Fills what Kubernetes fills in the built-in types, so that controllers and clients need not guess.

mod cluster;
mod pod;
mod service;

use serde_json::{Map, Value, json};

/// Sets a field that is missing or null.
fn set(object: &mut Value, field: &str, value: impl Into<Value>) {
    if object.is_null() {
        *object = Value::Object(Map::new());
    }
    if let Some(map) = object.as_object_mut() {
        let slot = map.entry(field).or_insert(Value::Null);
        if slot.is_null() {
            *slot = value.into();
        }
    }
}

/// The elements of a list field; none when it is something else.
fn each<'a>(object: &'a mut Value, field: &str) -> impl Iterator<Item = &'a mut Value> {
    let list = object.get_mut(field).and_then(Value::as_array_mut);
    list.into_iter().flatten().filter(|item| item.is_object())
}

/// The field, when it is an object.
fn object_mut<'a>(object: &'a mut Value, field: &str) -> Option<&'a mut Value> {
    object.get_mut(field).filter(|v| v.is_object())
}

/// Fills `object`, of the built-in type `group`/`plural`.
pub(crate) fn apply(group: &str, plural: &str, object: &mut Value) {
    match (group, plural) {
        ("", "pods") => pod::pod(object),
        ("", "services") => service::service(object),
        ("", "secrets") => cluster::secret(object),
        ("", "namespaces") => cluster::namespace(object),
        ("", "endpoints") => cluster::endpoints(object),
        ("apps", "deployments") => deployment(object),
        ("apps", "replicasets") => replica_set(object),
        ("discovery.k8s.io", "endpointslices") => cluster::endpoint_slice(object),
        ("admissionregistration.k8s.io", _) => cluster::webhooks(object),
        ("apiextensions.k8s.io", "customresourcedefinitions") => cluster::definition(object),
        ("rbac.authorization.k8s.io", _) => cluster::binding(object),
        _ => {}
    }
}

fn deployment(object: &mut Value) {
    let Some(spec) = object_mut(object, "spec") else {
        return;
    };
    set(spec, "replicas", 1);
    set(spec, "revisionHistoryLimit", 10);
    set(spec, "progressDeadlineSeconds", 600);
    set(spec, "strategy", json!({}));
    let strategy = &mut spec["strategy"];
    if strategy.is_object() {
        set(strategy, "type", "RollingUpdate");
        if strategy["type"] == "RollingUpdate" {
            set(strategy, "rollingUpdate", json!({}));
            set(&mut strategy["rollingUpdate"], "maxUnavailable", "25%");
            set(&mut strategy["rollingUpdate"], "maxSurge", "25%");
        }
    }
    template(spec);
}

fn replica_set(object: &mut Value) {
    let Some(spec) = object_mut(object, "spec") else {
        return;
    };
    set(spec, "replicas", 1);
    template(spec);
}

fn template(spec: &mut Value) {
    let Some(template) = object_mut(spec, "template") else {
        return;
    };
    set(template, "metadata", json!({}));
    if let Some(spec) = object_mut(template, "spec") {
        pod::spec(spec);
    }
}
