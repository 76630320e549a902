//! The CA as the control plane's listeners use it.

use std::sync::Arc;

use anyhow::Context;
use api::store::Store;
use async_trait::async_trait;
use base::SpiffeId;
use ca::{CertificateAuthority, TokenReviewer};
use istio_proto::CertificateServer;
use net::tls::{IdentitySlot, Roots};
use tokio::sync::watch;

/// Names by which proxies and the API server reach the control plane.
const NAMES: [&str; 5] = [
    "istiod.istio-system.svc",
    "istiod.istio-system.svc.cluster.local",
    "istiod.istio-system",
    "istiod",
    "istio-pilot.istio-system.svc",
];

/// Cheap to clone.
#[derive(Clone)]
pub(super) struct Authority {
    ca: Arc<ca::Authority>,
    reviewer: TokenReviewer,
    slot: Arc<IdentitySlot>,
}

impl Authority {
    /// Loads or creates the CA and keeps its certificates, and the control plane's own, valid.
    pub(super) async fn start(store: Arc<dyn Store>) -> anyhow::Result<Self> {
        let options = ca::Options::default();
        let trust_domain = options.trust_domain.clone();
        let ca = ca::Authority::load_or_create(store.clone(), options)
            .await
            .context("certificate authority")?;
        let names: Vec<String> = NAMES.iter().map(|name| (*name).to_owned()).collect();
        let (identity, _) = ca
            .server_identity(&names)
            .context("the control plane's certificate")?;
        let slot = IdentitySlot::new(identity);
        let (keeper, held) = (ca.clone(), slot.clone());
        tokio::spawn(async move { keeper.keep_server_identity(names, held).await });
        let keeper = ca.clone();
        tokio::spawn(async move { keeper.maintain().await });
        Ok(Self {
            ca,
            reviewer: TokenReviewer::new(store, trust_domain),
            slot,
        })
    }

    pub(super) fn bundle(&self) -> Arc<str> {
        self.ca.bundle()
    }

    pub(super) fn roots(&self) -> watch::Receiver<Option<Arc<str>>> {
        self.ca.roots()
    }

    /// What client certificates are verified against.
    pub(super) fn trust(&self) -> anyhow::Result<Roots> {
        Ok(Roots::from_pem(self.ca.bundle().as_bytes())?)
    }

    pub(super) fn slot(&self) -> Arc<IdentitySlot> {
        self.slot.clone()
    }

    pub(super) fn service(&self) -> CertificateServer<CertificateAuthority> {
        ca::service(self.ca.clone(), self.reviewer.clone())
    }

    pub(super) fn authenticator(&self) -> Arc<dyn control::Authenticator> {
        Arc::new(Tokens(self.reviewer.clone()))
    }
}

/// Bearer tokens on xDS streams.
struct Tokens(TokenReviewer);

#[async_trait]
impl control::Authenticator for Tokens {
    async fn identity(&self, token: &str) -> Option<SpiffeId> {
        match self.0.identity(token).await {
            Ok(identity) => Some(identity),
            Err(error) => {
                tracing::warn!(%error, "a token on an xDS stream is not accepted");
                None
            }
        }
    }
}
