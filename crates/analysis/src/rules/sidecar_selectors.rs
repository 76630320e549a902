//! Sidecars that select nothing, or that fight over workloads.

use std::collections::{BTreeMap, HashSet};

use super::destination_hosts::NOT_FOUND;
use super::gateway_ports::selector_not_found;
use super::report::reportable;
use super::{Code, Report, Rule};
use crate::facts::fields::{Fields, selector_text};
use crate::facts::{Facts, Kind, Resource, Workload};
use crate::finding::Level;

const VERIFY: &str = "ferromesh analyze -A";

pub(super) const RULE: Rule = Rule {
    name: "sidecar_selectors",
    analyzer: "sidecar.SelectorAnalyzer",
    summary: "Checks that each workload is selected by one Sidecar at most, and that selectors select",
    codes: &[
        NOT_FOUND,
        Code {
            id: "IST0110",
            level: Level::Error,
            name: "ConflictingSidecarWorkloadSelectors",
            meaning: "A workload takes one Sidecar only: which of them is not defined.",
            remedy: "Make the selectors disjoint, or merge the Sidecars.",
            verify: VERIFY,
        },
        Code {
            id: "IST0111",
            level: Level::Error,
            name: "MultipleSidecarsWithoutWorkloadSelectors",
            meaning: "A namespace takes one Sidecar without a selector only: which of them is not defined.",
            remedy: "Keep one, or give the others a workloadSelector.",
            verify: VERIFY,
        },
        Code {
            id: "IST0167",
            level: Level::Warning,
            name: "IneffectivePolicy",
            meaning: "Ambient workloads have no sidecar, so a Sidecar has no effect on them.",
            remedy: "Delete the Sidecar, or take the namespace out of ambient mode.",
            verify: VERIFY,
        },
    ],
    check,
};

pub(super) fn names(resources: &[&Resource]) -> String {
    let mut names: Vec<&str> = resources.iter().map(|resource| &*resource.name).collect();
    names.sort_unstable();
    names.join(" ")
}

pub(super) fn in_ambient_mode(facts: &Facts, namespace: &str) -> bool {
    facts
        .get(Kind::Namespace, "", namespace)
        .is_some_and(|namespace| {
            namespace.label("istio-injection") != Some("enabled")
                && namespace.label("istio.io/rev").unwrap_or_default().is_empty()
                && namespace.label("istio.io/dataplane-mode") == Some("ambient")
        })
}

fn check(facts: &Facts, report: &mut Report) {
    let mut by_namespace: BTreeMap<&str, Vec<&Resource>> = BTreeMap::new();
    let mut by_pod: BTreeMap<(String, &str), (Workload<'_>, Vec<&Resource>)> = BTreeMap::new();
    for sidecar in facts.all(Kind::Sidecar).filter(|r| reportable(r)) {
        let selector = sidecar
            .spec()
            .get("workloadSelector")
            .map_or(&[][..], |selector| selector.map("labels"));
        if selector.is_empty() {
            by_namespace.entry(&sidecar.namespace).or_default().push(sidecar);
            continue;
        }
        let mut any = false;
        for pod in facts
            .workloads()
            .select(facts, Some(&sidecar.namespace), selector)
        {
            any = true;
            by_pod
                .entry((pod.resource.full_name(), &pod.resource.kind_name))
                .or_insert_with(|| (pod, Vec::new()))
                .1
                .push(sidecar);
        }
        if !any {
            let text = selector_text(selector);
            selector_not_found(report, sidecar, "spec.workloadSelector.labels", &text);
        }
    }
    let mut ineffective = HashSet::new();
    let mut no_effect = |report: &mut Report, sidecar: &Resource, reason: &str| {
        if ineffective.insert(sidecar.full_name()) {
            let message = format!("The policy has no impact: {reason}, the policy has no impact.");
            report.find("IST0167", sidecar, "", message);
        }
    };
    for (pod, sidecars) in by_pod.values() {
        let ambient = pod.is_ambient();
        if sidecars.len() == 1 && !ambient {
            continue;
        }
        for sidecar in sidecars {
            if ambient {
                no_effect(report, sidecar, "selected workload is in ambient mode");
                continue;
            }
            let message = format!(
                "The Sidecars [{}] in namespace {:?} select the same workload pod {:?}, which can lead to undefined \
                 behavior.",
                names(sidecars),
                pod.namespace(),
                &*pod.resource.name
            );
            report.find("IST0110", sidecar, "metadata.name", message);
        }
    }
    for (namespace, sidecars) in &by_namespace {
        let ambient = in_ambient_mode(facts, namespace);
        for sidecar in sidecars {
            if ambient {
                no_effect(report, sidecar, "namespace is in ambient mode");
            } else if sidecars.len() > 1 {
                let message = format!(
                    "The Sidecars [{}] in namespace {namespace:?} have no workload selector, which can lead to \
                     undefined behavior.",
                    names(sidecars)
                );
                report.find("IST0111", sidecar, "", message);
            }
        }
    }
}
