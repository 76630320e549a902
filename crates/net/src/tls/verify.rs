//! Verification of servers by chain and SAN, since mesh identities are URIs, which DNS-name checks
//! do not know.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::{PeerFacts, Roots, provider};

/// Which of the peer's subject alternative names make it acceptable, once its chain is verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SanRule {
    /// The chain is enough (Envoy: `validation_context` without SAN matchers).
    Any,
    /// The connection's server name must be a DNS SAN.
    ServerName,
    /// One SAN (URI or DNS) equals one of these.
    OneOf(Arc<[String]>),
}

/// Verifies a server's chain against roots and its SANs against a [`SanRule`].
#[derive(Debug)]
pub struct ChainVerifier {
    roots: Roots,
    rule: SanRule,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ChainVerifier {
    #[must_use]
    pub fn new(roots: Roots, rule: SanRule) -> Self {
        Self {
            roots,
            rule,
            algorithms: provider().signature_verification_algorithms,
        }
    }
}

impl ServerCertVerifier for ChainVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let leaf = ParsedCertificate::try_from(end_entity)?;
        verify_server_cert_signed_by_trust_anchor(
            &leaf,
            &self.roots.store(),
            intermediates,
            now,
            self.algorithms.all,
        )?;
        match &self.rule {
            SanRule::Any => {}
            SanRule::ServerName => rustls::client::verify_server_name(&leaf, server_name)?,
            SanRule::OneOf(allowed) => {
                let facts = PeerFacts::of(end_entity)
                    .ok_or(Error::InvalidCertificate(CertificateError::BadEncoding))?;
                let known = |san: &String| allowed.contains(san);
                if !facts.uri_sans.iter().any(known) && !facts.dns_sans.iter().any(known) {
                    return Err(Error::InvalidCertificate(CertificateError::NotValidForName));
                }
            }
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
