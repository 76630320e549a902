//! The mutating webhook `/inject`: AdmissionReview in, JSON patch out, exactly as on Kubernetes.

use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, State};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use base64::Engine as _;
use http::StatusCode;
use serde_json::{Value, json};

use crate::inject::{Outcome, Settings, inject};

/// A pod with its owner's metadata is far smaller; the API server's own limit is 3 MiB.
const MAX_REVIEW: usize = 4 << 20;

/// Gives the settings in force, which follow MeshConfig.
pub type CurrentSettings = Arc<dyn Fn() -> Settings + Send + Sync>;

/// Routes `/inject` and `/inject/…` (Istio appends `/cluster/…/net/…` there).
pub fn router(settings: CurrentSettings) -> Router {
    Router::new()
        .route("/inject", post(handle))
        .route("/inject/{*rest}", post(handle))
        .layer(DefaultBodyLimit::max(MAX_REVIEW))
        .with_state(settings)
}

async fn handle(State(settings): State<CurrentSettings>, Json(review): Json<Value>) -> Response {
    match answer(&review, &settings()) {
        Some(response) => Json(json!({
            "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response,
        }))
        .into_response(),
        None => (
            StatusCode::BAD_REQUEST,
            "no request in the AdmissionReview; /inject is called by an API server\n",
        )
            .into_response(),
    }
}

/// The `response` of an AdmissionReview, or `None` when the review carries no request.
#[must_use]
pub fn answer(review: &Value, settings: &Settings) -> Option<Value> {
    let request = review.get("request")?;
    let uid = request["uid"].as_str().unwrap_or_default();
    let namespace = request["namespace"].as_str().unwrap_or("default");
    let pod = &request["object"];
    let name = pod["metadata"]["name"]
        .as_str()
        .or_else(|| pod["metadata"]["generateName"].as_str())
        .unwrap_or("?");
    if pod.get("spec").is_none() {
        return Some(refusal(
            uid,
            "the reviewed object has no spec, so it is no pod",
        ));
    }
    Some(match inject(pod, namespace, settings) {
        Err(error) => refusal(uid, &format!("pod {namespace}/{name}: {error}")),
        Ok(Outcome::Skipped(why)) => {
            tracing::debug!(namespace, pod = name, reason = why.reason(), "not injected");
            json!({"uid": uid, "allowed": true})
        }
        Ok(Outcome::Injected {
            pod: injected,
            warnings,
        }) => {
            let patch = json_patch::diff(pod, &injected);
            let patch = serde_json::to_vec(&patch).unwrap_or_default();
            tracing::info!(namespace, pod = name, "sidecar injected");
            let mut response = json!({
                "uid": uid, "allowed": true, "patchType": "JSONPatch",
                "patch": base64::engine::general_purpose::STANDARD.encode(patch),
            });
            if !warnings.is_empty() {
                response["warnings"] = json!(warnings);
            }
            response
        }
    })
}

fn refusal(uid: &str, message: &str) -> Value {
    json!({"uid": uid, "allowed": false, "status": {"code": 400, "message": message}})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_patch_makes_the_injected_pod() {
        let pod = json!({"metadata": {"name": "a"}, "spec": {"containers": [{"name": "app"}]}});
        let review = json!({"request": {"uid": "7", "namespace": "default", "object": pod}});
        let response = answer(&review, &Settings::default()).unwrap();
        let patch = base64::engine::general_purpose::STANDARD
            .decode(response["patch"].as_str().unwrap())
            .unwrap();
        let patch: json_patch::Patch = serde_json::from_slice(&patch).unwrap();
        let mut patched = pod;
        json_patch::patch(&mut patched, &patch).unwrap();
        assert_eq!(patched["spec"]["initContainers"][0]["name"], "istio-init");
        assert_eq!(response["uid"], "7");
    }

    #[test]
    fn a_review_without_request_has_no_answer() {
        assert!(answer(&json!({}), &Settings::default()).is_none());
    }
}
