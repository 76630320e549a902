//! Waiting for the world to become as wanted, with progress and a reason when it does not.

use std::time::Duration;

use api::kinds;
use api::store::{Query, Store};
use serde_json::Value;
use tokio::time::Instant;

const POLL: Duration = Duration::from_millis(100);

/// Waits until every Deployment has all its replicas available. `progress` hears each change.
pub(crate) async fn deployments(
    store: &dyn Store,
    limit: Duration,
    progress: impl Fn(usize, usize),
) -> Result<(), String> {
    let deadline = Instant::now() + limit;
    let mut said = None;
    loop {
        let list = match store.list(&kinds::DEPLOYMENT, &Query::default()).await {
            Ok(list) => list,
            Err(error) if Instant::now() < deadline => {
                tracing::debug!(%error, "deployments cannot be listed");
                tokio::time::sleep(POLL).await;
                continue;
            }
            Err(error) => return Err(error.to_string()),
        };
        let waiting: Vec<String> = list.iter().filter(|d| !available(d)).map(name).collect();
        let state = (list.len() - waiting.len(), list.len());
        if said != Some(state) {
            progress(state.0, state.1);
            said = Some(state);
        }
        if waiting.is_empty() {
            return Ok(());
        }
        if Instant::now() > deadline {
            let reasons = pod_reasons(store).await;
            return Err(format!(
                "not ready after {} s: {}{reasons}",
                limit.as_secs(),
                waiting.join(", ")
            ));
        }
        tokio::time::sleep(POLL).await;
    }
}

fn available(deployment: &Value) -> bool {
    let wanted = deployment["spec"]["replicas"].as_i64().unwrap_or(1);
    let status = &deployment["status"];
    let count = |field: &str| status[field].as_i64().unwrap_or(0);
    count("observedGeneration") >= deployment["metadata"]["generation"].as_i64().unwrap_or(0)
        && count("availableReplicas") >= wanted
        && count("updatedReplicas") >= wanted
}

fn name(object: &Value) -> String {
    let field = |name: &str| object["metadata"][name].as_str().unwrap_or_default();
    format!("{}/{}", field("namespace"), field("name"))
}

/// Why pods wait, as their containers say.
async fn pod_reasons(store: &dyn Store) -> String {
    let pods = store
        .list(&kinds::POD, &Query::default())
        .await
        .unwrap_or_default();
    let mut text = String::new();
    for pod in &pods {
        for list in ["initContainerStatuses", "containerStatuses"] {
            for container in pod["status"][list].as_array().into_iter().flatten() {
                let waiting = &container["state"]["waiting"];
                if let Some(reason) = waiting["reason"].as_str() {
                    let message = waiting["message"].as_str().unwrap_or_default();
                    let container = container["name"].as_str().unwrap_or_default();
                    text.push_str(&format!(
                        "\n  {} {container}: {reason} {message}",
                        name(pod)
                    ));
                }
            }
        }
    }
    text
}

/// Waits until `url` answers 200.
pub(crate) async fn http_ok(url: &str, limit: Duration) -> Result<(), String> {
    use http_body_util::{BodyExt, Empty};
    use hyper_util::client::legacy::Client;
    use hyper_util::rt::TokioExecutor;
    let client: Client<_, Empty<bytes::Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let deadline = Instant::now() + limit;
    loop {
        let uri = url.parse().map_err(|e| format!("{url}: {e}"))?;
        let last = match tokio::time::timeout(Duration::from_secs(5), client.get(uri)).await {
            Ok(Ok(response)) if response.status().is_success() => return Ok(()),
            Ok(Ok(response)) => {
                let status = response.status();
                let body = http_body_util::Limited::new(response.into_body(), 4096)
                    .collect()
                    .await;
                let body = body.map(|b| String::from_utf8_lossy(&b.to_bytes()).into_owned());
                format!("{status} {}", body.unwrap_or_default())
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => "no answer within 5 s".into(),
        };
        if Instant::now() > deadline {
            return Err(format!(
                "{url} does not answer 200 after {} s; last: {last}",
                limit.as_secs()
            ));
        }
        tokio::time::sleep(POLL).await;
    }
}
