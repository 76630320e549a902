//! One HTTPS call to one webhook: where it is, whom it must be, how long it has, how much it may say.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{Request, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::api::Api;
use crate::patch::json::JsonPatch;
use crate::storage::ResourceId;

const MAX_ANSWER: usize = 4 * 1024 * 1024;
const MAX_CONFIGS: usize = 64;

/// Why a webhook gave no usable answer; the words are kube-apiserver's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum CallError {
    #[error("failed to call webhook: Post {url:?}: {reason}")]
    Call { url: String, reason: String },
    #[error("failed to call webhook: the server responded with status code {0}")]
    Status(u16),
    #[error("received invalid webhook response: {0}")]
    Response(String),
    #[error("invalid clientConfig: {0}")]
    Config(String),
}

/// A webhook's answer.
#[derive(Debug)]
pub(super) struct Review {
    pub(super) allowed: bool,
    pub(super) status: Value,
    pub(super) patch: Option<JsonPatch>,
    pub(super) warnings: Vec<String>,
}

/// Trust configurations, by CA bundle.
#[derive(Debug, Default)]
pub(crate) struct Webhooks(Mutex<HashMap<String, Arc<ClientConfig>>>);

/// Where a webhook is.
struct Target {
    url: String,
    /// The name that its certificate must carry.
    name: String,
    addresses: Vec<SocketAddr>,
    authority: String,
    path: String,
}

impl Webhooks {
    pub(super) async fn call(
        &self,
        api: &Api,
        hook: &Value,
        request: Value,
    ) -> Result<Review, CallError> {
        let seconds = hook["timeoutSeconds"].as_u64().unwrap_or(10).clamp(1, 30);
        let uid = request["uid"].clone();
        let review = json!({"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "request": request});
        let tls = self.trust(&hook["clientConfig"])?;
        let url = url_of(&hook["clientConfig"], seconds);
        let exchange = async {
            let target = target(api, &hook["clientConfig"], seconds).await?;
            exchange(&target, tls, review.to_string().into()).await
        };
        let body = match tokio::time::timeout(Duration::from_secs(seconds), exchange).await {
            Ok(body) => body?,
            Err(_) => {
                let reason = "context deadline exceeded".into();
                return Err(CallError::Call { url, reason });
            }
        };
        read(&body, &uid)
    }

    fn trust(&self, config: &Value) -> Result<Arc<ClientConfig>, CallError> {
        let bundle = config["caBundle"].as_str().unwrap_or_default();
        let mut configs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = configs.get(bundle) {
            return Ok(known.clone());
        }
        let pem = STANDARD
            .decode(bundle)
            .map_err(|_| CallError::Config("caBundle is not valid base64".into()))?;
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(&pem) {
            let certificate =
                certificate.map_err(|e| CallError::Config(format!("caBundle: {e}")))?;
            roots
                .add(certificate)
                .map_err(|e| CallError::Config(format!("caBundle: {e}")))?;
        }
        let built = ClientConfig::builder_with_provider(net::tls::provider())
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .map_err(|e| CallError::Config(e.to_string()))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let built = Arc::new(built);
        if configs.len() >= MAX_CONFIGS {
            configs.clear();
        }
        configs.insert(bundle.to_owned(), built.clone());
        Ok(built)
    }
}

fn url_of(config: &Value, seconds: u64) -> String {
    let service = &config["service"];
    let base = match config["url"].as_str() {
        Some(url) => url.to_owned(),
        None => format!(
            "https://{}.{}.svc:{}{}",
            service["name"].as_str().unwrap_or_default(),
            service["namespace"].as_str().unwrap_or_default(),
            service["port"].as_u64().unwrap_or(443),
            path_of(service),
        ),
    };
    let joint = if base.contains('?') { '&' } else { '?' };
    format!("{base}{joint}timeout={seconds}s")
}

fn path_of(service: &Value) -> String {
    let path = service["path"].as_str().unwrap_or_default();
    if path.starts_with('/') {
        path.to_owned()
    } else {
        format!("/{path}")
    }
}

async fn target(api: &Api, config: &Value, seconds: u64) -> Result<Target, CallError> {
    let url = url_of(config, seconds);
    let uri: Uri = url
        .parse()
        .map_err(|_| CallError::Config(format!("url {url:?} cannot be read")))?;
    let host = uri
        .host()
        .ok_or_else(|| CallError::Config(format!("url {url:?} has no host")))?;
    let bare = host
        .trim_start_matches('[')
        .trim_end_matches(']')
        .to_owned();
    let path = uri.path_and_query().map_or("/", |p| p.as_str()).to_owned();
    let failed = |reason: String| CallError::Call {
        url: url.clone(),
        reason,
    };
    let (addresses, authority) = if config["service"].is_object() {
        let addresses = service_addresses(api, &config["service"]).map_err(failed)?;
        (addresses, bare.clone())
    } else {
        let port = uri.port_u16().unwrap_or(443);
        let found = tokio::net::lookup_host((bare.as_str(), port))
            .await
            .map_err(|e| failed(e.to_string()))?;
        (
            found.collect(),
            uri.authority().map_or(bare.clone(), ToString::to_string),
        )
    };
    Ok(Target {
        url,
        name: bare,
        addresses,
        authority,
        path,
    })
}

/// The ready endpoints behind the port of a Service; the Service's own address when it has neither
/// selector nor endpoints, because then something else serves it.
fn service_addresses(api: &Api, reference: &Value) -> Result<Vec<SocketAddr>, String> {
    let name = reference["name"].as_str().unwrap_or_default();
    let namespace = reference["namespace"].as_str().unwrap_or_default();
    let service = api
        .storage
        .get(&ResourceId::new("", "services"), namespace, name);
    let Some(service) = service else {
        return Err(format!("service {name:?} not found"));
    };
    let number = reference["port"].as_u64().unwrap_or(443);
    let ports = service.value["spec"]["ports"].as_array();
    let port = ports
        .into_iter()
        .flatten()
        .find(|p| p["port"].as_u64() == Some(number));
    let Some(port) = port else {
        return Err(format!(
            "no service port {number} found for service {name:?}"
        ));
    };
    let mut addresses = Vec::new();
    let slices = api
        .storage
        .snapshot(&ResourceId::new("discovery.k8s.io", "endpointslices"));
    for (_, slice) in slices.range(Some(namespace), None) {
        if slice.value["metadata"]["labels"]["kubernetes.io/service-name"] == *name {
            addresses.extend(slice_addresses(
                &slice.value,
                port["name"].as_str().unwrap_or_default(),
            ));
        }
    }
    let spec = &service.value["spec"];
    if addresses.is_empty()
        && spec["selector"]
            .as_object()
            .is_none_or(serde_json::Map::is_empty)
    {
        let own = spec["clusterIP"].as_str().and_then(|ip| ip.parse().ok());
        addresses.extend(
            own.zip(u16::try_from(number).ok())
                .map(|(ip, port)| SocketAddr::new(ip, port)),
        );
    }
    if addresses.is_empty() {
        return Err(format!("no endpoints available for service {name:?}"));
    }
    fastrand::shuffle(&mut addresses);
    Ok(addresses)
}

fn slice_addresses(slice: &Value, port_name: &str) -> Vec<SocketAddr> {
    let ports = slice["ports"].as_array().into_iter().flatten();
    let named = ports.filter(|p| p["name"].as_str().unwrap_or_default() == port_name);
    let numbers: Vec<u16> = named
        .filter_map(|p| u16::try_from(p["port"].as_u64()?).ok())
        .collect();
    let endpoints = slice["endpoints"].as_array().into_iter().flatten();
    let ready = endpoints.filter(|e| e["conditions"]["ready"] != false);
    let addresses = ready.flat_map(|e| e["addresses"].as_array().into_iter().flatten());
    let ips: Vec<std::net::IpAddr> = addresses.filter_map(|a| a.as_str()?.parse().ok()).collect();
    ips.iter()
        .flat_map(|ip| numbers.iter().map(|port| SocketAddr::new(*ip, *port)))
        .collect()
}

async fn exchange(
    target: &Target,
    tls: Arc<ClientConfig>,
    body: Bytes,
) -> Result<Bytes, CallError> {
    let failed = |reason: String| CallError::Call {
        url: target.url.clone(),
        reason,
    };
    let mut last = "no address found".to_owned();
    let mut stream = None;
    for address in &target.addresses {
        match TcpStream::connect(address).await {
            Ok(connected) => {
                stream = Some(connected);
                break;
            }
            Err(error) => last = format!("dial tcp {address}: {error}"),
        }
    }
    let stream = stream.ok_or_else(|| failed(last))?;
    let name = ServerName::try_from(target.name.clone()).map_err(|e| failed(e.to_string()))?;
    let stream = TlsConnector::from(tls)
        .connect(name, stream)
        .await
        .map_err(|e| failed(format!("tls: {e}")))?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|e| failed(e.to_string()))?;
    let driver = tokio::spawn(connection);
    let request = Request::post(target.path.as_str())
        .header(header::HOST, target.authority.as_str())
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::ACCEPT, "application/json")
        .header(header::USER_AGENT, "kube-apiserver-admission")
        .body(Full::new(body))
        .map_err(|e| failed(e.to_string()))?;
    let answer = async {
        let response = sender
            .send_request(request)
            .await
            .map_err(|e| failed(e.to_string()))?;
        let status = response.status();
        let body = Limited::new(response.into_body(), MAX_ANSWER)
            .collect()
            .await;
        let body = body.map_err(|e| failed(e.to_string()))?.to_bytes();
        if status.is_success() {
            Ok(body)
        } else {
            Err(CallError::Status(status.as_u16()))
        }
    };
    let answer = answer.await;
    driver.abort();
    answer
}

fn read(body: &[u8], uid: &Value) -> Result<Review, CallError> {
    let wrong = |text: &str| CallError::Response(text.into());
    let review: Value =
        serde_json::from_slice(body).map_err(|e| CallError::Response(e.to_string()))?;
    if review["kind"] != "AdmissionReview" || review["apiVersion"] != "admission.k8s.io/v1" {
        let found = format!(
            "expected webhook response of admission.k8s.io/v1, Kind=AdmissionReview, got {}, Kind={}",
            review["apiVersion"], review["kind"]
        );
        return Err(CallError::Response(found));
    }
    let response = &review["response"];
    if !response.is_object() {
        return Err(wrong("webhook response was absent"));
    }
    if response["uid"] != *uid {
        return Err(CallError::Response(format!(
            "expected response.uid={uid}, got {}",
            response["uid"]
        )));
    }
    let patch = match response["patch"].as_str().filter(|p| !p.is_empty()) {
        None => None,
        Some(_) if response["patchType"] != "JSONPatch" => {
            return Err(wrong(
                "response.patchType must be JSONPatch when response.patch is set",
            ));
        }
        Some(text) => {
            let bytes = STANDARD
                .decode(text)
                .map_err(|_| wrong("response.patch is not valid base64"))?;
            Some(
                JsonPatch::read(&bytes)
                    .map_err(|e| CallError::Response(format!("response.patch: {e}")))?,
            )
        }
    };
    let warnings = response["warnings"].as_array().into_iter().flatten();
    Ok(Review {
        allowed: response["allowed"] == true,
        status: response["status"].clone(),
        patch,
        warnings: warnings
            .filter_map(|w| w.as_str().map(str::to_owned))
            .collect(),
    })
}
