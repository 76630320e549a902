//! Passes a request on and its answer back; when both sides upgrade, bytes in both directions.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName, Request, Response, StatusCode, header};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use net::tls::{ChainVerifier, Identity, IdentitySlot, Roots, SanRule, anyone_config};
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, copy_bidirectional};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::target::{Refusals, Scheme, Target};
use crate::api::Api;
use crate::error::{ApiError, ApiResult};
use crate::http::body::Answer;
use crate::pki::{Pki, PkiError};

const CONNECT: Duration = Duration::from_secs(10);

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// How the server shows itself to kubelets.
pub(crate) struct KubeletClient {
    kubelet: TlsConnector,
    unverified: TlsConnector,
}

impl KubeletClient {
    pub(crate) fn new(pki: &Pki) -> Result<Self, PkiError> {
        let failed = |reason: String| PkiError::Issue {
            subject: "kube-apiserver-kubelet-client".into(),
            reason,
        };
        let issued = pki.client("kube-apiserver-kubelet-client", &[crate::auth::MASTERS])?;
        let identity = Identity::from_pem(issued.certificate.as_bytes(), issued.key.as_bytes())
            .map_err(|e| failed(e.to_string()))?;
        let roots = Roots::from_pem(pki.ca_pem.as_bytes()).map_err(|e| failed(e.to_string()))?;
        let kubelet = ClientConfig::builder_with_provider(net::tls::provider())
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .map_err(|e| failed(e.to_string()))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(ChainVerifier::new(roots, SanRule::Any)))
            .with_client_cert_resolver(IdentitySlot::new(identity));
        // `https:` targets of `proxy` are not verified on Kubernetes either: nothing says who they should be.
        let unverified = anyone_config().map_err(|e| failed(e.to_string()))?;
        Ok(Self {
            kubelet: TlsConnector::from(Arc::new(kubelet)),
            unverified: TlsConnector::from(Arc::new(unverified)),
        })
    }
}

async fn connect(client: &KubeletClient, target: &Target) -> ApiResult<Box<dyn Stream>> {
    let failed = |reason: String| {
        ApiError::internal(format!(
            "{}: dial tcp {}: {reason}",
            target.what, target.address
        ))
    };
    let dial = async {
        let stream = TcpStream::connect(target.address)
            .await
            .map_err(|e| failed(e.to_string()))?;
        // Keystrokes leave at once; an error only means that the peer is gone.
        let _ = stream.set_nodelay(true);
        let connector = match target.scheme {
            Scheme::Plain => return Ok(Box::new(stream) as Box<dyn Stream>),
            Scheme::Kubelet => &client.kubelet,
            Scheme::Unverified => &client.unverified,
        };
        let name = ServerName::IpAddress(target.address.ip().into());
        let stream = connector
            .connect(name, stream)
            .await
            .map_err(|e| failed(format!("tls: {e}")))?;
        Ok(Box::new(stream) as Box<dyn Stream>)
    };
    tokio::time::timeout(CONNECT, dial)
        .await
        .unwrap_or_else(|_| Err(failed("i/o timeout".into())))
}

/// RFC 9110 §7.6.1: these concern one connection only.
const HOP_BY_HOP: &[HeaderName] = &[
    header::CONNECTION,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

fn end_to_end(headers: &HeaderMap) -> HeaderMap {
    let kept = headers
        .iter()
        .filter(|(name, _)| !HOP_BY_HOP.contains(name) && *name != "keep-alive");
    kept.map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

pub(super) async fn run(
    api: &Arc<Api>,
    target: Target,
    mut request: Request<Incoming>,
) -> ApiResult<Answer> {
    let stream = connect(&api.kubelets, &target).await?;
    let failed = |e: &dyn std::fmt::Display| ApiError::internal(format!("{}: {e}", target.what));
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|e| failed(&e))?;
    tokio::spawn(async move {
        // Ends with the request; its error is seen by the sender as well.
        let _ = connection.with_upgrades().await;
    });
    let upgrade = request.headers().get(header::UPGRADE).cloned();
    let client_side = upgrade.is_some().then(|| hyper::upgrade::on(&mut request));
    let mut headers = end_to_end(request.headers());
    // Credentials are for this server alone.
    headers.remove(header::AUTHORIZATION);
    headers.insert(
        header::HOST,
        target.address.to_string().parse().map_err(|e| failed(&e))?,
    );
    if let Some(protocol) = upgrade {
        headers.insert(
            header::CONNECTION,
            header::HeaderValue::from_static("Upgrade"),
        );
        headers.insert(header::UPGRADE, protocol);
    }
    let (parts, body) = request.into_parts();
    let mut onward = Request::new(body);
    *onward.method_mut() = parts.method;
    *onward.uri_mut() = target.path.parse().map_err(|e| failed(&e))?;
    *onward.headers_mut() = headers;
    let mut response = sender.send_request(onward).await.map_err(|e| failed(&e))?;
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        return switch(api, client_side, &mut response)
            .ok_or_else(|| failed(&"the node switched protocols unasked"));
    }
    if target.refusals == Refusals::AsStatus && !response.status().is_success() {
        return Err(refusal(response).await);
    }
    let (parts, body) = response.into_parts();
    let mut answer = Response::new(body.map_err(Into::into).boxed_unsync());
    *answer.status_mut() = parts.status;
    *answer.headers_mut() = end_to_end(&parts.headers);
    Ok(answer)
}

/// Longest text of a refusal that is read.
const REFUSAL: usize = 2048;

/// A node refuses in plain text; clients of this server read a `Status`.
async fn refusal(response: Response<Incoming>) -> ApiError {
    let status = response.status();
    let body = http_body_util::Limited::new(response.into_body(), REFUSAL);
    let text = match body.collect().await {
        Ok(body) => String::from_utf8_lossy(&body.to_bytes()).trim().to_owned(),
        Err(_) => format!("the node answers {status}"),
    };
    match status {
        StatusCode::BAD_REQUEST => ApiError::bad_request(text),
        StatusCode::NOT_FOUND => ApiError::new(404, "NotFound", text),
        _ => ApiError::internal(text),
    }
}

/// Joins the two upgraded connections.
fn switch(
    api: &Arc<Api>,
    client: Option<hyper::upgrade::OnUpgrade>,
    response: &mut Response<Incoming>,
) -> Option<Answer> {
    let client = client?;
    let node = hyper::upgrade::on(&mut *response);
    let stop = api.stopping();
    tokio::spawn(async move {
        let relay = async {
            let (client, node) = tokio::try_join!(client, node)?;
            let (mut client, mut node) = (TokioIo::new(client), TokioIo::new(node));
            // Either side closing is how these streams end.
            let _ = copy_bidirectional(&mut client, &mut node).await;
            Ok::<_, hyper::Error>(())
        };
        tokio::select! {
            outcome = relay => if let Err(error) = outcome { tracing::debug!(%error, "an upgraded stream was cut") },
            () = stop => {}
        }
    });
    let mut answer = Response::new(crate::http::body::full(""));
    *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    *answer.headers_mut() = response.headers().clone();
    Some(answer)
}
