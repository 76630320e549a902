//! OpenAPI documents.

use http::HeaderMap;
use serde_json::{Map, Value, json};

use crate::api::Api;
use crate::error::{ApiError, ApiResult};
use crate::http::body::{self, Answer};
use crate::registry::Resource;

#[derive(Debug, Default)]
pub(crate) struct Schemas {}

impl Schemas {
    pub(crate) fn prune(&self, _resource: &Resource, _object: &mut Value) -> Vec<String> {
        Vec::new()
    }

    pub(crate) fn validate(&self, _resource: &Resource, _object: &Value) -> Vec<crate::error::Cause> {
        Vec::new()
    }
}

pub(crate) fn answer(api: &Api, rest: &[&str], _headers: &HeaderMap) -> ApiResult<Answer> {
    match rest {
        ["v2"] => Ok(body::typed(200, "application/com.github.proto-openapi.spec.v2@v1.0+protobuf", &b"\x0a\x032.0\x12\x14\x0a\x09ferromesh\x12\x07v1.33.0"[..])),
        ["v3"] => Ok(index(api)),
        ["v3", "api", version] => document(api, "", version),
        ["v3", "apis", group, version] => document(api, group, version),
        _ => Err(ApiError::no_route()),
    }
}

fn index(api: &Api) -> Answer {
    let mut paths = Map::new();
    for (group, versions) in api.registry.groups() {
        for version in versions {
            let path = if group.is_empty() { format!("api/{version}") } else { format!("apis/{group}/{version}") };
            let url = format!("/openapi/v3/{path}?hash={}", api.storage.revision());
            paths.insert(path, json!({"serverRelativeURL": url}));
        }
    }
    body::json(200, &json!({"paths": paths}))
}

fn document(api: &Api, group: &str, version: &str) -> ApiResult<Answer> {
    let mut paths = Map::new();
    let all = api.registry.all();
    for resource in all.values().filter(|r| r.group() == group && &*r.version == version) {
        paths.insert(path(resource), operations(resource));
    }
    if paths.is_empty() {
        return Err(ApiError::no_route());
    }
    Ok(body::json(200, &json!({"openapi": "3.0.0", "info": {"title": "Kubernetes", "version": "v1.33.0"}, "paths": paths, "components": {"schemas": {}}})))
}

fn path(resource: &Resource) -> String {
    let base = if resource.group().is_empty() { format!("/api/{}", resource.version) } else { format!("/apis/{}/{}", resource.group(), resource.version) };
    let middle = if resource.namespaced { "/namespaces/{namespace}" } else { "" };
    format!("{base}{middle}/{}/{{name}}", resource.plural())
}

fn operations(resource: &Resource) -> Value {
    let gvk = json!({"group": resource.group(), "version": &*resource.version, "kind": &*resource.kind});
    let parameters = json!([{"name": "fieldValidation", "in": "query", "schema": {"type": "string", "uniqueItems": true}}]);
    json!({
        "get": {"x-kubernetes-group-version-kind": gvk},
        "put": {"x-kubernetes-group-version-kind": gvk, "parameters": parameters},
        "patch": {"x-kubernetes-group-version-kind": gvk, "parameters": parameters},
    })
}
