//! Gateway API definitions that are older than Istio reads.

use super::{Code, Report, Rule};
use crate::facts::{Facts, Kind};
use crate::finding::Level;

pub(super) const RULE: Rule = Rule {
    name: "gateway_crds",
    analyzer: "k8sgateway.CRDVersionAnalyzer",
    summary: "Checks the versions of the Gateway API's definitions",
    codes: &[Code {
        id: "IST0176",
        level: Level::Warning,
        name: "GatewayAPICRDVersionBelowMinimum",
        meaning: "Istio does not process resources of this kind at the installed version.",
        remedy: "Install a newer bundle of the Gateway API's definitions.",
        verify: "kubectl get crd -l gateway.networking.k8s.io/policy -o yaml | grep bundle-version",
    }],
    check,
};

/// Least bundle versions (`pkg/config/schema/gatewayapi`).
const MINIMUM: [(&str, [u64; 3]); 4] = [
    ("grpcroutes.gateway.networking.k8s.io", [1, 1, 0]),
    ("backendtlspolicies.gateway.networking.k8s.io", [1, 4, 0]),
    ("tlsroutes.gateway.networking.k8s.io", [1, 5, 0]),
    ("tcproutes.gateway.networking.k8s.io", [1, 6, 0]),
];

const VERSION: &str = "gateway.networking.k8s.io/bundle-version";

fn check(facts: &Facts, report: &mut Report) {
    for (name, minimum) in MINIMUM {
        let Some(definition) = facts.get(Kind::CustomResourceDefinition, "", name) else {
            continue;
        };
        let Some(text) = definition.annotation(VERSION) else {
            continue;
        };
        let version = text.strip_prefix('v').unwrap_or(text);
        let Some(numbers) = numbers(version) else {
            continue;
        };
        if numbers < minimum {
            let [major, minor, patch] = minimum;
            let message = format!(
                "Gateway API CRD {name:?} is at version {version:?} but Istio requires at least \
                 \"{major}.{minor}.{patch}\"; resources of this kind will not be processed. Upgrade the Gateway API \
                 CRDs to satisfy the minimum version."
            );
            let finding = report.find("IST0176", definition, "", message);
            let path = format!("metadata.annotations[{VERSION:?}]");
            finding.evidence[0] = definition.evidence(&path, text);
        }
    }
}

/// Major, minor and patch; what comes after a hyphen does not count.
fn numbers(version: &str) -> Option<[u64; 3]> {
    let core = version.split(['-', '+']).next()?;
    let mut parts = core.split('.').map(|part| part.parse().ok());
    Some([parts.next()??, parts.next().unwrap_or(Some(0))?, parts.next().unwrap_or(Some(0))?])
}
