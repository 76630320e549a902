//! AuthorizationPolicies that select no workload, or that name namespaces which do not exist.

use super::destination_hosts::NOT_FOUND;
use super::report::reportable;
use super::{Code, Report, Rule};
use crate::facts::fields::{Fields, selector_text};
use crate::facts::{Facts, Kind, Resource};
use crate::finding::Level;

pub(super) const RULE: Rule = Rule {
    name: "authorization_workloads",
    analyzer: "auth.AuthorizationPoliciesAnalyzer",
    summary: "Checks that authorization policies select workloads and name existing namespaces",
    codes: &[
        NOT_FOUND,
        Code {
            id: "IST0127",
            level: Level::Warning,
            name: "NoMatchingWorkloadsFound",
            meaning: "The policy selects no workload of the mesh: it protects nothing.",
            remedy: "Correct spec.selector.matchLabels or the namespace; a policy with targetRefs is not judged here.",
            verify: "kubectl get pods -n NAMESPACE --show-labels; ferromesh analyze",
        },
    ],
    check,
};

fn check(facts: &Facts, report: &mut Report) {
    for policy in facts.all(Kind::AuthorizationPolicy).filter(|r| reportable(r)) {
        workloads(facts, report, policy);
        namespaces(facts, report, policy);
    }
}

fn workloads(facts: &Facts, report: &mut Report, policy: &Resource) {
    let spec = policy.spec();
    if spec.has("targetRef") || spec.has("targetRefs") {
        return;
    }
    let mesh_wide = *policy.namespace == *facts.mesh.root_namespace();
    let selector = spec.get("selector");
    if mesh_wide && selector.is_none() {
        return;
    }
    let labels = selector.map_or(&[][..], |selector| selector.map("matchLabels"));
    let scope = (!mesh_wide).then_some(&*policy.namespace);
    // A pod that is known to have no proxy is no workload of the mesh; one that is not known counts.
    let found = facts
        .workloads()
        .select(facts, scope, labels)
        .any(|pod| pod.has_sidecar(facts).unwrap_or(!pod.is_pod()) || pod.is_ambient() || ambient(facts, &pod));
    if found {
        return;
    }
    let text = selector_text(labels);
    let message = format!("No matching workloads for this resource with the following labels: {text}");
    let finding = report.find("IST0127", policy, "", message);
    finding.evidence[0] = policy.evidence("spec.selector.matchLabels", text);
}

fn ambient(facts: &Facts, pod: &crate::facts::Workload<'_>) -> bool {
    !pod.is_pod() && super::sidecar_selectors::in_ambient_mode(facts, pod.namespace())
}

fn namespaces(facts: &Facts, report: &mut Report, policy: &Resource) {
    // Files seldom hold the Namespace objects; without any, nobody can say which exist.
    let some_known = facts.any(Kind::Namespace);
    for (rule, value) in policy.spec().list("rules").iter().enumerate() {
        for (index, from) in value.list("from").iter().enumerate() {
            let Some(source) = from.get("source") else {
                continue;
            };
            for field in ["namespaces", "notNamespaces"] {
                for (item, name) in source.list(field).iter().enumerate() {
                    let name = name.as_str().unwrap_or_default();
                    if some_known && !exists(facts, name) && !used(facts, name) {
                        let path = format!("spec.rules[{rule}].from[{index}].source.{field}[{item}]");
                        let message = format!("Referenced namespace not found: {name:?}");
                        report.find("IST0101", policy, &path, message);
                    }
                }
            }
        }
    }
}

fn exists(facts: &Facts, pattern: &str) -> bool {
    if pattern == "*" || facts.get(Kind::Namespace, "", pattern).is_some() {
        return true;
    }
    facts.all(Kind::Namespace).any(|namespace| {
        let name = &namespace.name;
        match (pattern.strip_prefix('*'), pattern.strip_suffix('*')) {
            (Some(suffix), _) => name.ends_with(suffix),
            (None, Some(prefix)) => name.starts_with(prefix),
            (None, None) => name.eq_ignore_ascii_case(pattern),
        }
    })
}

/// Whether a workload or service is known to live in a namespace whose own object is not.
fn used(facts: &Facts, name: &str) -> bool {
    facts.workloads().any_in(facts, name)
        || facts.within(Kind::Service, name).next().is_some()
        || name == facts.mesh.istio_namespace()
}
