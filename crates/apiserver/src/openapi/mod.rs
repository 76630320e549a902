//! OpenAPI documents: what `kubectl explain`, `apply` and client-side validation read.

mod schemas;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use base::ContentHash;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header};
use serde_json::{Map, Value, json};

use crate::api::Api;
use crate::error::{ApiError, ApiResult};
use crate::http::body::{self, Answer};
use crate::registry::Resource;

pub(crate) use schemas::Schemas;

/// Documents by group and version, with the hash of what they were made from.
pub(crate) type Documents = Mutex<HashMap<(String, String), (ContentHash, Bytes)>>;

/// An `openapi_v2.Document` without paths. kubectl reads version 3; it asks for version 2 only where that
/// says nothing, in protobuf, and then uses its own types.
const V2: &[u8] = b"\x0a\x032.0\x12\x14\x0a\x09ferromesh\x12\x07v1.33.0";

pub(crate) fn answer(api: &Api, rest: &[&str], headers: &HeaderMap) -> ApiResult<Answer> {
    match rest {
        ["v2"] => Ok(version_2(headers)),
        ["v3"] => Ok(index(api)),
        ["v3", "api", version] => document(api, "", version),
        ["v3", "apis", group, version] => document(api, group, version),
        _ => Err(ApiError::no_route()),
    }
}

fn version_2(headers: &HeaderMap) -> Answer {
    let accept = headers
        .get(header::ACCEPT)
        .and_then(|v| v.to_str().ok())
        .unwrap_or_default();
    if accept.contains("proto") {
        return body::typed(
            200,
            "application/com.github.proto-openapi.spec.v2@v1.0+protobuf",
            V2,
        );
    }
    body::json(
        200,
        &json!({"swagger": "2.0", "info": {"title": "ferromesh", "version": "v1.33.0"}, "paths": {}, "definitions": {}}),
    )
}

fn resources(api: &Api, group: &str, version: &str) -> Vec<Arc<Resource>> {
    let all = api.registry.all();
    all.values()
        .filter(|r| r.group() == group && &*r.version == version)
        .cloned()
        .collect()
}

/// What a document is made from, hashed: clients keep a document as long as its hash.
fn hash(resources: &[Arc<Resource>]) -> ContentHash {
    let mut text = env!("CARGO_PKG_VERSION").to_owned();
    for resource in resources {
        text.push_str(&format!(
            "|{}/{}/{}",
            resource.plural(),
            resource.kind,
            resource.version
        ));
        if let Some(version) = resource.custom() {
            text.push_str(&version.schema.to_string());
        }
    }
    ContentHash::of(text.as_bytes())
}

fn index(api: &Api) -> Answer {
    let mut paths = Map::new();
    for (group, versions) in api.registry.groups() {
        for version in versions {
            let path = if group.is_empty() {
                format!("api/{version}")
            } else {
                format!("apis/{group}/{version}")
            };
            let hash = hash(&resources(api, &group, &version));
            let url = format!("/openapi/v3/{path}?hash={hash}");
            paths.insert(path, json!({"serverRelativeURL": url}));
        }
    }
    body::json(200, &json!({"paths": paths}))
}

fn document(api: &Api, group: &str, version: &str) -> ApiResult<Answer> {
    let resources = resources(api, group, version);
    if resources.is_empty() {
        return Err(ApiError::no_route());
    }
    let hash = hash(&resources);
    let key = (group.to_owned(), version.to_owned());
    let known = api
        .documents
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .get(&key)
        .filter(|(h, _)| *h == hash)
        .map(|(_, b)| b.clone());
    let bytes = known.unwrap_or_else(|| {
        let made = Bytes::from(render(api, &resources).to_string());
        api.documents
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(key, (hash, made.clone()));
        made
    });
    let mut answer = body::raw_json(200, bytes);
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{hash}\"")) {
        answer.headers_mut().insert(header::ETAG, tag);
    }
    Ok(answer)
}

fn render(api: &Api, resources: &[Arc<Resource>]) -> Value {
    let (mut paths, mut components) = (Map::new(), Map::new());
    for resource in resources {
        let name = component(resource);
        let reference = json!({"$ref": format!("#/components/schemas/{name}")});
        let (collection, object) = self::paths(resource);
        paths.insert(collection, collection_operations(resource, &reference));
        if !resource.is_review() {
            paths.insert(object, object_operations(resource, &reference));
        }
        components.insert(name, schema(api, resource));
    }
    json!({"openapi": "3.0.0", "info": {"title": "Kubernetes", "version": "v1.33.0"}, "paths": paths, "components": {"schemas": components}})
}

fn component(resource: &Resource) -> String {
    let group = if resource.group().is_empty() {
        "core"
    } else {
        resource.group()
    };
    let reversed: Vec<&str> = group.rsplit('.').collect();
    format!(
        "{}.{}.{}",
        reversed.join("."),
        resource.version,
        resource.kind
    )
}

fn gvk(resource: &Resource) -> Value {
    json!({"group": resource.group(), "version": &*resource.version, "kind": &*resource.kind})
}

fn schema(api: &Api, resource: &Resource) -> Value {
    let mut schema = match resource.custom() {
        Some(version) => version.schema.clone(),
        None => api
            .schemas
            .of(resource)
            .map_or_else(|| json!({"type": "object"}), |schema| (*schema).clone()),
    };
    if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        for field in ["apiVersion", "kind"] {
            properties
                .entry(field)
                .or_insert_with(|| json!({"type": "string"}));
        }
        if let Some(meta) = api.schemas.metadata() {
            properties.insert("metadata".into(), (*meta).clone());
        }
    }
    schema["x-kubernetes-group-version-kind"] = json!([gvk(resource)]);
    schema
}

fn paths(resource: &Resource) -> (String, String) {
    let base = if resource.group().is_empty() {
        format!("/api/{}", resource.version)
    } else {
        format!("/apis/{}/{}", resource.group(), resource.version)
    };
    let middle = if resource.namespaced {
        "/namespaces/{namespace}"
    } else {
        ""
    };
    let collection = format!("{base}{middle}/{}", resource.plural());
    let object = format!("{collection}/{{name}}");
    (collection, object)
}

fn parameters() -> Value {
    let parameter = |name: &str| json!({"name": name, "in": "query", "schema": {"type": "string", "uniqueItems": true}});
    json!([
        parameter("dryRun"),
        parameter("fieldManager"),
        parameter("fieldValidation")
    ])
}

fn operation(resource: &Resource, action: &str, reference: &Value) -> Value {
    let mut operation = json!({
        "x-kubernetes-action": action,
        "x-kubernetes-group-version-kind": gvk(resource),
        "responses": {"200": {"description": "OK", "content": {"application/json": {"schema": reference}}}},
    });
    if matches!(action, "post" | "put" | "patch") {
        operation["parameters"] = parameters();
        let types: &[&str] = match action {
            // Strategic merge is not listed for kubectl's sake: it then takes the merge keys from its own types.
            "patch" => &[
                "application/json-patch+json",
                "application/merge-patch+json",
            ],
            _ => &["application/json"],
        };
        let content: Map<String, Value> = types
            .iter()
            .map(|t| ((*t).to_owned(), json!({"schema": reference})))
            .collect();
        operation["requestBody"] = json!({"content": content});
    }
    operation
}

fn collection_operations(resource: &Resource, reference: &Value) -> Value {
    if resource.is_review() {
        return json!({"post": operation(resource, "post", reference)});
    }
    json!({"get": operation(resource, "list", reference), "post": operation(resource, "post", reference)})
}

fn object_operations(resource: &Resource, reference: &Value) -> Value {
    json!({
        "get": operation(resource, "get", reference),
        "put": operation(resource, "put", reference),
        "patch": operation(resource, "patch", reference),
        "delete": operation(resource, "delete", reference),
    })
}
