//! Policies that select the pods of a Gateway API Gateway by label, which has no effect.

use super::report::reportable;
use super::{Code, Report, Rule};
use crate::facts::fields::{Fields, label};
use crate::facts::{Facts, Kind};
use crate::finding::Level;

pub(super) const RULE: Rule = Rule {
    name: "ineffective_selector",
    analyzer: "k8sgateway.SelectorAnalyzer",
    summary: "Checks that policies for Gateway API gateways use targetRef",
    codes: &[Code {
        id: "IST0166",
        level: Level::Warning,
        name: "IneffectiveSelector",
        meaning: "Gateways and waypoints of the Gateway API take only policies that name them in targetRefs; this policy \
                  does not apply there, and what it was to deny is allowed.",
        remedy: "Replace selector by targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: NAME}].",
        verify: "ferromesh analyze",
    }],
    check,
};

const GATEWAY: &str = "gateway.networking.k8s.io/gateway-name";

fn check(facts: &Facts, report: &mut Report) {
    let kinds = [
        Kind::AuthorizationPolicy,
        Kind::RequestAuthentication,
        Kind::Telemetry,
        Kind::WasmPlugin,
    ];
    for policy in kinds
        .into_iter()
        .flat_map(|kind| facts.all(kind))
        .filter(|r| reportable(r))
    {
        let spec = policy.spec();
        let Some(selector) = spec.get("selector") else {
            continue;
        };
        if spec.has("targetRef") || spec.has("targetRefs") {
            continue;
        }
        let labels = selector.map("matchLabels");
        for pod in facts
            .workloads()
            .select(facts, Some(&policy.namespace), labels)
        {
            if let Some(gateway) = label(pod.labels(), GATEWAY) {
                let message = format!(
                    "Ineffective selector on Kubernetes Gateway {gateway}. Use the TargetRef field instead."
                );
                let finding = report.find("IST0166", policy, "", message);
                finding.evidence[0] = policy.evidence("spec.selector", "");
                finding.seen(pod.resource.evidence("metadata.labels", format!("{GATEWAY}={gateway}")));
            }
        }
    }
}
