//! Subresources other than status: scale, tokens, bindings, evictions.

use bytes::Bytes;
use http::HeaderMap;
use serde_json::{Value, json};

use super::call::Call;
use super::delete::DeleteOptions;
use super::meta;
use super::patch_request::Patch;
use crate::api::Api;
use crate::error::{ApiError, ApiResult, Cause};
use crate::http::body::{self, Answer};
use crate::http::present::Presenter;
use crate::http::protobuf;
use crate::registry::Resource;
use crate::table;

impl Api {
    pub(crate) async fn subresource(
        &self,
        call: &Call,
        headers: &HeaderMap,
        bytes: &Bytes,
    ) -> ApiResult<Answer> {
        match (call.subresource.as_str(), call.verb) {
            ("scale", "get") => {
                let object = self.get(call)?;
                let object = self.present_value(call, &object.value);
                let scale = scale_of(&call.resource, &object)?;
                let shown = match Presenter::choose(headers, call)? {
                    Presenter::Table(include) => {
                        let version = &scale["metadata"]["resourceVersion"];
                        let metadata = json!({"resourceVersion": version});
                        table::table(call, std::slice::from_ref(&scale), include, &metadata)
                    }
                    Presenter::Json | Presenter::Metadata => scale,
                };
                Ok(body::json(200, &shown))
            }
            ("scale", "update" | "patch") => self.set_scale(call, headers, bytes).await,
            ("token", "create") => {
                let request = protobuf::decode(headers, bytes)?;
                self.issue_token(call, request)
                    .map(|value| body::json(201, &value))
            }
            ("binding", "create") => {
                let binding = body::decode(headers, bytes)?;
                self.bind(call, &binding)
                    .await
                    .map(|value| body::json(201, &value))
            }
            ("eviction", "create") => {
                let eviction = protobuf::decode(headers, bytes)?;
                let mut deletion = call.about(&call.namespace, &call.name);
                deletion.verb = "delete";
                let options = DeleteOptions::read(&deletion, &eviction["deleteOptions"])?;
                self.delete(&deletion, &options).await?;
                Ok(body::json(
                    201,
                    &json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}),
                ))
            }
            ("finalize", "update") => {
                let wanted = body::decode(headers, bytes)?;
                let finalizers = wanted["spec"]["finalizers"].clone();
                let stored = self.finalize(call, &finalizers).await?;
                Ok(body::json(200, &stored))
            }
            ("ephemeralcontainers", "get") => Ok(body::raw_json(
                200,
                self.present_bytes(call, &*self.get(call)?),
            )),
            ("ephemeralcontainers", _) => Err(ApiError::new(
                501,
                "NotImplemented",
                "ephemeral containers are not run on this node; use kubectl exec, or add a container to the pod",
            )),
            _ => Err(ApiError::method_not_allowed(call.verb)),
        }
    }

    async fn set_scale(
        &self,
        call: &Call,
        headers: &HeaderMap,
        bytes: &Bytes,
    ) -> ApiResult<Answer> {
        let patch = (call.verb == "patch")
            .then(|| Patch::read(call, headers, bytes))
            .transpose()?;
        let given = if patch.is_none() {
            body::decode(headers, bytes)?
        } else {
            Value::Null
        };
        let mut inner = call.about(&call.namespace, &call.name);
        inner.dry_run = call.dry_run;
        let path = replicas_path(&call.resource);
        let change = |current: &Value| {
            let before = scale_of(&call.resource, current)?;
            let scale = match &patch {
                Some(Patch::Strategic(merge) | Patch::Merge(merge)) => {
                    let mut scale = before.clone();
                    json_patch::merge(&mut scale, merge);
                    scale
                }
                Some(patch) => patch.apply(call, &before)?,
                None => given.clone(),
            };
            let revision = meta::text(&scale, "resourceVersion");
            if !revision.is_empty() && revision != meta::text(current, "resourceVersion") {
                return Err(call.modified());
            }
            let replicas = &scale["spec"]["replicas"];
            if !replicas.is_null() && replicas.as_i64().is_none_or(|n| n < 0) {
                let cause = Cause::invalid(
                    "spec.replicas",
                    replicas,
                    "must be greater than or equal to 0",
                );
                return Err(ApiError::invalid(
                    "autoscaling",
                    "Scale",
                    &call.name,
                    &[cause],
                ));
            }
            let mut next = current.clone();
            *at_path(&mut next, &path) = if replicas.is_null() {
                0.into()
            } else {
                replicas.clone()
            };
            Ok(next)
        };
        let stored = self.update(&inner, change).await?;
        for warning in inner.take_warnings() {
            call.warn(warning);
        }
        Ok(body::json(
            200,
            &scale_of(&call.resource, &self.present_value(call, &stored.value))?,
        ))
    }

    /// Assigns a pod to a node.
    async fn bind(&self, call: &Call, binding: &Value) -> ApiResult<Value> {
        let node = binding["target"]["name"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        if node.is_empty() {
            return Err(ApiError::invalid(
                "",
                "Binding",
                &call.name,
                &[Cause::required("target.name", "")],
            ));
        }
        let change = |current: &Value| {
            if current["spec"]["nodeName"]
                .as_str()
                .is_some_and(|n| !n.is_empty())
            {
                let why = format!(
                    "pod {} is already assigned to node {}",
                    call.name, current["spec"]["nodeName"]
                );
                return Err(call.conflict(why));
            }
            if meta::is_deleting(current) {
                return Err(call.conflict(format!(
                    "pod {} is being deleted, cannot be assigned to a host",
                    call.name
                )));
            }
            let mut next = current.clone();
            next["spec"]["nodeName"] = node.clone().into();
            crate::conditions::set(&mut next, "PodScheduled", "True", "", "");
            Ok(next)
        };
        self.update(call, change).await?;
        Ok(
            json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}),
        )
    }

    /// Replaces the finalizers in a namespace's spec; the last one gone, the namespace goes.
    pub(crate) async fn finalize(&self, call: &Call, finalizers: &Value) -> ApiResult<Value> {
        let change = |current: &Value| {
            let mut next = current.clone();
            next["spec"]["finalizers"] = if finalizers.is_array() {
                finalizers.clone()
            } else {
                json!([])
            };
            Ok(next)
        };
        let mut inner = call.about("", &call.name);
        inner.subresource = "finalize".into();
        self.update(&inner, change)
            .await
            .map(|object| object.value.clone())
    }
}

/// Path of the wanted replicas in an object.
fn replicas_path(resource: &Resource) -> Vec<String> {
    let path = resource
        .custom()
        .and_then(|v| v.scale.as_ref())
        .map_or(".spec.replicas", |s| s.spec.as_str());
    split_path(path)
}

fn split_path(path: &str) -> Vec<String> {
    path.trim_start_matches('.')
        .split('.')
        .map(str::to_owned)
        .collect()
}

fn at_path<'a>(object: &'a mut Value, path: &[String]) -> &'a mut Value {
    path.iter().fold(object, |at, key| {
        if !at.is_object() {
            *at = json!({});
        }
        &mut at[key.as_str()]
    })
}

fn read_path<'a>(object: &'a Value, path: &str) -> &'a Value {
    split_path(path)
        .iter()
        .fold(object, |at, key| &at[key.as_str()])
}

/// A label selector in its string form.
fn selector_text(selector: &Value) -> String {
    let mut parts: Vec<String> = selector["matchLabels"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(k, v)| format!("{k}={}", v.as_str().unwrap_or_default()))
        .collect();
    for expression in selector["matchExpressions"]
        .as_array()
        .into_iter()
        .flatten()
    {
        let key = expression["key"].as_str().unwrap_or_default();
        let values: Vec<&str> = expression["values"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        parts.push(match expression["operator"].as_str() {
            Some("In") => format!("{key} in ({})", values.join(",")),
            Some("NotIn") => format!("{key} notin ({})", values.join(",")),
            Some("Exists") => key.to_owned(),
            _ => format!("!{key}"),
        });
    }
    parts.join(",")
}

/// The `autoscaling/v1 Scale` of an object.
fn scale_of(resource: &Resource, object: &Value) -> ApiResult<Value> {
    let (replicas, status, selector) = match resource.custom().and_then(|v| v.scale.as_ref()) {
        Some(paths) => {
            let selector = paths
                .selector
                .as_deref()
                .map(|p| read_path(object, p).as_str().unwrap_or_default().to_owned());
            (
                read_path(object, &paths.spec),
                read_path(object, &paths.status),
                selector.unwrap_or_default(),
            )
        }
        None => (
            &object["spec"]["replicas"],
            &object["status"]["replicas"],
            selector_text(&object["spec"]["selector"]),
        ),
    };
    let meta = &object["metadata"];
    let mut scale = json!({
        "kind": "Scale", "apiVersion": "autoscaling/v1",
        "metadata": {"name": meta["name"], "namespace": meta["namespace"], "uid": meta["uid"], "resourceVersion": meta["resourceVersion"], "creationTimestamp": meta["creationTimestamp"]},
        "spec": {"replicas": replicas.as_i64().unwrap_or(0)},
        "status": {"replicas": status.as_i64().unwrap_or(0)},
    });
    if !selector.is_empty() {
        scale["status"]["selector"] = selector.into();
    }
    Ok(scale)
}
