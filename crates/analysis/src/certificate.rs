//! Whether bytes are a certificate that holds now. Nothing of them goes into a message.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// The verdict.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Validity {
    Good,
    Bad(String),
}

/// Decodes base64 that may be wrapped.
pub(crate) fn base64(text: &str) -> Option<Vec<u8>> {
    let compact: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    STANDARD.decode(compact).ok()
}

/// Judges a PEM file's first certificate. `now` is in seconds since 1970; expiry is not judged without it.
pub(crate) fn validity(pem: &[u8], now: Option<i64>) -> Validity {
    let Some(Ok(block)) = x509_parser::pem::Pem::iter_from_buffer(pem).next() else {
        return Validity::Bad("no PEM block".to_owned());
    };
    let Ok(certificate) = block.parse_x509() else {
        return Validity::Bad("the first PEM block is no X.509 certificate".to_owned());
    };
    let (from, until) = (
        certificate.validity().not_before.timestamp(),
        certificate.validity().not_after.timestamp(),
    );
    match now {
        Some(now) if now > until => Validity::Bad(format!(
            "the certificate expired on {}",
            certificate.validity().not_after
        )),
        Some(now) if now < from => Validity::Bad(format!(
            "the certificate is not valid before {}",
            certificate.validity().not_before
        )),
        _ => Validity::Good,
    }
}
