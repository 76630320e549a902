//! What a peer's certificate says, for access logs, XFCC and authorisation.

use base::SpiffeId;
use rustls_pki_types::CertificateDer;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

/// The facts of a leaf certificate that Envoy's operators and Istio's identities need.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PeerFacts {
    pub uri_sans: Vec<String>,
    pub dns_sans: Vec<String>,
    /// RFC 2253 form, as Envoy prints it: most specific first.
    pub subject: String,
    pub issuer: String,
    /// Lower-case hex without separators.
    pub serial: String,
    /// Unix seconds.
    pub not_before: i64,
    pub not_after: i64,
    /// SHA-256 of the DER, lower-case hex.
    pub fingerprint_sha256: String,
}

impl PeerFacts {
    /// Reads a leaf; `None` when it is no X.509 certificate.
    #[must_use]
    pub fn of(leaf: &CertificateDer<'_>) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(leaf).ok()?;
        let mut facts = Self {
            subject: rfc2253(certificate.subject()),
            issuer: rfc2253(certificate.issuer()),
            serial: hex(trim_zeros(certificate.raw_serial())),
            not_before: certificate.validity().not_before.timestamp(),
            not_after: certificate.validity().not_after.timestamp(),
            fingerprint_sha256: hex(
                aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, leaf).as_ref()
            ),
            ..Self::default()
        };
        if let Ok(Some(names)) = certificate.subject_alternative_name() {
            for name in &names.value.general_names {
                match name {
                    GeneralName::URI(uri) => facts.uri_sans.push((*uri).into()),
                    GeneralName::DNSName(dns) => facts.dns_sans.push((*dns).into()),
                    _ => {}
                }
            }
        }
        Some(facts)
    }

    /// The workload identity, when there is exactly one URI SAN of Istio's form.
    #[must_use]
    pub fn spiffe(&self) -> Option<SpiffeId> {
        match self.uri_sans.as_slice() {
            [uri] => uri.parse().ok(),
            _ => None,
        }
    }
}

fn trim_zeros(bytes: &[u8]) -> &[u8] {
    let start = bytes.iter().position(|b| *b != 0).unwrap_or(bytes.len());
    &bytes[start..]
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn rfc2253(name: &x509_parser::x509::X509Name<'_>) -> String {
    let mut parts: Vec<String> = name
        .iter_attributes()
        .map(|attribute| {
            let oid = attribute.attr_type();
            let key = x509_parser::objects::oid2abbrev(oid, x509_parser::objects::oid_registry())
                .map_or_else(|_| oid.to_id_string(), str::to_owned);
            format!("{key}={}", escape(attribute.as_str().unwrap_or_default()))
        })
        .collect();
    parts.reverse();
    parts.join(",")
}

fn escape(value: &str) -> String {
    // RFC 2253 §2.4.
    let mut text = String::with_capacity(value.len());
    for c in value.chars() {
        if matches!(c, ',' | '+' | '"' | '\\' | '<' | '>' | ';') {
            text.push('\\');
        }
        text.push(c);
    }
    text
}
