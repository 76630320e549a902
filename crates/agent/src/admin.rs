//! A small client of the proxy's admin interface, which is the same for both engines.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

const TIMEOUT: Duration = Duration::from_secs(3);
/// A `stats` page of a large mesh is some megabytes.
const MAX_BODY: usize = 64 << 20;

/// Talks to one proxy.
#[derive(Debug, Clone)]
pub struct Admin {
    base: String,
    client: Client<HttpConnector, Empty<Bytes>>,
}

impl Admin {
    /// The admin interface on the pod's loopback address.
    #[must_use]
    pub fn local(port: u16) -> Self {
        Self {
            base: format!("http://127.0.0.1:{port}"),
            client: Client::builder(TokioExecutor::new()).build_http(),
        }
    }

    /// Calls `path`; errors are sentences.
    pub async fn call(&self, method: Method, path: &str) -> Result<(StatusCode, Bytes), String> {
        let uri = format!("{}{path}", self.base);
        let request = Request::builder()
            .method(method)
            .uri(&uri)
            .body(Empty::new())
            .map_err(|e| e.to_string())?;
        let exchange = async {
            let response = self
                .client
                .request(request)
                .await
                .map_err(|e| e.to_string())?;
            let status = response.status();
            let body = Limited::new(response.into_body(), MAX_BODY);
            let body = body.collect().await.map_err(|e| e.to_string())?.to_bytes();
            Ok((status, body))
        };
        tokio::time::timeout(TIMEOUT, exchange)
            .await
            .unwrap_or_else(|_| Err("no answer within 3 s".into()))
            .map_err(|e: String| format!("proxy admin {uri}: {e}"))
    }

    /// Whether the proxy is live and has taken clusters and listeners, from the control plane or, when it was
    /// started again, from its own last good configuration; otherwise why not.
    pub async fn ready(&self) -> Result<(), String> {
        let (status, _) = self.call(Method::GET, "/ready").await?;
        if status != StatusCode::OK {
            return Err("the proxy is not live yet".into());
        }
        let stats = self
            .stats("update_success|update_rejected|restored")
            .await?;
        let count = |name: &str| stats.get(name).copied().unwrap_or(0);
        for (name, own, what) in [
            ("cluster_manager.cds", "ferromesh.cds", "clusters"),
            ("listener_manager.lds", "ferromesh.lds", "listeners"),
        ] {
            let taken = count(&format!("{name}.update_success"));
            if taken + count(&format!("{own}.restored")) == 0 {
                let refused = count(&format!("{name}.update_rejected"));
                return Err(if refused > 0 {
                    format!("the proxy refused its {what} from the control plane {refused} times")
                } else {
                    format!("no {what} received from the control plane yet")
                });
            }
        }
        Ok(())
    }

    /// Open downstream connections, without those of the admin, stats and readiness listeners.
    pub async fn active_connections(&self) -> Result<u64, String> {
        let stats = self.stats("downstream_cx_active$").await?;
        Ok(stats
            .iter()
            .filter(|(name, _)| name.starts_with("listener."))
            .filter(|(name, _)| {
                !["admin", "_15021", "_15090"]
                    .iter()
                    .any(|own| name.contains(own))
            })
            // `listener.<address>.worker_N.…` repeats what `listener.<address>.…` says.
            .filter(|(name, _)| !name.contains(".worker_"))
            .map(|(_, value)| value)
            .sum())
    }

    async fn stats(&self, filter: &str) -> Result<std::collections::HashMap<String, u64>, String> {
        let (_, body) = self
            .call(Method::GET, &format!("/stats?filter={filter}"))
            .await?;
        Ok(String::from_utf8_lossy(&body)
            .lines()
            .filter_map(|line| {
                let (name, value) = line.split_once(": ")?;
                Some((name.to_owned(), value.parse().ok()?))
            })
            .collect())
    }
}
