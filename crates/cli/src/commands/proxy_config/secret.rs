//! Certificates that the proxy holds or waits for.

use base64::Engine as _;
use net::tls::{PeerFacts, Roots};
use serde_json::Value;

use super::Names;
use super::dump::{Dump, list, text};
use super::form::{Form, table};

pub(super) fn show(dump: &Dump, names: Names, form: Form) -> anyhow::Result<String> {
    let section = dump.section("SecretsConfigDump")?;
    if !form.is_table() {
        return form.message("envoy.admin.v3.SecretsConfigDump", section);
    }
    let warming = list(section, "/dynamic_warming_secrets").map(|secret| (secret, "WARMING"));
    let active = list(section, "/dynamic_active_secrets").map(|secret| (secret, "ACTIVE"));
    let rows: Vec<_> = warming
        .chain(active)
        .map(|(secret, state)| row(secret, state, names))
        .collect();
    if rows.is_empty() {
        return Ok("No active or warming secrets found.\n".into());
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
    Ok(table(&header, &rows, 5))
}

fn row(entry: &Value, state: &str, names: Names) -> Vec<String> {
    let secret = &entry["secret"];
    let chain = text(secret, "/tls_certificate/certificate_chain/inline_bytes");
    let roots = text(secret, "/validation_context/trusted_ca/inline_bytes");
    let (kind, pem) = match (chain, roots) {
        ("", "") => ("", ""),
        ("", roots) => ("CA", roots),
        (chain, _) => ("Cert Chain", chain),
    };
    let facts = certificate(pem);
    let name = names.of("secret", text(entry, "/name"));
    let mut row = vec![
        name,
        if facts.is_some() { kind } else { "" }.to_owned(),
        state.to_owned(),
    ];
    row.extend(facts.unwrap_or_else(|| ["false", "", "", ""].map(str::to_owned)));
    row
}

/// Whether it is valid now, serial number, end and beginning.
fn certificate(base64: &str) -> Option<[String; 4]> {
    let pem = base64::engine::general_purpose::STANDARD
        .decode(base64)
        .ok()?;
    let chain = Roots::from_pem(&pem).ok()?;
    let facts = PeerFacts::of(chain.certificates().first()?)?;
    let now = time::OffsetDateTime::now_utc().unix_timestamp();
    let date = |seconds: i64| {
        let time = time::OffsetDateTime::from_unix_timestamp(seconds).ok()?;
        time.format(&time::format_description::well_known::Rfc3339)
            .ok()
    };
    Some([
        (facts.not_before < now && now < facts.not_after).to_string(),
        format!("{:0>32}", facts.serial),
        date(facts.not_after)?,
        date(facts.not_before)?,
    ])
}
