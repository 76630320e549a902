//! TLS by rustls: the one place that chooses the crypto provider, and the identities and verifiers of
//! the mesh. Keys never appear in `Debug` or errors.

mod anyone;
mod identity;
mod peer;
mod verify;

pub use anyone::{Anyone, anyone_config};
pub use identity::{Identity, IdentitySlot, PemError, Roots};
pub use peer::PeerFacts;
pub use verify::{ChainVerifier, SanRule};

use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, ServerConfig};

/// The process's crypto provider: aws-lc-rs.
#[must_use]
pub fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: std::sync::OnceLock<Arc<CryptoProvider>> = std::sync::OnceLock::new();
    PROVIDER
        .get_or_init(|| Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .clone()
}

/// Makes [`provider`] the default of libraries that ask rustls for one. Call it first in `main`;
/// repeating it does no harm.
pub fn install_provider() {
    let _ = CryptoProvider::install_default((*provider()).clone());
}

/// What a server asks of its clients.
#[derive(Debug, Clone)]
pub enum ClientAuth {
    /// No certificate is requested.
    None,
    /// A certificate is verified when one is given.
    Optional(Roots),
    /// A certificate is required.
    Required(Roots),
}

/// A server configuration which reads the identity anew for each handshake, so rotation needs no restart.
pub fn server_config(
    identity: Arc<IdentitySlot>,
    auth: &ClientAuth,
    alpn: &[&[u8]],
) -> Result<ServerConfig, rustls::Error> {
    let builder = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?;
    let verifier =
        |roots: &Roots| WebPkiClientVerifier::builder_with_provider(roots.store(), provider());
    let failed = |e: rustls::server::VerifierBuilderError| rustls::Error::General(e.to_string());
    let builder = match auth {
        ClientAuth::None => builder.with_no_client_auth(),
        ClientAuth::Optional(roots) => builder.with_client_cert_verifier(
            verifier(roots)
                .allow_unauthenticated()
                .build()
                .map_err(failed)?,
        ),
        ClientAuth::Required(roots) => {
            builder.with_client_cert_verifier(verifier(roots).build().map_err(failed)?)
        }
    };
    let mut config = builder.with_cert_resolver(identity);
    config.alpn_protocols = alpn.iter().map(|p| p.to_vec()).collect();
    Ok(config)
}

/// A client configuration which trusts `roots`, checks the peer's SANs by `rule`, and presents the
/// identity in the slot, if any.
pub fn client_config(
    roots: Roots,
    rule: SanRule,
    identity: Option<Arc<IdentitySlot>>,
    alpn: &[&[u8]],
) -> Result<ClientConfig, rustls::Error> {
    let builder = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(ChainVerifier::new(roots, rule)));
    let mut config = match identity {
        Some(slot) => builder.with_client_cert_resolver(slot),
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = alpn.iter().map(|p| p.to_vec()).collect();
    Ok(config)
}

#[cfg(test)]
mod tests;
