//! Reading certificates and checking that they lead to a root.

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use x509_parser::prelude::{FromDer, X509Certificate};

/// A bundle with more certificates is refused.
const MOST: usize = 64;

/// A certificate and what is often asked of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Certificate {
    pub(crate) der: CertificateDer<'static>,
    /// Unix seconds.
    pub(crate) not_before: i64,
    pub(crate) not_after: i64,
}

impl Certificate {
    pub(crate) fn from_der(der: CertificateDer<'static>) -> Result<Self, String> {
        let parsed = parse(&der)?;
        let validity = parsed.validity();
        let (not_before, not_after) = (
            validity.not_before.timestamp(),
            validity.not_after.timestamp(),
        );
        Ok(Self {
            not_before,
            not_after,
            der,
        })
    }

    pub(crate) fn parsed(&self) -> Result<X509Certificate<'_>, String> {
        parse(&self.der)
    }

    pub(crate) fn pem(&self) -> String {
        use base64::Engine as _;
        let text = base64::engine::general_purpose::STANDARD.encode(&self.der);
        let mut pem = String::from("-----BEGIN CERTIFICATE-----\n");
        for line in text.as_bytes().chunks(64) {
            // Base64 is ASCII.
            pem.push_str(&String::from_utf8_lossy(line));
            pem.push('\n');
        }
        pem.push_str("-----END CERTIFICATE-----\n");
        pem
    }

    pub(crate) fn expired(&self, now: i64) -> bool {
        self.not_after <= now
    }

    /// Whether `issuer` signed this one, may do so, and both are valid now.
    fn issued_by(&self, issuer: &Self, now: i64) -> Result<(), String> {
        let (child, parent) = (self.parsed()?, issuer.parsed()?);
        if child.issuer().as_raw() != parent.subject().as_raw() {
            return Err(format!(
                "{} names {} as its issuer, not {}",
                child.subject(),
                child.issuer(),
                parent.subject()
            ));
        }
        issuer.check_authority(now)?;
        child
            .verify_signature(Some(parent.public_key()))
            .map_err(|_| {
                format!(
                    "{} was not signed by the key of {}",
                    child.subject(),
                    parent.subject()
                )
            })
    }

    /// Whether it is a certificate authority's, and valid now.
    pub(crate) fn check_authority(&self, now: i64) -> Result<(), String> {
        let parsed = self.parsed()?;
        let subject = parsed.subject();
        if self.not_before > now {
            return Err(format!(
                "{subject} is not valid before {}",
                parsed.validity().not_before
            ));
        }
        if self.expired(now) {
            return Err(format!(
                "{subject} expired at {}",
                parsed.validity().not_after
            ));
        }
        if !parsed.is_ca() {
            return Err(format!(
                "{subject} is no CA certificate (basicConstraints CA:TRUE is missing)"
            ));
        }
        let usage = parsed.key_usage().map_err(|e| e.to_string())?;
        if usage.is_some_and(|usage| !usage.value.key_cert_sign()) {
            return Err(format!(
                "{subject} may not sign certificates (keyUsage lacks keyCertSign)"
            ));
        }
        Ok(())
    }
}

fn parse(der: &[u8]) -> Result<X509Certificate<'_>, String> {
    match X509Certificate::from_der(der) {
        Ok(([], certificate)) => Ok(certificate),
        Ok(_) => Err("bytes after the end of a certificate".into()),
        Err(_) => Err("not an X.509 certificate".into()),
    }
}

/// The certificates of a PEM text, in order.
pub(crate) fn certificates(pem: &str) -> Result<Vec<Certificate>, String> {
    let mut found = Vec::new();
    for item in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        let der = item.map_err(|_| "not PEM".to_owned())?;
        found.push(Certificate::from_der(der)?);
        if found.len() > MOST {
            return Err(format!("more than {MOST} certificates"));
        }
    }
    if found.is_empty() {
        return Err("no certificate in it".into());
    }
    Ok(found)
}

/// The certificates between `leaf` and a root, `leaf` first, roots left out. `pool` may hold them in
/// any order, with the leaf and the root among them, as `cert-chain.pem` often does.
pub(crate) fn path(
    leaf: &Certificate,
    pool: &[Certificate],
    roots: &[Certificate],
    now: i64,
) -> Result<Vec<Certificate>, String> {
    leaf.check_authority(now)?;
    if roots.contains(leaf) {
        return Ok(Vec::new());
    }
    let mut path = vec![leaf.clone()];
    let mut why = String::new();
    // Each certificate is used once, so this ends.
    while path.len() <= pool.len() + 1 {
        let last = &path[path.len() - 1];
        for root in roots {
            match last.issued_by(root, now) {
                Ok(()) => return Ok(path),
                Err(reason) => why = reason,
            }
        }
        let next = pool
            .iter()
            .find(|next| !path.contains(next) && last.issued_by(next, now).is_ok());
        match next {
            Some(next) => path.push(next.clone()),
            None => break,
        }
    }
    Err(why)
}
