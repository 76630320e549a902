//! DestinationRules that start TLS and verify nobody.

use super::report::reportable;
use super::{Code, Report, Rule};
use crate::facts::fields::Fields;
use crate::facts::{Facts, Kind, Resource};
use crate::finding::Level;

const REMEDY: &str = "Write tls.caCertificates (a file in the proxy, e.g. /etc/ssl/certs/ca-certificates.crt) and \
                      tls.subjectAltNames.";

pub(super) const RULE: Rule = Rule {
    name: "ca_certificates",
    analyzer: "destinationrule.CaCertificateAnalyzer",
    summary: "Checks that DestinationRules which start TLS say whom to trust",
    codes: &[
        Code {
            id: "IST0128",
            level: Level::Warning,
            name: "NoServerCertificateVerificationDestinationLevel",
            meaning: "Without caCertificates older proxies accept any certificate: the connection is encrypted to \
                      whoever answers.",
            remedy: REMEDY,
            verify: "ferromesh analyze",
        },
        Code {
            id: "IST0129",
            level: Level::Warning,
            name: "NoServerCertificateVerificationPortLevel",
            meaning: "Without caCertificates older proxies accept any certificate on this port: the connection is \
                      encrypted to whoever answers.",
            remedy: REMEDY,
            verify: "ferromesh analyze",
        },
    ],
    check,
};

fn check(facts: &Facts, report: &mut Report) {
    for rule in facts.all(Kind::DestinationRule).filter(|r| reportable(r)) {
        let Some(policy) = rule.spec().get("trafficPolicy") else {
            continue;
        };
        let intro = |mode: &str| {
            format!(
                "DestinationRule {} in namespace {} has TLS mode set to {mode} but no caCertificates are set to validate \
                 server identity for host: {}",
                rule.full_name(),
                rule.namespace,
                rule.spec().text("host")
            )
        };
        if let Some(mode) = unverified(rule, policy) {
            let finding = report.find("IST0128", rule, "", intro(mode));
            finding.evidence[0] = rule.evidence("spec.trafficPolicy.tls.mode", mode);
        }
        for (index, port) in policy.list("portLevelSettings").iter().enumerate() {
            let Some(mode) = unverified(rule, port) else {
                continue;
            };
            let number = port.get("port").and_then(|port| port.int("number"));
            let number = number.map_or(String::new(), |number| format!("number:{number}"));
            let message = format!("{} at port {number}", intro(mode));
            let finding = report.find("IST0129", rule, "", message);
            let path = format!("spec.trafficPolicy.portLevelSettings[{index}].tls.mode");
            finding.evidence[0] = rule.evidence(&path, mode);
        }
    }
}

fn unverified<'a>(rule: &Resource, policy: &'a api::parse::Node) -> Option<&'a str> {
    let tls = policy.get("tls")?;
    let mode = tls.text("mode");
    // The credential counts only where a selector says whose it is.
    let from_secret =
        !tls.text("credentialName").is_empty() && rule.spec().has("workloadSelector");
    (matches!(mode, "SIMPLE" | "MUTUAL") && tls.text("caCertificates").is_empty() && !from_secret)
        .then_some(mode)
}
