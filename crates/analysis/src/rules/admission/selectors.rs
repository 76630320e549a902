//! Whom a resource is for: labels, or references.

use api::parse::Node;

use super::Verdicts;
use crate::facts::fields::Fields;

/// What `targetRefs` may name: group and kind (`allowedTargetRefs` of istio/istio).
const TARGETS: [(&str, &str); 4] = [
    ("", "Service"),
    ("networking.istio.io", "ServiceEntry"),
    ("gateway.networking.k8s.io", "Gateway"),
    ("gateway.networking.k8s.io", "GatewayClass"),
];

/// `selector`, `targetRef` and `targetRefs` of a policy: one of them, well formed.
pub(super) fn policy(say: &mut Verdicts<'_>) {
    let spec = say.resource.spec();
    let refs = spec.list("targetRefs");
    let given = [spec.has("selector"), spec.has("targetRef"), !refs.is_empty()];
    if given.iter().filter(|given| **given).count() > 1 {
        let advice = "keep targetRefs for gateways and waypoints, selector for sidecars";
        say.refuse("spec", "only one of selector and targetRefs can be set", advice);
    }
    if let Some(selector) = spec.get("selector").filter(|_| spec.has("selector")) {
        labels(say, "spec.selector.matchLabels", selector.map("matchLabels"));
        if selector.map("matchLabels").is_empty() {
            let text = "the selector has no labels: it selects every workload of the namespace";
            say.warn("spec.selector", text, "write matchLabels, or remove the selector");
        }
    }
    if let Some(reference) = spec.get("targetRef").filter(|_| spec.has("targetRef")) {
        target(say, "spec.targetRef", reference);
    }
    for (index, reference) in refs.iter().enumerate() {
        target(say, &format!("spec.targetRefs[{index}]"), reference);
    }
}

fn target(say: &mut Verdicts<'_>, path: &str, reference: &Node) {
    if reference.text("name").is_empty() {
        say.refuse(path, "the reference has no name", "write name");
    }
    if !reference.text("namespace").is_empty() {
        let advice = "put the policy into that namespace";
        say.refuse(path, "a reference into another namespace is not supported", advice);
    }
    let (group, kind) = (reference.text("group"), reference.text("kind"));
    let group = if group == "core" { "" } else { group };
    if !TARGETS.contains(&(group, kind)) {
        let text = format!("{group:?} {kind:?} is no group and kind that a policy can refer to");
        let advice = "write group and kind: \"\" Service, networking.istio.io ServiceEntry, gateway.networking.k8s.io Gateway or GatewayClass";
        say.refuse(path, &text, advice);
    }
}

/// Labels without wildcards.
pub(super) fn labels(say: &mut Verdicts<'_>, path: &str, labels: &[(api::parse::Key, Node)]) {
    for (key, value) in labels {
        if key.text.contains('*') || value.as_str().is_some_and(|value| value.contains('*')) {
            let text = "a selector knows no wildcards";
            say.refuse(path, text, "write the whole label");
        }
    }
}

/// `workloadSelector` of a Sidecar or an EnvoyFilter.
pub(super) fn workloads(say: &mut Verdicts<'_>) {
    let spec = say.resource.spec();
    let Some(selector) = spec.get("workloadSelector").filter(|_| spec.has("workloadSelector")) else {
        return;
    };
    labels(say, "spec.workloadSelector.labels", selector.map("labels"));
    if selector.map("labels").is_empty() {
        let text = "the selector has no labels: it selects every workload of the namespace";
        say.warn("spec.workloadSelector", text, "write labels, or remove the selector");
    }
}
