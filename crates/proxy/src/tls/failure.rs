//! The words for a handshake that failed: those of Envoy's transport failure reasons, which people search for.

use std::borrow::Cow;
use std::io;
use std::sync::Arc;

use rustls::{AlertDescription, CertificateError, Error, OtherError, PeerIncompatible};

/// A certificate that the configuration refuses, in Envoy's words. The peer gets the alert `certificate_unknown`.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Refused(String);

/// The error for a certificate that is sound, yet not the one that is wanted.
pub(super) fn refused(text: String) -> Error {
    Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(Refused(text)))))
}

/// A judgement on a chain as BoringSSL words it (`X509_verify_cert_error_string`). rustls does not tell which
/// certificate of the chain it is about: the peer's own is assumed.
fn verdict(reason: &CertificateError) -> String {
    let text = match reason {
        CertificateError::Other(refused) => return refused.to_string(),
        CertificateError::UnknownIssuer => "unable to get local issuer certificate",
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "certificate has expired"
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "certificate is not yet valid"
        }
        CertificateError::Revoked => "certificate revoked",
        CertificateError::UnknownRevocationStatus => "unable to get certificate CRL",
        CertificateError::ExpiredRevocationList
        | CertificateError::ExpiredRevocationListContext { .. } => "CRL has expired",
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "unsupported certificate purpose"
        }
        CertificateError::BadSignature => "certificate signature failure",
        CertificateError::UnhandledCriticalExtension => "unhandled critical extension",
        other => return other.to_string(),
    };
    format!("X509_verify_cert: certificate verification error at depth 0: {text}")
}

/// A failed handshake in the form of Envoy's transport failure reasons.
pub(super) fn words(error: &io::Error) -> Cow<'static, str> {
    let Some(tls) = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<Error>())
    else {
        return match error.kind() {
            io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => {
                "TLS_error:|peer closed the connection during the handshake:TLS_error_end".into()
            }
            _ => format!(
                "TLS_error:|{}:TLS_error_end",
                crate::upstream::connect::words(error)
            )
            .into(),
        };
    };
    let text = match tls {
        Error::InvalidCertificate(why) => format!(
            "{}:verify cert failed: {}",
            reason(125, "CERTIFICATE_VERIFY_FAILED"),
            verdict(why)
        ),
        Error::InvalidMessage(_) => reason(247, "WRONG_VERSION_NUMBER"),
        Error::AlertReceived(alert) => {
            reason(1000 + u32::from(u8::from(*alert)), alert_name(*alert))
        }
        Error::NoCertificatesPresented => format!(
            "{}:peer did not provide required client certificate",
            reason(192, "PEER_DID_NOT_RETURN_A_CERTIFICATE")
        ),
        Error::PeerIncompatible(why) => incompatible(why),
        other => other.to_string(),
    };
    format!("TLS_error:|{text}:TLS_error_end").into()
}

/// A reason of BoringSSL's library 16, by its number and name (`crypto/err/ssl.errordata`).
fn reason(number: u32, name: &str) -> String {
    format!(
        "{}:SSL routines:OPENSSL_internal:{name}",
        (16 << 24) + number
    )
}

fn incompatible(why: &PeerIncompatible) -> String {
    match why {
        PeerIncompatible::NoCipherSuitesInCommon => reason(184, "NO_SHARED_CIPHER"),
        PeerIncompatible::NoKxGroupsInCommon => reason(266, "NO_SHARED_GROUP"),
        PeerIncompatible::NoSignatureSchemesInCommon => {
            reason(253, "NO_COMMON_SIGNATURE_ALGORITHMS")
        }
        PeerIncompatible::ServerDoesNotSupportTls12Or13
        | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig
        | PeerIncompatible::SupportedVersionsExtensionRequired
        | PeerIncompatible::Tls12NotOffered
        | PeerIncompatible::Tls12NotOfferedOrEnabled => reason(240, "UNSUPPORTED_PROTOCOL"),
        other => format!("{}:{other:?}", reason(215, "SSL_HANDSHAKE_FAILURE")),
    }
}

/// As the TLS inspector puts it of bytes that begin no TLS record.
pub(crate) fn not_tls(bytes: &[u8]) -> String {
    let is = |start: &[u8]| bytes.starts_with(start);
    let (number, name) = if is(b"GET ") || is(b"POST ") || is(b"HEAD ") || is(b"PUT ") {
        (156, "HTTP_REQUEST")
    } else if is(b"CONNE") {
        (155, "HTTPS_PROXY_REQUEST")
    } else {
        (247, "WRONG_VERSION_NUMBER")
    };
    let code = (16 << 24) + number;
    format!("TLS_error|error:{code:08x}:SSL_routines:OPENSSL_internal:{name}:TLS_error_end")
}

fn alert_name(alert: AlertDescription) -> &'static str {
    match u8::from(alert) {
        0 => "SSLV3_ALERT_CLOSE_NOTIFY",
        10 => "SSLV3_ALERT_UNEXPECTED_MESSAGE",
        20 => "SSLV3_ALERT_BAD_RECORD_MAC",
        21 => "TLSV1_ALERT_DECRYPTION_FAILED",
        22 => "TLSV1_ALERT_RECORD_OVERFLOW",
        30 => "SSLV3_ALERT_DECOMPRESSION_FAILURE",
        40 => "SSLV3_ALERT_HANDSHAKE_FAILURE",
        41 => "SSLV3_ALERT_NO_CERTIFICATE",
        42 => "SSLV3_ALERT_BAD_CERTIFICATE",
        43 => "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE",
        44 => "SSLV3_ALERT_CERTIFICATE_REVOKED",
        45 => "SSLV3_ALERT_CERTIFICATE_EXPIRED",
        46 => "SSLV3_ALERT_CERTIFICATE_UNKNOWN",
        47 => "SSLV3_ALERT_ILLEGAL_PARAMETER",
        48 => "TLSV1_ALERT_UNKNOWN_CA",
        49 => "TLSV1_ALERT_ACCESS_DENIED",
        50 => "TLSV1_ALERT_DECODE_ERROR",
        51 => "TLSV1_ALERT_DECRYPT_ERROR",
        60 => "TLSV1_ALERT_EXPORT_RESTRICTION",
        70 => "TLSV1_ALERT_PROTOCOL_VERSION",
        71 => "TLSV1_ALERT_INSUFFICIENT_SECURITY",
        80 => "TLSV1_ALERT_INTERNAL_ERROR",
        86 => "TLSV1_ALERT_INAPPROPRIATE_FALLBACK",
        90 => "TLSV1_ALERT_USER_CANCELLED",
        100 => "TLSV1_ALERT_NO_RENEGOTIATION",
        110 => "TLSV1_ALERT_UNSUPPORTED_EXTENSION",
        111 => "TLSV1_ALERT_CERTIFICATE_UNOBTAINABLE",
        112 => "TLSV1_ALERT_UNRECOGNIZED_NAME",
        113 => "TLSV1_ALERT_BAD_CERTIFICATE_STATUS_RESPONSE",
        114 => "TLSV1_ALERT_BAD_CERTIFICATE_HASH_VALUE",
        115 => "TLSV1_ALERT_UNKNOWN_PSK_IDENTITY",
        116 => "TLSV1_ALERT_CERTIFICATE_REQUIRED",
        120 => "TLSV1_ALERT_NO_APPLICATION_PROTOCOL",
        _ => "UNKNOWN_ALERT_TYPE",
    }
}
