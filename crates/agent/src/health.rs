//! The agent's own server on 15020: readiness of the proxy, the application's probes, merged stats.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use http::{Method, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::watch;

use crate::admin::Admin;
use crate::identity::Material;
use crate::inject::AppProbe;

/// What the server answers from.
/// Where it is inside a pod.
const AGENT_PORT: u16 = 15020;

#[derive(Debug, Clone)]
pub struct Health {
    pub admin: Admin,
    pub material: watch::Receiver<Option<Material>>,
    /// From `ISTIO_KUBE_APP_PROBERS`.
    pub probes: Arc<BTreeMap<String, AppProbe>>,
    /// Where the application listens: the pod's own address, as the kubelet would ask it.
    pub app_address: String,
}

impl Health {
    /// The routes.
    pub fn router(self) -> Router {
        Router::new()
            .route("/healthz/ready", get(ready))
            .route("/app-health/{container}/{probe}", any(app))
            .route("/stats/prometheus", get(stats))
            .with_state(self)
    }

    async fn check(&self) -> Result<(), String> {
        if self.material.borrow().is_none() {
            return Err("the workload has no certificate from the CA yet".into());
        }
        self.admin.ready().await
    }
}

async fn ready(State(health): State<Health>) -> Response {
    match health.check().await {
        Ok(()) => StatusCode::OK.into_response(),
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")).into_response(),
    }
}

/// Returns once the agent of this pod says that its proxy is ready: a postStart hook that runs this holds the application
/// (Istio's `pilot-agent wait`). The agent itself may not listen yet.
///
/// # Errors
/// What the agent said last, when `patience` is over.
pub async fn wait(patience: Duration) -> Result<(), String> {
    let agent = Admin::local(AGENT_PORT);
    let deadline = tokio::time::Instant::now() + patience;
    loop {
        let why = match agent.call(Method::GET, "/healthz/ready").await {
            Ok((StatusCode::OK, _)) => return Ok(()),
            Ok((_, body)) => String::from_utf8_lossy(&body).trim().to_owned(),
            Err(why) => why,
        };
        if tokio::time::Instant::now() > deadline {
            return Err(why);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn stats(State(health): State<Health>) -> Response {
    match health.admin.call(Method::GET, "/stats/prometheus").await {
        Ok((status, body)) => (
            status,
            [("content-type", "text/plain; version=0.0.4")],
            body,
        )
            .into_response(),
        Err(error) => (StatusCode::BAD_GATEWAY, format!("{error}\n")).into_response(),
    }
}

async fn app(
    State(health): State<Health>,
    Path((container, probe)): Path<(String, String)>,
) -> Response {
    let path = format!("/app-health/{container}/{probe}");
    let Some(probe) = health.probes.get(&path) else {
        return (
            StatusCode::NOT_FOUND,
            format!("no probe is declared for {path}\n"),
        )
            .into_response();
    };
    match ask(probe, &health.app_address).await {
        Ok(status) => status.into_response(),
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")).into_response(),
    }
}

/// Our own calls to the application must not come back through the proxy: redirection passes this source
/// (Istio does the same).
const UNCAPTURED: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 6);

async fn dial(address: &str, port: u16) -> Result<TcpStream, String> {
    let failed = |e: &dyn std::fmt::Display| format!("{address}:{port}: {e}");
    let target: SocketAddr = format!("{address}:{port}")
        .parse()
        .map_err(|e| failed(&e))?;
    let socket = TcpSocket::new_v4().map_err(|e| failed(&e))?;
    socket
        .bind((UNCAPTURED, 0).into())
        .map_err(|e| failed(&e))?;
    socket.connect(target).await.map_err(|e| failed(&e))
}

/// Asks the application as the kubelet would have.
pub(crate) async fn ask(probe: &AppProbe, address: &str) -> Result<StatusCode, String> {
    let (seconds, port) = match probe {
        AppProbe::HttpGet {
            timeout_seconds,
            port,
            ..
        }
        | AppProbe::TcpSocket {
            timeout_seconds,
            port,
        }
        | AppProbe::Grpc {
            timeout_seconds,
            port,
            ..
        } => (*timeout_seconds, *port),
    };
    let asked = async {
        match probe {
            AppProbe::HttpGet {
                path,
                headers,
                scheme,
                ..
            } => http_get(address, port, path, scheme, headers).await,
            AppProbe::TcpSocket { .. } => dial(address, port).await.map(|_| StatusCode::OK),
            AppProbe::Grpc { service, .. } => grpc(address, port, service).await,
        }
    };
    tokio::time::timeout(Duration::from_secs(seconds.max(1)), asked)
        .await
        .unwrap_or_else(|_| Err(format!("{address}:{port}: no answer within {seconds} s")))
}

async fn http_get(
    address: &str,
    port: u16,
    path: &str,
    scheme: &str,
    headers: &[(String, String)],
) -> Result<StatusCode, String> {
    if scheme.eq_ignore_ascii_case("HTTPS") {
        return https_get(address, port, path, headers).await;
    }
    let mut connector = HttpConnector::new();
    connector.set_local_address(Some(UNCAPTURED.into()));
    let client: Client<_, Empty<bytes::Bytes>> =
        Client::builder(TokioExecutor::new()).build(connector);
    let request = request(&format!("http://{address}:{port}"), path, headers)?;
    let response = client
        .request(request)
        .await
        .map_err(|e| format!("{address}:{port}: {e}"))?;
    let status = response.status();
    // Read to the end, so that the application sees an orderly close.
    let _ = http_body_util::Limited::new(response.into_body(), 64 << 10)
        .collect()
        .await;
    Ok(status)
}

/// The kubelet does not verify certificates of probed applications; nor does this.
async fn https_get(
    address: &str,
    port: u16,
    path: &str,
    headers: &[(String, String)],
) -> Result<StatusCode, String> {
    let failed = |e: &dyn std::fmt::Display| format!("{address}:{port}: {e}");
    let tcp = dial(address, port).await?;
    let config = net::tls::anyone_config().map_err(|e| failed(&e))?;
    let name =
        rustls_pki_types::ServerName::try_from(address.to_owned()).map_err(|e| failed(&e))?;
    let tls = tokio_rustls::TlsConnector::from(Arc::new(config))
        .connect(name, tcp)
        .await
        .map_err(|e| failed(&e))?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(hyper_util::rt::TokioIo::new(tls))
            .await
            .map_err(|e| failed(&e))?;
    tokio::spawn(connection);
    let mut request = request("", path, headers)?;
    if !request.headers().contains_key("host") {
        let host =
            http::HeaderValue::from_str(&format!("{address}:{port}")).map_err(|e| failed(&e))?;
        request.headers_mut().insert("host", host);
    }
    sender
        .send_request(request)
        .await
        .map(|r| r.status())
        .map_err(|e| failed(&e))
}

fn request(
    base: &str,
    path: &str,
    headers: &[(String, String)],
) -> Result<http::Request<Empty<bytes::Bytes>>, String> {
    let slash = if path.starts_with('/') { "" } else { "/" };
    let mut builder = http::Request::builder()
        .uri(format!("{base}{slash}{path}"))
        .header("user-agent", "kube-probe/ferromesh")
        .header("connection", "close");
    for (name, value) in headers {
        builder = builder.header(name, value);
    }
    builder.body(Empty::new()).map_err(|e| e.to_string())
}

/// `grpc.health.v1.Health/Check`.
async fn grpc(address: &str, port: u16, service: &str) -> Result<StatusCode, String> {
    #[derive(Clone, PartialEq, Eq, prost::Message)]
    struct HealthCheckRequest {
        #[prost(string, tag = "1")]
        service: String,
    }
    #[derive(Clone, PartialEq, Eq, prost::Message)]
    struct HealthCheckResponse {
        #[prost(int32, tag = "1")]
        status: i32,
    }
    const SERVING: i32 = 1;
    let failed = |e: &dyn std::fmt::Display| format!("{address}:{port}: {e}");
    let channel = tonic::transport::Endpoint::from_shared(format!("http://{address}:{port}"))
        .map_err(|e| failed(&e))?
        .local_address(Some(UNCAPTURED.into()))
        .connect()
        .await
        .map_err(|e| failed(&e))?;
    let mut client = tonic::client::Grpc::new(channel);
    client.ready().await.map_err(|e| failed(&e))?;
    let codec: tonic_prost::ProstCodec<HealthCheckRequest, HealthCheckResponse> =
        tonic_prost::ProstCodec::default();
    let request = tonic::Request::new(HealthCheckRequest {
        service: service.to_owned(),
    });
    let path = http::uri::PathAndQuery::from_static("/grpc.health.v1.Health/Check");
    let response = client
        .unary(request, path, codec)
        .await
        .map_err(|e| failed(&e))?;
    match response.into_inner().status {
        SERVING => Ok(StatusCode::OK),
        status => Err(format!(
            "{address}:{port}: health status {status}, not SERVING (1)"
        )),
    }
}
