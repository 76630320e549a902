//! 15014: readiness, version, and what the control plane knows of its proxies.

use std::sync::Arc;

use api::Snapshot;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use control::{Planner, SyncState};
use serde_json::{Value, json};
use tokio::sync::watch;

#[derive(Clone)]
struct Known {
    planner: Arc<Planner>,
    snapshots: watch::Receiver<Option<Arc<Snapshot>>>,
}

pub(super) fn router(
    planner: Arc<Planner>,
    snapshots: watch::Receiver<Option<Arc<Snapshot>>>,
) -> Router {
    Router::new()
        .route("/ready", get(ready))
        .route(
            "/version",
            get(|| async {
                Json(json!({"version": env!("CARGO_PKG_VERSION"), "product": "ferromesh"}))
            }),
        )
        .route("/debug/syncz", get(syncz))
        .route("/debug/quarantine", get(quarantine))
        .with_state(Known { planner, snapshots })
}

async fn ready(State(known): State<Known>) -> Response {
    if known.snapshots.borrow().is_some() {
        StatusCode::OK.into_response()
    } else {
        (
            StatusCode::SERVICE_UNAVAILABLE,
            "the API server's objects are not all known yet\n",
        )
            .into_response()
    }
}

async fn syncz(State(known): State<Known>) -> Json<Value> {
    let state = |s: &SyncState| match s {
        SyncState::Rejected(why) => json!({"state": s.to_string(), "message": why}),
        _ => json!({"state": s.to_string()}),
    };
    let rows = known.planner.proxy_status();
    Json(Value::Array(
        rows.iter()
            .map(|row| {
                json!({
                    "proxy": row.name, "node": row.node_id, "cluster_id": row.cluster_id,
                    "version": row.version, "istiod": row.istiod, "engine": format!("{:?}", row.engine),
                    "connected_seconds": row.connected.elapsed().as_secs(),
                    "cds": state(&row.clusters), "lds": state(&row.listeners), "eds": state(&row.endpoints),
                    "rds": state(&row.routes), "sds": state(&row.secrets),
                })
            })
            .collect(),
    ))
}

async fn quarantine(State(known): State<Known>) -> Json<Value> {
    let snapshot = known.snapshots.borrow().clone();
    let quarantined = snapshot.iter().flat_map(|s| s.quarantined.iter());
    Json(Value::Array(
        quarantined
            .map(|(key, why)| json!({"object": key.to_string(), "reason": format!("{why:?}")}))
            .collect(),
    ))
}
