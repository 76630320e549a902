//! A fresh key and the request to have it certified.

use std::fmt;

use base::SpiffeId;
use rcgen::{CertificateParams, DistinguishedName, KeyPair, PKCS_ECDSA_P256_SHA256, SanType};

/// Why no request could be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("certificate request for {identity}: {reason}")]
pub struct CsrError {
    pub identity: String,
    pub reason: String,
}

/// An ECDSA P-256 key and its CSR, both PEM.
pub struct KeyAndCsr {
    pub key_pem: String,
    pub csr_pem: String,
}

impl fmt::Debug for KeyAndCsr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyAndCsr(redacted)")
    }
}

impl KeyAndCsr {
    /// Makes a new key and a request for `identity`.
    pub fn generate(identity: &SpiffeId) -> Result<Self, CsrError> {
        let identity = identity.to_string();
        let failed = |reason: rcgen::Error| CsrError {
            identity: identity.clone(),
            reason: reason.to_string(),
        };
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(failed)?;
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        let uri = identity.as_str().try_into().map_err(failed)?;
        params.subject_alt_names = vec![SanType::URI(uri)];
        let request = params.serialize_request(&key).map_err(failed)?;
        Ok(Self {
            key_pem: key.serialize_pem(),
            csr_pem: request.pem().map_err(failed)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_request_carries_the_identity_and_never_prints_the_key() {
        let made = KeyAndCsr::generate(&SpiffeId::new("cluster.local", "a", "b")).unwrap();
        assert!(made.csr_pem.contains("CERTIFICATE REQUEST"));
        assert!(!format!("{made:?}").contains("PRIVATE"));
    }
}
