//! Certificates with their keys, and trust roots, from PEM.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use rustls::RootCertStore;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// Why PEM was refused. The text never quotes key material.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PemError {
    #[error("no certificate found in the PEM text")]
    NoCertificate,
    #[error("certificate {index} cannot be read: {reason}")]
    BadCertificate { index: usize, reason: String },
    #[error("no private key found in the PEM text; PKCS#8, PKCS#1 and SEC1 are read")]
    NoKey,
    #[error("the private key cannot be used: {0}")]
    BadKey(String),
    #[error("the private key does not belong to the certificate")]
    KeyMismatch,
}

/// A certificate chain (leaf first) and its private key.
#[derive(Clone)]
pub struct Identity {
    key: Arc<CertifiedKey>,
}

impl Identity {
    /// Reads a chain and a key, and checks that they belong together.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, PemError> {
        let chain = certificates(chain)?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| PemError::NoKey)?;
        Self::from_der(chain, &key)
    }

    /// As [`Identity::from_pem`], from DER.
    pub fn from_der(
        chain: Vec<CertificateDer<'static>>,
        key: &PrivateKeyDer<'static>,
    ) -> Result<Self, PemError> {
        if chain.is_empty() {
            return Err(PemError::NoCertificate);
        }
        let signer = super::provider()
            .key_provider
            .load_private_key(key.clone_key())
            .map_err(|e| PemError::BadKey(e.to_string()))?;
        let key = CertifiedKey::new(chain, signer);
        match key.keys_match() {
            Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => {}
            Err(rustls::Error::InconsistentKeys(_)) => return Err(PemError::KeyMismatch),
            Err(e) => {
                return Err(PemError::BadCertificate {
                    index: 0,
                    reason: e.to_string(),
                });
            }
        }
        Ok(Self { key: Arc::new(key) })
    }

    /// Leaf first.
    #[must_use]
    pub fn chain(&self) -> &[CertificateDer<'static>] {
        &self.key.cert
    }

    /// For rustls.
    #[must_use]
    pub fn certified_key(&self) -> Arc<CertifiedKey> {
        self.key.clone()
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Identity({} certificates, key redacted)",
            self.key.cert.len()
        )
    }
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, PemError> {
    let mut found = Vec::new();
    for (index, item) in CertificateDer::pem_slice_iter(pem).enumerate() {
        found.push(item.map_err(|e| PemError::BadCertificate {
            index,
            reason: e.to_string(),
        })?);
    }
    if found.is_empty() {
        return Err(PemError::NoCertificate);
    }
    Ok(found)
}

/// Trust anchors.
#[derive(Clone)]
pub struct Roots {
    certificates: Arc<[CertificateDer<'static>]>,
    store: Arc<RootCertStore>,
}

impl Roots {
    /// Reads one or more certificates.
    pub fn from_pem(pem: &[u8]) -> Result<Self, PemError> {
        Self::from_der(certificates(pem)?)
    }

    /// As [`Roots::from_pem`], from DER.
    pub fn from_der(certificates: Vec<CertificateDer<'static>>) -> Result<Self, PemError> {
        let mut store = RootCertStore::empty();
        for (index, certificate) in certificates.iter().enumerate() {
            store
                .add(certificate.clone())
                .map_err(|e| PemError::BadCertificate {
                    index,
                    reason: e.to_string(),
                })?;
        }
        if store.is_empty() {
            return Err(PemError::NoCertificate);
        }
        Ok(Self {
            certificates: certificates.into(),
            store: Arc::new(store),
        })
    }

    /// For rustls.
    #[must_use]
    pub fn store(&self) -> Arc<RootCertStore> {
        self.store.clone()
    }

    #[must_use]
    pub fn certificates(&self) -> &[CertificateDer<'static>] {
        &self.certificates
    }
}

impl fmt::Debug for Roots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Roots({} certificates)", self.certificates.len())
    }
}

/// Holds the identity that new handshakes present; replacing it disturbs no open connection.
#[derive(Debug, Default)]
pub struct IdentitySlot(RwLock<Option<Identity>>);

impl IdentitySlot {
    #[must_use]
    pub fn new(identity: Identity) -> Arc<Self> {
        Arc::new(Self(RwLock::new(Some(identity))))
    }

    /// A slot without an identity: servers refuse handshakes, clients present no certificate.
    #[must_use]
    pub fn empty() -> Arc<Self> {
        Arc::default()
    }

    pub fn set(&self, identity: Identity) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some(identity);
    }

    #[must_use]
    pub fn get(&self) -> Option<Identity> {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl rustls::server::ResolvesServerCert for IdentitySlot {
    fn resolve(&self, _hello: rustls::server::ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.get().map(|identity| identity.certified_key())
    }
}

impl rustls::client::ResolvesClientCert for IdentitySlot {
    fn resolve(
        &self,
        _hints: &[&[u8]],
        _schemes: &[rustls::SignatureScheme],
    ) -> Option<Arc<CertifiedKey>> {
        self.get().map(|identity| identity.certified_key())
    }

    fn has_certs(&self) -> bool {
        self.get().is_some()
    }
}
