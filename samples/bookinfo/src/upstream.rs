//! Calls from one service to the next, with the headers that tracing and routing live on.

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

/// What Istio asks applications to pass on, so that spans join and header routes hold along the path.
const FORWARDED: [&str; 12] = [
    "x-request-id",
    "x-b3-traceid",
    "x-b3-spanid",
    "x-b3-parentspanid",
    "x-b3-sampled",
    "x-b3-flags",
    "traceparent",
    "tracestate",
    "b3",
    "end-user",
    "user-agent",
    "cookie",
];

#[derive(Debug, Clone)]
pub(crate) struct Upstream {
    client: Client<HttpConnector, Empty<Bytes>>,
    base: String,
}

impl Upstream {
    /// The service `name`, at `<NAME>_HOSTNAME` and `<NAME>_SERVICE_PORT` where those are set.
    pub(crate) fn named(name: &str) -> Self {
        let var = |suffix: &str, default: &str| {
            let key = format!("{}_{suffix}", name.to_ascii_uppercase());
            std::env::var(key)
                .ok()
                .filter(|v| !v.is_empty())
                .unwrap_or_else(|| default.to_owned())
        };
        let domain = std::env::var("SERVICES_DOMAIN")
            .ok()
            .filter(|d| !d.is_empty());
        let domain = domain.map(|d| format!(".{d}")).unwrap_or_default();
        Self {
            client: Client::builder(TokioExecutor::new()).build_http(),
            base: format!(
                "http://{}{domain}:{}",
                var("HOSTNAME", name),
                var("SERVICE_PORT", "9080")
            ),
        }
    }

    /// GETs JSON; failures come back as the status and a sentence.
    pub(crate) async fn get(
        &self,
        path: &str,
        caller: &HeaderMap,
    ) -> Result<Value, (StatusCode, String)> {
        let mut request = http::Request::builder().uri(format!("{}{path}", self.base));
        for name in FORWARDED {
            for value in caller.get_all(name) {
                request = request.header(name, value);
            }
        }
        let bad_gateway = |error: String| (StatusCode::BAD_GATEWAY, error);
        let request = request
            .body(Empty::new())
            .map_err(|e| bad_gateway(e.to_string()))?;
        let call = async {
            let response = self
                .client
                .request(request)
                .await
                .map_err(|e| bad_gateway(e.to_string()))?;
            let status = response.status();
            let body = Limited::new(response.into_body(), 1 << 20);
            let body = body
                .collect()
                .await
                .map_err(|e| bad_gateway(e.to_string()))?
                .to_bytes();
            if status.is_success() {
                serde_json::from_slice(&body).map_err(|e| bad_gateway(e.to_string()))
            } else {
                Err((status, String::from_utf8_lossy(&body).into_owned()))
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(3), call)
            .await
            .unwrap_or_else(|_| Err((StatusCode::GATEWAY_TIMEOUT, "no answer within 3 s".into())))
    }
}
