//! Signs certificates with one CA key.

use std::time::Duration;

use base::SpiffeId;
use rcgen::{
    CertificateParams, DistinguishedName, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PublicKeyData, SanType, SerialNumber,
};
use rustls_pki_types::CertificateDer;
use time::OffsetDateTime;

use crate::chain::Certificate;
use crate::error::CaError;

/// Certificates begin this long ago: clocks differ.
pub(crate) const BACKDATE: i64 = 120;

/// A certificate as it goes to its owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issued {
    /// PEM: the leaf, then each certificate up to, not including, the root.
    pub chain: Vec<String>,
    /// PEM of all trusted roots.
    pub roots: String,
    /// Unix seconds.
    pub not_before: i64,
    pub not_after: i64,
}

/// A CA key with its certificates.
pub(crate) struct Signer {
    key: KeyPair,
    certificate: Certificate,
    /// PEM of the certificates between a leaf and the root, issuer first.
    intermediates: Vec<String>,
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Signer({} intermediates, key redacted)",
            self.intermediates.len()
        )
    }
}

/// What a leaf is for.
pub(crate) enum Subject<'a> {
    Workload(&'a SpiffeId),
    /// A server of the control plane: DNS names beside its identity.
    Server(&'a SpiffeId, &'a [String]),
}

impl Signer {
    /// `path` leads from the signer's certificate to the root, both left out of it when they are one.
    pub(crate) fn new(
        key: KeyPair,
        certificate: Certificate,
        path: &[Certificate],
    ) -> Result<Self, String> {
        let parsed = certificate.parsed()?;
        if parsed.public_key().subject_public_key.data.as_ref() != key.der_bytes() {
            return Err("the key does not belong to the certificate".into());
        }
        let intermediates = path.iter().map(Certificate::pem).collect();
        Ok(Self {
            key,
            certificate,
            intermediates,
        })
    }

    #[cfg(test)]
    pub(crate) fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// Issues a leaf; it never outlives the signer's certificate. The roots are left to the caller.
    pub(crate) fn leaf(
        &self,
        key: &impl PublicKeyData,
        subject: &Subject<'_>,
        ttl: Duration,
        now: i64,
    ) -> Result<(CertificateDer<'static>, Issued), CaError> {
        let lifetime = i64::try_from(ttl.as_secs()).unwrap_or(i64::MAX);
        let not_before = (now - BACKDATE).max(self.certificate.not_before);
        let not_after = now.saturating_add(lifetime).min(self.certificate.not_after);
        if not_after <= now {
            return Err(CaError::Crypto(
                "the CA's own certificate has expired".into(),
            ));
        }
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.subject_alt_names = sans(subject)?;
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![
            KeyUsagePurpose::DigitalSignature,
            KeyUsagePurpose::KeyEncipherment,
        ];
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        params.use_authority_key_identifier_extension = true;
        valid(&mut params, not_before, not_after)?;
        let issuer = Issuer::from_ca_cert_der(&self.certificate.der, &self.key)?;
        let leaf = params.signed_by(key, &issuer)?;
        let mut chain = vec![leaf.pem()];
        chain.extend(self.intermediates.iter().cloned());
        let issued = Issued {
            chain,
            roots: String::new(),
            not_before,
            not_after,
        };
        Ok((leaf.der().clone(), issued))
    }
}

fn sans(subject: &Subject<'_>) -> Result<Vec<SanType>, CaError> {
    let invalid = |e: rcgen::Error| CaError::Crypto(format!("not a name for a certificate: {e}"));
    let (identity, names) = match subject {
        Subject::Workload(identity) => (identity, &[][..]),
        Subject::Server(identity, names) => (identity, *names),
    };
    let uri = identity.to_string().try_into().map_err(invalid)?;
    let mut sans = vec![SanType::URI(uri)];
    for name in names {
        sans.push(match name.parse() {
            Ok(ip) => SanType::IpAddress(ip),
            Err(_) => SanType::DnsName(name.as_str().try_into().map_err(invalid)?),
        });
    }
    Ok(sans)
}

/// Sets validity and a random serial number: RFC 5280 §4.1.2.2 wants them unique per CA.
pub(crate) fn valid(
    params: &mut CertificateParams,
    not_before: i64,
    not_after: i64,
) -> Result<(), CaError> {
    let time = |unix| {
        OffsetDateTime::from_unix_timestamp(unix)
            .map_err(|_| CaError::Crypto("a time out of range".into()))
    };
    params.not_before = time(not_before)?;
    params.not_after = time(not_after)?;
    let mut serial = [0u8; 16];
    aws_lc_rs::rand::fill(&mut serial)
        .map_err(|_| CaError::Crypto("no randomness available".into()))?;
    // Positive and without leading zeros.
    serial[0] = (serial[0] & 0x7f) | 0x40;
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    Ok(())
}
