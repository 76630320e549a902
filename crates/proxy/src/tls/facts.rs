//! What a finished handshake settled.

use std::sync::{Arc, OnceLock};

use net::tls::PeerFacts;
use rustls::{CommonState, HandshakeKind, ProtocolVersion};
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
        resumed: state.handshake_kind() == Some(HandshakeKind::Resumed),
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
