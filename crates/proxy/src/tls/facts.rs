//! What a finished handshake settled, and the words for one that failed.

use std::borrow::Cow;
use std::io;
use std::sync::{Arc, OnceLock};

use net::tls::PeerFacts;
use rustls::{AlertDescription, CommonState, Error, ProtocolVersion};
use rustls_pki_types::CertificateDer;

use crate::observe::record::TlsFacts;

/// Gathers the facts of a connection.
pub(super) fn gather(
    state: &CommonState,
    sni: Option<&str>,
    local: Option<Arc<PeerFacts>>,
    validated: bool,
) -> TlsFacts {
    let leaf = state
        .peer_certificates()
        .and_then(<[CertificateDer<'_>]>::first);
    TlsFacts {
        version: match state.protocol_version() {
            Some(ProtocolVersion::TLSv1_3) => "TLSv1.3",
            Some(ProtocolVersion::TLSv1_2) => "TLSv1.2",
            _ => "",
        },
        cipher: state
            .negotiated_cipher_suite()
            .and_then(|suite| suite.suite().as_str())
            .map_or("", openssl_name),
        alpn: state.alpn_protocol().map(Box::from),
        sni: sni.map(Box::from),
        peer: leaf.and_then(PeerFacts::of).map(Arc::new),
        peer_der: leaf.map(|leaf| Box::from(leaf.as_ref())),
        validated: validated && leaf.is_some(),
        local,
        client_cert_element: OnceLock::new(),
    }
}

/// OpenSSL's names for cipher suites, with IANA's (as rustls writes them) on the left.
pub(super) const SUITES: &[(&str, &str)] = &[
    ("TLS13_AES_128_GCM_SHA256", "TLS_AES_128_GCM_SHA256"),
    ("TLS13_AES_256_GCM_SHA384", "TLS_AES_256_GCM_SHA384"),
    (
        "TLS13_CHACHA20_POLY1305_SHA256",
        "TLS_CHACHA20_POLY1305_SHA256",
    ),
    (
        "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
        "ECDHE-ECDSA-AES128-GCM-SHA256",
    ),
    (
        "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
        "ECDHE-ECDSA-AES256-GCM-SHA384",
    ),
    (
        "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
        "ECDHE-ECDSA-CHACHA20-POLY1305",
    ),
    (
        "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
        "ECDHE-RSA-AES128-GCM-SHA256",
    ),
    (
        "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
        "ECDHE-RSA-AES256-GCM-SHA384",
    ),
    (
        "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
        "ECDHE-RSA-CHACHA20-POLY1305",
    ),
];

fn openssl_name(iana: &'static str) -> &'static str {
    SUITES
        .iter()
        .find(|(name, _)| *name == iana)
        .map_or(iana, |(_, openssl)| openssl)
}

/// A failed handshake in the form of Envoy's transport failure reasons.
pub(super) fn failure(error: &io::Error) -> Cow<'static, str> {
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
        Error::InvalidCertificate(reason) => {
            format!("268435581:SSL routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED:{reason}")
        }
        Error::InvalidMessage(_) => {
            "268435703:SSL routines:OPENSSL_internal:WRONG_VERSION_NUMBER".into()
        }
        Error::AlertReceived(alert) => format!("{}:{alert:?}", alert_name(*alert)),
        Error::NoCertificatesPresented => {
            "268435655:SSL routines:OPENSSL_internal:PEER_DID_NOT_RETURN_A_CERTIFICATE".into()
        }
        Error::PeerIncompatible(reason) => {
            format!("268435696:SSL routines:OPENSSL_internal:UNSUPPORTED_PROTOCOL:{reason:?}")
        }
        other => other.to_string(),
    };
    format!("TLS_error:|{text}:TLS_error_end").into()
}

fn alert_name(alert: AlertDescription) -> &'static str {
    match alert {
        AlertDescription::HandshakeFailure => {
            "268436496:SSL routines:OPENSSL_internal:SSLV3_ALERT_HANDSHAKE_FAILURE"
        }
        AlertDescription::BadCertificate => {
            "268436498:SSL routines:OPENSSL_internal:SSLV3_ALERT_BAD_CERTIFICATE"
        }
        AlertDescription::CertificateExpired => {
            "268436501:SSL routines:OPENSSL_internal:SSLV3_ALERT_CERTIFICATE_EXPIRED"
        }
        AlertDescription::CertificateUnknown => {
            "268436502:SSL routines:OPENSSL_internal:SSLV3_ALERT_CERTIFICATE_UNKNOWN"
        }
        AlertDescription::UnknownCA => {
            "268436504:SSL routines:OPENSSL_internal:TLSV1_ALERT_UNKNOWN_CA"
        }
        AlertDescription::CertificateRequired => {
            "268436572:SSL routines:OPENSSL_internal:TLSV1_ALERT_CERTIFICATE_REQUIRED"
        }
        AlertDescription::UnrecognisedName => {
            "268436568:SSL routines:OPENSSL_internal:TLSV1_ALERT_UNRECOGNIZED_NAME"
        }
        _ => "SSL routines:OPENSSL_internal:ALERT",
    }
}
