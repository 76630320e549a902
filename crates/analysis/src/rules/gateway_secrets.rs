//! Secrets that Gateways name: they exist where the gateway's pods are, and hold a valid certificate.

use api::parse::Node;

use super::destination_hosts::NOT_FOUND;
use super::gateway_ports::selector_not_found;
use super::report::reportable;
use super::{Code, Report, Rule};
use crate::certificate::{self, Validity};
use crate::facts::fields::{Fields, selector_text};
use crate::facts::{Facts, Kind, Resource};
use crate::finding::Level;

pub(super) const RULE: Rule = Rule {
    name: "gateway_secrets",
    analyzer: "gateway.SecretAnalyzer",
    summary: "Checks the secrets that gateways take their certificates from",
    codes: &[
        NOT_FOUND,
        Code {
            id: "IST0161",
            level: Level::Error,
            name: "InvalidGatewayCredential",
            meaning: "The Secret has no usable certificate: keys are missing or empty, the text is no certificate, or it \
                      has expired. TLS handshakes with this server fail.",
            remedy: "Create the Secret again from a valid certificate and its key: kubectl create secret tls NAME \
                     --cert=tls.crt --key=tls.key -n NAMESPACE.",
            verify: "openssl s_client -connect GATEWAY:443 -servername HOST </dev/null",
        },
    ],
    check,
};

fn check(facts: &Facts, report: &mut Report) {
    for gateway in facts.all(Kind::Gateway).filter(|r| reportable(r)) {
        let selector = gateway.spec().map("selector");
        let Some(pod) = facts.workloads().select(facts, None, selector).next() else {
            selector_not_found(report, gateway, "spec.selector", &selector_text(selector));
            continue;
        };
        for (index, server) in gateway.spec().list("servers").iter().enumerate() {
            let name = server.get("tls").map_or("", |tls| tls.text("credentialName"));
            if name.is_empty() {
                continue;
            }
            let path = format!("spec.servers[{index}].tls.credentialName");
            let (namespace, local) = name.split_once('/').unwrap_or((pod.namespace(), name));
            let Some(secret) = facts.get(Kind::Secret, namespace, local) else {
                let message = format!("Referenced credentialName not found: {name:?}");
                let finding = report.find("IST0101", gateway, &path, message);
                finding.because(format!(
                    "The gateway's pods run in namespace {namespace} and read the Secret there; without it the server \
                     on this port does not come up and TLS handshakes are reset."
                ));
                finding.command(
                    format!("kubectl create secret tls {local} --cert=tls.crt --key=tls.key -n {namespace}"),
                    "none",
                );
                continue;
            };
            let Some(problem) = problem(facts, secret) else {
                continue;
            };
            let message = format!(
                "The credential referenced by the Gateway {} in namespace {namespace} is invalid, which can cause the \
                 traffic not to work as expected.",
                gateway.name
            );
            report
                .find("IST0161", gateway, &path, message)
                .because(format!("Secret {namespace}/{local}: {problem}."))
                .seen(secret.evidence("data", problem));
        }
    }
}

/// What is wrong with a Secret as a server's certificate; never its content.
pub(super) fn problem(facts: &Facts, secret: &Resource) -> Option<String> {
    let pairs = [("cert", "key"), ("tls.crt", "tls.key")];
    let Some((cert, _)) = pairs
        .iter()
        .find(|(cert, key)| !value(secret, cert).is_empty() && !value(secret, key).is_empty())
    else {
        return Some("neither tls.crt and tls.key nor cert and key are set".to_owned());
    };
    match certificate::validity(&value(secret, cert), facts.now) {
        Validity::Good => None,
        Validity::Bad(problem) => Some(format!("{cert}: {problem}")),
    }
}

fn value(secret: &Resource, key: &str) -> Vec<u8> {
    let plain = secret.node.get("stringData").map_or("", |data| data.text(key));
    if !plain.is_empty() {
        return plain.as_bytes().to_vec();
    }
    let encoded = secret.node.get("data").map_or("", |data: &Node| data.text(key));
    certificate::base64(encoded).unwrap_or_default()
}
