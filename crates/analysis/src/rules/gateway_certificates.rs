//! Gateways of one workload that present one certificate.

use std::collections::BTreeMap;

use api::parse::Node;

use super::report::reportable;
use super::{Code, Report, Rule};
use crate::facts::fields::{Fields, selects};
use crate::facts::{Facts, Kind, Resource};
use crate::finding::Level;

pub(super) const RULE: Rule = Rule {
    name: "gateway_certificates",
    analyzer: "gateway.CertificateAnalyzer",
    summary: "Checks that gateways of the same workloads do not share a certificate",
    codes: &[Code {
        id: "IST0138",
        level: Level::Warning,
        name: "GatewayDuplicateCertificate",
        meaning: "A client that has an HTTP/2 connection to one of the hosts uses it for the other too, because the \
                  certificate is valid for both; the gateway finds no route there and answers 404.",
        remedy: "Serve all hosts of the certificate from one Gateway, or give each Gateway its own certificate.",
        verify: "ferromesh analyze -A",
    }],
    check,
};

/// What identifies the certificate of a server.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Certificate<'a> {
    Secret(&'a str),
    Files(&'a str, &'a str),
}

fn certificate(server: &Node) -> Option<Certificate<'_>> {
    let tls = server.get("tls")?;
    match (
        tls.text("credentialName"),
        tls.text("serverCertificate"),
        tls.text("privateKey"),
    ) {
        ("", "", _) | ("", _, "") => None,
        ("", certificate, key) => Some(Certificate::Files(certificate, key)),
        (name, ..) => Some(Certificate::Secret(name)),
    }
}

fn check(facts: &Facts, report: &mut Report) {
    let mut users: BTreeMap<Certificate<'_>, Vec<&Resource>> = BTreeMap::new();
    for gateway in facts.all(Kind::Gateway) {
        for server in gateway.spec().list("servers") {
            let Some(certificate) = certificate(server) else {
                continue;
            };
            let users = users.entry(certificate).or_default();
            if !users.last().is_some_and(|last| std::ptr::eq(*last, gateway)) {
                users.push(gateway);
            }
        }
    }
    for (certificate, gateways) in &users {
        for gateway in gateways.iter().filter(|r| reportable(r)) {
            for other in gateways {
                let shares = selects(gateway.spec().map("selector"), other.spec().map("selector"));
                if std::ptr::eq(*gateway, *other) || !shares {
                    continue;
                }
                let message = format!(
                    "Duplicate certificate in multiple gateways [{} {}] may cause 404s if clients re-use HTTP2 \
                     connections.",
                    gateway.full_name(),
                    other.full_name()
                );
                let name = match certificate {
                    Certificate::Secret(name) => format!("credentialName {name}"),
                    Certificate::Files(file, _) => format!("serverCertificate {file}"),
                };
                report
                    .find("IST0138", gateway, "metadata.name", message)
                    .seen(other.evidence("spec.servers", name));
            }
        }
    }
}
