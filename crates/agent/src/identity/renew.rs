//! Keeping a valid certificate: ask, publish, sleep until half life, ask again.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base::SpiffeId;
use istio_proto::{CertificateClient, IstioCertificateRequest};
use net::tls::{Identity, IdentitySlot, Roots, SanRule};
use rustls::ClientConfig;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::TlsConnector;
use tonic::transport::{Channel, Endpoint, Uri};

use super::{Kept, KeyAndCsr, Material};

const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
const FIRST_RETRY: Duration = Duration::from_millis(200);
const LAST_RETRY: Duration = Duration::from_secs(30);

/// Where the credentials of the caller lie.
#[derive(Debug, Clone)]
pub struct Sources {
    /// `host:port` of the CA.
    pub address: String,
    /// PEM of the CA's roots; read anew for each connection, as the ConfigMap follows rotation.
    pub roots: PathBuf,
    /// The projected service-account token; read anew for each request.
    pub token: PathBuf,
}

/// TLS towards the control plane: its roots, its name, and our certificate once there is one.
#[derive(Debug, Clone)]
pub struct TlsFor {
    sources: Sources,
    slot: Arc<IdentitySlot>,
}

impl TlsFor {
    #[must_use]
    pub fn new(sources: Sources) -> Self {
        Self {
            sources,
            slot: IdentitySlot::empty(),
        }
    }

    /// Takes the certificate for connections from now on.
    fn adopt(&self, material: &Material) {
        let (chain, key) = (material.chain_pem(), material.key_pem());
        if let Ok(own) = Identity::from_pem(chain.as_bytes(), key.as_bytes()) {
            self.slot.set(own);
        }
    }

    /// The configuration for one connection.
    pub fn config(&self) -> Result<ClientConfig, rustls::Error> {
        let path = &self.sources.roots;
        let pem = std::fs::read(path)
            .map_err(|e| rustls::Error::General(format!("{}: {e}", path.display())))?;
        let roots = Roots::from_pem(&pem)
            .map_err(|e| rustls::Error::General(format!("{}: {e}", path.display())))?;
        net::tls::client_config(
            roots,
            SanRule::ServerName,
            Some(self.slot.clone()),
            &[b"h2"],
        )
    }
}

/// Obtains certificates for `identity` for ever and publishes each. Errors are retried with back-off
/// and logged; an existing certificate stays in use, also one that an earlier process has `kept`.
pub async fn keep(
    identity: SpiffeId,
    tls: TlsFor,
    kept: Kept,
    publish: watch::Sender<Option<Material>>,
) -> std::convert::Infallible {
    let mut backoff = FIRST_RETRY;
    if let Some(material) = kept.load(&identity, now()) {
        tracing::info!(%identity, "the certificate of the earlier process is in use until the CA answers");
        tls.adopt(&material);
        publish.send_replace(Some(material));
    }
    loop {
        match request(&identity, &tls).await {
            Ok(material) => {
                tls.adopt(&material);
                if let Err(error) = kept.save(&material) {
                    tracing::warn!(%error, "the certificate cannot be kept for the proxy's next start");
                }
                let sleep = material.renew_in(now(), fastrand::f64());
                tracing::info!(%identity, renew_in = ?sleep, "workload certificate issued");
                publish.send_replace(Some(material));
                backoff = FIRST_RETRY;
                // A certificate that is born past its half life must not make a busy loop.
                tokio::time::sleep(sleep.max(Duration::from_secs(1))).await;
            }
            Err(error) => {
                let expires = publish.borrow().as_ref().map(|m| m.not_after() - now());
                tracing::warn!(%identity, %error, expires_in_s = ?expires, retry_in = ?backoff, "no certificate from the CA");
                tokio::time::sleep(backoff.mul_f64(0.5 + fastrand::f64() * 0.5)).await;
                backoff = (backoff * 2).min(LAST_RETRY);
            }
        }
    }
}

fn now() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

async fn request(identity: &SpiffeId, tls: &TlsFor) -> Result<Material, String> {
    let made = KeyAndCsr::generate(identity).map_err(|e| e.to_string())?;
    let channel = connect(tls).await?;
    let mut request = tonic::Request::new(IstioCertificateRequest {
        csr: made.csr_pem,
        validity_duration: 0,
        metadata: None,
    });
    request.set_timeout(REQUEST_TIMEOUT);
    let path = &tls.sources.token;
    match tokio::fs::read_to_string(path).await {
        Ok(token) => {
            let value = format!("Bearer {}", token.trim())
                .parse()
                .map_err(|_| format!("{}: the token has unusable characters", path.display()))?;
            request.metadata_mut().insert("authorization", value);
        }
        // A renewal is authenticated by the certificate in force.
        Err(_) if tls.slot.get().is_some() => {}
        Err(error) => return Err(format!("{}: {error}", path.display())),
    }
    let reply = CertificateClient::new(channel)
        .create_certificate(request)
        .await
        .map_err(|status| format!("CA at {}: {}", tls.sources.address, status.message()))?
        .into_inner();
    let known = tokio::fs::read_to_string(&tls.sources.roots)
        .await
        .unwrap_or_default();
    Material::new(&reply.cert_chain, made.key_pem, &known)
}

async fn connect(tls: &TlsFor) -> Result<Channel, String> {
    let address = tls.sources.address.clone();
    let config = Arc::new(tls.config().map_err(|e| e.to_string())?);
    let uri: Uri = format!("http://{address}")
        .parse()
        .map_err(|e| format!("{address}: {e}"))?;
    let connector = tower::service_fn(move |uri: Uri| {
        let config = config.clone();
        async move {
            let host = uri.host().unwrap_or_default().to_owned();
            let port = uri.port_u16().unwrap_or(15012);
            let tcp = TcpStream::connect((host.as_str(), port)).await?;
            let name =
                rustls_pki_types::ServerName::try_from(host).map_err(std::io::Error::other)?;
            let stream = TlsConnector::from(config).connect(name, tcp).await?;
            Ok::<_, std::io::Error>(hyper_util::rt::TokioIo::new(stream))
        }
    });
    Endpoint::from(uri)
        .connect_timeout(REQUEST_TIMEOUT)
        .connect_with_connector(connector)
        .await
        .map_err(|e| {
            let cause = std::error::Error::source(&e)
                .map(ToString::to_string)
                .unwrap_or_default();
            format!("CA at {address} not reached: {e} {cause}")
        })
}
