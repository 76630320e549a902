//! Certificates that the proxy holds.

use base64::Engine as _;
use net::tls::{PeerFacts, Roots};

use super::dump::{Dump, text};
use super::{Output, output};

pub(super) fn show(dump: &Dump, form: Output) -> anyhow::Result<String> {
    let (mut rows, mut objects) = (Vec::new(), Vec::new());
    for secret in dump.secrets() {
        let (kind, pem) = if secret.get("tls_certificate").is_some() {
            (
                "Cert Chain",
                text(secret, "/tls_certificate/certificate_chain/inline_bytes"),
            )
        } else {
            (
                "CA",
                text(secret, "/validation_context/trusted_ca/inline_bytes"),
            )
        };
        let mut row = vec![
            text(secret, "/name").to_owned(),
            kind.to_owned(),
            "ACTIVE".to_owned(),
        ];
        row.extend(certificate(pem));
        rows.push(row);
        objects.push(secret);
    }
    let header = [
        "RESOURCE NAME",
        "TYPE",
        "STATUS",
        "VALID CERT",
        "SERIAL NUMBER",
        "NOT AFTER",
        "NOT BEFORE",
    ];
    Ok(output(&header, rows, objects, form))
}

fn certificate(base64: &str) -> [String; 4] {
    let unreadable = || ["false", "", "", ""].map(str::to_owned);
    let Ok(pem) = base64::engine::general_purpose::STANDARD.decode(base64) else {
        return unreadable();
    };
    let Ok(chain) = Roots::from_pem(&pem) else {
        return unreadable();
    };
    let Some(facts) = chain.certificates().first().and_then(PeerFacts::of) else {
        return unreadable();
    };
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |d| i64::try_from(d.as_secs()).unwrap_or(i64::MAX));
    let date = |seconds: i64| {
        let text = time::OffsetDateTime::from_unix_timestamp(seconds).ok();
        text.and_then(|t| {
            t.format(&time::format_description::well_known::Rfc3339)
                .ok()
        })
        .unwrap_or_default()
    };
    let valid = facts.not_before <= now && now < facts.not_after;
    [
        valid.to_string(),
        facts.serial,
        date(facts.not_after),
        date(facts.not_before),
    ]
}
