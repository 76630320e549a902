//! Certificate fixtures: a root, leaves under it, and the ways they can be wrong.

use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};

/// A certificate chain and its key, PEM.
#[derive(Clone)]
pub struct Pair {
    /// Leaf first, without the root.
    pub chain: String,
    pub key: String,
}

/// A certificate authority for tests.
pub struct Authority {
    params: CertificateParams,
    key: KeyPair,
    /// Its certificate, PEM.
    pub pem: String,
    /// Certificates between this authority and the root, PEM, own first; empty for a root.
    chain: String,
}

/// When a certificate is valid, relative to now.
#[derive(Debug, Clone, Copy)]
pub struct Validity {
    pub from_ago: Duration,
    /// Negative lifetimes are written as `Expired`.
    pub until: Until,
}

#[derive(Debug, Clone, Copy)]
pub enum Until {
    In(Duration),
    Ago(Duration),
}

impl Default for Validity {
    fn default() -> Self {
        Self {
            from_ago: Duration::from_secs(3600),
            until: Until::In(Duration::from_secs(24 * 3600)),
        }
    }
}

impl Validity {
    /// Ended an hour ago.
    #[must_use]
    pub fn expired() -> Self {
        Self {
            from_ago: Duration::from_secs(48 * 3600),
            until: Until::Ago(Duration::from_secs(3600)),
        }
    }

    fn apply(self, params: &mut CertificateParams) {
        let now = SystemTime::now();
        params.not_before = (now - self.from_ago).into();
        params.not_after = match self.until {
            Until::In(d) => (now + d).into(),
            Until::Ago(d) => (now - d).into(),
        };
    }
}

fn ca_params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

impl Authority {
    /// A self-signed root.
    ///
    /// # Panics
    /// When the crypto library fails.
    #[must_use]
    pub fn root(name: &str) -> Self {
        Self::root_valid(name, Validity::default())
    }

    /// A self-signed root with this validity.
    ///
    /// # Panics
    /// When the crypto library fails.
    #[must_use]
    pub fn root_valid(name: &str, validity: Validity) -> Self {
        let mut params = ca_params(name);
        validity.apply(&mut params);
        let key = KeyPair::generate().expect("a P-256 key");
        let pem = params.self_signed(&key).expect("self-signed").pem();
        Self {
            params,
            key,
            pem,
            chain: String::new(),
        }
    }

    /// An intermediate under this authority.
    ///
    /// # Panics
    /// When the crypto library fails.
    #[must_use]
    pub fn intermediate(&self, name: &str, validity: Validity) -> Self {
        let mut params = ca_params(name);
        validity.apply(&mut params);
        let key = KeyPair::generate().expect("a P-256 key");
        let pem = params
            .signed_by(&key, &Issuer::from_params(&self.params, &self.key))
            .expect("signed")
            .pem();
        let chain = format!("{pem}{}", self.chain);
        Self {
            params,
            key,
            pem,
            chain,
        }
    }

    /// The private key, PEM (PKCS#8).
    #[must_use]
    pub fn key_pem(&self) -> String {
        self.key.serialize_pem()
    }

    /// Certificates from this one up to, not including, the root.
    #[must_use]
    pub fn chain_pem(&self) -> &str {
        &self.chain
    }

    /// A workload's certificate: one URI SAN.
    ///
    /// # Panics
    /// When the crypto library fails or `uri` is not ASCII.
    #[must_use]
    pub fn workload(&self, uri: &str, validity: Validity) -> Pair {
        let san = SanType::URI(uri.try_into().expect("an ASCII URI"));
        self.issue(vec![san], validity)
    }

    /// A server's certificate: DNS SANs.
    ///
    /// # Panics
    /// When the crypto library fails or a name is not ASCII.
    #[must_use]
    pub fn server(&self, names: &[&str], validity: Validity) -> Pair {
        let sans = names
            .iter()
            .map(|name| match name.parse() {
                Ok(ip) => SanType::IpAddress(ip),
                Err(_) => SanType::DnsName((*name).try_into().expect("an ASCII name")),
            })
            .collect();
        self.issue(sans, validity)
    }

    fn issue(&self, sans: Vec<SanType>, validity: Validity) -> Pair {
        let mut params = CertificateParams::default();
        params.subject_alt_names = sans;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        validity.apply(&mut params);
        let key = KeyPair::generate().expect("a P-256 key");
        let leaf = params
            .signed_by(&key, &Issuer::from_params(&self.params, &self.key))
            .expect("signed");
        Pair {
            chain: format!("{}{}", leaf.pem(), self.chain),
            key: key.serialize_pem(),
        }
    }
}
