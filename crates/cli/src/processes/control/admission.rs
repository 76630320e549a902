//! The webhooks on 15017: injection, and validation of Istio's resources.

use std::sync::Arc;

use ::agent::inject::Settings;
use api::proxies::ProxySettings;
use api::{Severity, Snapshot};
use axum::routing::post;
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::sync::watch;

type Snapshots = watch::Receiver<Option<Arc<Snapshot>>>;

pub(super) fn router(settings: Settings, snapshots: Snapshots) -> Router {
    let current = move || {
        let mut settings = settings.clone();
        if let Some(snapshot) = snapshots.borrow().as_ref() {
            settings.proxies = ProxySettings::of(snapshot);
            let domain = &snapshot.mesh.trust_domain;
            if !domain.is_empty() {
                settings.trust_domain.clone_from(domain);
            }
        }
        settings
    };
    ::agent::webhook::router(Arc::new(current))
        .route(
            "/validate",
            post(|Json(review): Json<Value>| async move { Json(validate(&review)) }),
        )
        .route("/ready", axum::routing::get(|| async { "" }))
}

/// Answers an AdmissionReview about one of Istio's resources.
fn validate(review: &Value) -> Value {
    let request = &review["request"];
    let uid = &request["uid"];
    let response = judge(request).map_or_else(
        |message| {
            json!({"uid": uid, "allowed": false,
                   "status": {"code": 400, "reason": "BadRequest", "message": message}})
        },
        |warnings| {
            let mut response = json!({"uid": uid, "allowed": true});
            if !warnings.is_empty() {
                response["warnings"] = json!(warnings);
            }
            response
        },
    );
    json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response})
}

/// Warnings, or why the object is refused.
fn judge(request: &Value) -> Result<Vec<String>, String> {
    if request["operation"] == "DELETE" {
        return Ok(Vec::new());
    }
    let kind = &request["kind"];
    let (group, name) = (
        kind["group"].as_str().unwrap_or_default(),
        kind["kind"].as_str().unwrap_or_default(),
    );
    let Some(ty) = api::kinds::ALL
        .iter()
        .find(|ty| ty.group == group && ty.kind == name)
    else {
        return Err(format!(
            "{name}.{group} is not supported by ferromesh; it would have no effect, so it is refused"
        ));
    };
    let object = &request["object"];
    let mut found = api::validate(ty, object);
    if !found.iter().any(|d| d.severity == Severity::Error) {
        found.extend(api::unsupported(ty, object));
    }
    let text = |d: &api::Diagnostic| {
        let hint = d
            .suggestion
            .as_ref()
            .map(|s| format!(" ({s})"))
            .unwrap_or_default();
        if d.path.is_empty() {
            format!("{}{hint}", d.message)
        } else {
            format!("{}: {}{hint}", d.path, d.message)
        }
    };
    let (errors, warnings): (Vec<_>, Vec<_>) =
        found.iter().partition(|d| d.severity == Severity::Error);
    if errors.is_empty() {
        Ok(warnings.into_iter().map(text).collect())
    } else {
        Err(errors.into_iter().map(text).collect::<Vec<_>>().join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn review(spec: &Value) -> Value {
        json!({"request": {"uid": "1", "operation": "CREATE",
            "kind": {"group": "networking.istio.io", "version": "v1", "kind": "VirtualService"},
            "object": {"apiVersion": "networking.istio.io/v1", "kind": "VirtualService",
                       "metadata": {"name": "a", "namespace": "default"}, "spec": spec}}})
    }

    #[test]
    fn a_good_object_is_allowed_and_a_bad_field_named() {
        let good = json!({"hosts": ["a"], "http": [{"route": [{"destination": {"host": "a"}}]}]});
        assert_eq!(validate(&review(&good))["response"]["allowed"], true);
        let bad = json!({"hosts": ["a"], "http": [{"rout": []}]});
        let answer = validate(&review(&bad));
        assert_eq!(answer["response"]["allowed"], false);
        let message = answer["response"]["status"]["message"].as_str().unwrap();
        assert!(message.contains("rout"), "{message}");
    }
}
