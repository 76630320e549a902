//! Webhooks that reach a control plane outside the cluster.

use std::net::IpAddr;

use super::{Code, Report, Rule};
use crate::facts::fields::Fields;
use crate::facts::{Facts, Kind};
use crate::finding::Level;

pub(super) const RULE: Rule = Rule {
    name: "external_control_plane",
    analyzer: "externalcontrolplane.ExternalControlPlaneAnalyzer",
    summary: "Checks the addresses of an external control plane's webhooks",
    codes: &[
        Code {
            id: "IST0163",
            level: Level::Warning,
            name: "InvalidExternalControlPlaneConfig",
            meaning: "The webhook says neither a service nor a usable URL: pods are not injected, configuration is not \
                      validated.",
            remedy: "Write webhooks[].clientConfig.url or .service.",
            verify: "kubectl get mutatingwebhookconfigurations -o yaml",
        },
        Code {
            id: "IST0164",
            level: Level::Info,
            name: "ExternalControlPlaneAddressIsNotAHostname",
            meaning: "The URL has an IP address; its certificate and its availability then depend on one machine.",
            remedy: "Use a host name.",
            verify: "kubectl get mutatingwebhookconfigurations -o yaml",
        },
    ],
    check,
};

fn check(facts: &Facts, report: &mut Report) {
    let validating = facts
        .all(Kind::ValidatingWebhookConfiguration)
        .filter(|r| &*r.name == "istiod-default-validator" || r.name.starts_with("istio-validator"));
    let mutating = facts
        .all(Kind::MutatingWebhookConfiguration)
        .filter(|r| r.name.starts_with("istio-sidecar-injector"));
    for resource in validating.chain(mutating) {
        for (index, webhook) in resource.node.list("webhooks").iter().enumerate() {
            let name = webhook.text("name");
            let config = webhook.get("clientConfig");
            let path = format!("webhooks[{index}].clientConfig.url");
            let url = config.filter(|config| config.has("url")).map(|config| config.text("url"));
            let invalid = |url: &str, problem: &str| {
                format!(
                    "The hostname ({url}) that was provided for the webhook ({name}) to reach the ingress gateway on \
                     the external control plane cluster {problem}. Traffic may not flow properly."
                )
            };
            match url {
                None if config.is_some_and(|config| config.has("service")) => {}
                None => {
                    report.find("IST0163", resource, "", invalid("", "is blank"));
                }
                Some(url) => match host(url) {
                    None => {
                        let message = invalid(url, "was provided in an invalid format");
                        let finding = report.find("IST0163", resource, "", message);
                        finding.evidence[0] = resource.evidence(&path, url);
                    }
                    Some(host) if host.parse::<IpAddr>().is_ok() => {
                        let message = format!(
                            "The address ({url}) that was provided for the webhook ({name}) to reach the ingress \
                             gateway on the external control plane cluster is an IP address. This is not recommended \
                             for a production environment."
                        );
                        let finding = report.find("IST0164", resource, "", message);
                        finding.evidence[0] = resource.evidence(&path, url);
                    }
                    Some(_) => {}
                },
            }
        }
    }
}

/// Host of a URL, without brackets and port.
fn host(url: &str) -> Option<&str> {
    if url.chars().any(char::is_control) || url.starts_with(':') {
        return None;
    }
    let (_, rest) = url.split_once("://").unwrap_or(("", ""));
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let authority = authority.rsplit('@').next().unwrap_or_default();
    if let Some(rest) = authority.strip_prefix('[') {
        return rest.split_once(']').map(|(host, _)| host);
    }
    let (host, port) = authority.split_once(':').unwrap_or((authority, "0"));
    port.parse::<u32>().is_ok().then_some(host)
}
