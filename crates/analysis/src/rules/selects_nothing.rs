//! Policies and services that select no workload.

use super::report::reportable;
use super::{Code, Report, Rule};
use crate::facts::fields::{Fields, selector_text};
use crate::facts::{Facts, Kind};
use crate::finding::Level;

pub(super) const RULE: Rule = Rule {
    name: "selects_nothing",
    analyzer: "selectors.Workloads",
    summary: "Checks that selectors of policies, filters and services find workloads",
    codes: &[
        Code {
            id: "FM0901",
            level: Level::Warning,
            name: "SelectorMatchesNothing",
            meaning: "No workload of the namespace carries the labels: the object applies to nothing, and what it was to \
                      protect or change is as without it.",
            remedy: "Correct the selector's labels, or its namespace.",
            verify: "kubectl get pods -n NAMESPACE --show-labels",
        },
        Code {
            id: "FM0902",
            level: Level::Info,
            name: "ServiceSelectsNothing",
            meaning: "No workload of the namespace carries the labels of the service's selector: calls are answered 503 \
                      with flag UH.",
            remedy: "Correct spec.selector, or the labels of the pods' template.",
            verify: "kubectl get endpointslices -n NAMESPACE -l kubernetes.io/service-name=NAME",
        },
    ],
    check,
};

fn check(facts: &Facts, report: &mut Report) {
    let kinds: [(Kind, &[&str], &str); 5] = [
        (Kind::EnvoyFilter, &["workloadSelector", "labels"], "spec.workloadSelector.labels"),
        (Kind::PeerAuthentication, &["selector", "matchLabels"], "spec.selector.matchLabels"),
        (Kind::RequestAuthentication, &["selector", "matchLabels"], "spec.selector.matchLabels"),
        (Kind::WasmPlugin, &["selector", "matchLabels"], "spec.selector.matchLabels"),
        (Kind::Service, &["selector"], "spec.selector"),
    ];
    for (kind, keys, path) in kinds {
        for resource in facts.all(kind).filter(|r| reportable(r)) {
            let Some(selector) = resource.spec().at(keys) else {
                continue;
            };
            let labels = selector.entries();
            let mesh_wide = kind != Kind::Service && *resource.namespace == *facts.mesh.root_namespace();
            let scope = (!mesh_wide).then_some(&*resource.namespace);
            // Where no workload is known, nothing can be said.
            let known = facts.workloads().any_in(facts, &resource.namespace);
            if labels.is_empty()
                || !known
                || facts.workloads().select(facts, scope, labels).next().is_some()
            {
                continue;
            }
            let text = selector_text(labels);
            let code = if kind == Kind::Service { "FM0902" } else { "FM0901" };
            let message = format!("No workload of namespace {} carries {text}", resource.namespace);
            let finding = report.find(code, resource, path, message);
            finding.evidence[0] = resource.evidence(path, text.clone());
            finding.command(
                format!("kubectl get pods -n {} -l {text}", resource.namespace),
                "reads only; then correct the selector or the pods' labels",
            );
        }
    }
}
