//! Fuzz targets: bytes in, nothing out; see `fuzz/`. A violation of what is stated here is a panic.

use std::sync::{Arc, LazyLock};

use http::Uri;
use serde_json::{Value, json};

use crate::http::protobuf;
use crate::http::request::{Query, Route};
use crate::objects::select::{FieldSelector, LabelSelector};
use crate::patch::{json as json_patch, strategic};
use crate::registry::{Registry, Resource};
use crate::{schema, table};

/// What a stored object must not exceed, or it could not be read again (serde_json's own bound).
const DEEPEST: usize = 127;

/// `[object, patch]`, where a patch that is a list is a JSON patch and one that is an object a merge patch or a strategic
/// one of each kind: the outcome can be stored and read again.
pub fn patch(data: &[u8]) {
    let Ok(Value::Array(input)) = serde_json::from_slice::<Value>(data) else {
        return;
    };
    let [object @ Value::Object(_), patch] = input.as_slice() else {
        return;
    };
    match patch {
        Value::Array(_) => {
            if let Ok(patch) = json_patch::JsonPatch::read(patch.to_string().as_bytes())
                && let Ok(outcome) = patch.apply(object)
            {
                stored(&outcome);
            }
        }
        Value::Object(_) => {
            let mut merged = object.clone();
            ::json_patch::merge(&mut merged, patch);
            stored(&merged);
            // RFC 7396: a merge patch says what is, so saying it twice changes nothing.
            let once = merged.clone();
            ::json_patch::merge(&mut merged, patch);
            assert_eq!(merged, once);
            for kind in ["Pod", "Deployment", "Service", "Node", "ConfigMap"] {
                if let Ok(outcome) = strategic::apply(kind, object, patch) {
                    stored(&outcome);
                }
            }
        }
        _ => {}
    }
}

fn stored(object: &Value) {
    let read: Result<Value, _> = serde_json::from_str(&object.to_string());
    assert!(read.is_ok(), "what was stored cannot be read: {read:?}");
    assert!(depth(object) <= DEEPEST);
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(list) => 1 + list.iter().map(depth).max().unwrap_or(0),
        Value::Object(map) => 1 + map.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

static PODS: LazyLock<Arc<Resource>> = LazyLock::new(|| {
    let pods = Registry::new().find("", "v1", "pods");
    pods.expect("pods are built in")
});

/// A label selector, a field selector and a printer column's JSONPath, from one text.
pub fn selector(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let object = json!({"metadata": {"name": "a", "labels": {"app": "web", "n": "7"}},
        "spec": {"nodeName": "n", "list": [{"type": "a", "x": 1}, {"type": "b"}]}});
    if let Ok(selector) = LabelSelector::parse(text) {
        selector.matches(&object);
    }
    if let Ok(selector) = FieldSelector::parse(text, &PODS) {
        selector.matches(&object);
    }
    let _ = table::jsonpath::first(&object, text);
}

/// A protobuf body of kubectl's imperative commands: it becomes an object that JSON can hold, or is refused.
pub fn protobuf_body(data: &[u8]) {
    if let Some(object) = protobuf::read(data) {
        stored(&object);
        assert!(object["kind"].is_string());
    }
}

/// The path and query of a request.
pub fn request_target(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let Ok(uri) = text.parse::<Uri>() else {
        return;
    };
    if let Some(Route::Resource(path)) = Route::parse(uri.path()) {
        assert!(path.name.is_none_or(|name| !name.is_empty()));
    }
    let _ = Query::parse(&uri);
}

/// `[schema, object]`: an object is checked against a custom resource's schema, pruned and defaulted by it.
pub fn crd_schema(data: &[u8]) {
    let Ok(Value::Array(input)) = serde_json::from_slice::<Value>(data) else {
        return;
    };
    if let [schema, object] = input.as_slice() {
        let _ = schema::validate::object(schema, object);
        let _ = schema::validate::value(schema, object, "spec");
    }
}
