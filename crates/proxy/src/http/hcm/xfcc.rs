//! `x-forwarded-client-cert` (Envoy's `mutateXfccRequestHeader`).

use crate::config::Hcm;
use crate::config::hcm::ForwardClientCert;
use crate::http::{HeaderId, RequestHead};
use crate::observe::record::{ConnectionFacts, TlsFacts};

/// Forwards, removes or sets the field.
pub(super) fn mutate(hcm: &Hcm, connection: &ConnectionFacts, head: &mut RequestHead) {
    let mode = hcm.forward_client_cert;
    let tls = connection.tls.as_deref().filter(|tls| tls.peer.is_some());
    if mode == ForwardClientCert::Sanitize {
        head.headers.remove_id(HeaderId::XForwardedClientCert);
        return;
    }
    let Some(tls) = tls else {
        head.headers.remove_id(HeaderId::XForwardedClientCert);
        return;
    };
    let element = || {
        tls.client_cert_element
            .get_or_init(|| element(hcm, tls).into())
    };
    let field = HeaderId::XForwardedClientCert;
    match mode {
        ForwardClientCert::AppendForward => head.headers.join_id(field, ",", element().as_bytes()),
        ForwardClientCert::SanitizeSet => head.headers.set_id(field, element().as_bytes()),
        ForwardClientCert::ForwardOnly
        | ForwardClientCert::AlwaysForwardOnly
        | ForwardClientCert::Sanitize => {}
    }
}

fn element(hcm: &Hcm, tls: &TlsFacts) -> String {
    let wanted = hcm.client_cert_details;
    let mut parts: Vec<String> = Vec::new();
    if let Some(local) = &tls.local {
        parts.extend(local.uri_sans.iter().map(|uri| format!("By={uri}")));
    }
    let Some(peer) = &tls.peer else {
        return parts.join(";");
    };
    if !peer.fingerprint_sha256.is_empty() {
        parts.push(format!("Hash={}", peer.fingerprint_sha256));
    }
    if wanted.cert {
        parts.extend(
            tls.peer_der
                .as_ref()
                .map(|der| format!("Cert=\"{}\"", url_encode(&pem(der)))),
        );
    }
    if wanted.chain {
        parts.extend(
            tls.peer_der
                .as_ref()
                .map(|der| format!("Chain=\"{}\"", url_encode(&pem(der)))),
        );
    }
    if wanted.subject {
        parts.push(format!(
            "Subject=\"{}\"",
            peer.subject.replace('\\', "\\\\").replace('"', "\\\"")
        ));
    }
    if wanted.uri {
        if peer.uri_sans.is_empty() {
            parts.push("URI=".into());
        }
        parts.extend(peer.uri_sans.iter().map(|uri| format!("URI={uri}")));
    }
    if wanted.dns {
        parts.extend(peer.dns_sans.iter().map(|name| format!("DNS={name}")));
    }
    parts.join(";")
}

fn pem(der: &[u8]) -> String {
    use base64::Engine;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let mut out = String::from("-----BEGIN CERTIFICATE-----\n");
    for line in text.as_bytes().chunks(64) {
        out.push_str(&String::from_utf8_lossy(line));
        out.push('\n');
    }
    out.push_str("-----END CERTIFICATE-----\n");
    out
}

fn url_encode(text: &str) -> String {
    use std::fmt::Write;
    let mut out = String::with_capacity(text.len() * 2);
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}
