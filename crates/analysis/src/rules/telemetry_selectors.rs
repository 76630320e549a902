//! Telemetries that select nothing, fight over workloads, or name no provider.

use std::collections::BTreeMap;

use super::destination_hosts::NOT_FOUND;
use super::gateway_ports::selector_not_found;
use super::report::reportable;
use super::sidecar_selectors::names;
use super::{Code, Report, Rule};
use crate::facts::fields::{Fields, selector_text};
use crate::facts::{Facts, Kind, Resource, Workload};
use crate::finding::Level;

const VERIFY: &str = "ferromesh analyze -A";

pub(super) const RULE: Rule = Rule {
    name: "telemetry_selectors",
    analyzer: "telemetry.SelectorAnalyzer",
    summary: "Checks that each workload is selected by one Telemetry at most, and that providers are named",
    codes: &[
        NOT_FOUND,
        Code {
            id: "IST0157",
            level: Level::Warning,
            name: "InvalidTelemetryProvider",
            meaning: "Access logging without a provider, and without defaultProviders in MeshConfig, writes nothing.",
            remedy: "Name a provider (envoy is always there), or set defaultProviders.accessLogging.",
            verify: VERIFY,
        },
        Code {
            id: "IST0159",
            level: Level::Error,
            name: "ConflictingTelemetryWorkloadSelectors",
            meaning: "Several Telemetries select one workload; only the oldest applies.",
            remedy: "Make the selectors disjoint, or merge the Telemetries.",
            verify: VERIFY,
        },
        Code {
            id: "IST0160",
            level: Level::Error,
            name: "MultipleTelemetriesWithoutWorkloadSelectors",
            meaning: "Several Telemetries of a namespace have no selector; only the oldest applies.",
            remedy: "Merge them, or give them selectors.",
            verify: VERIFY,
        },
    ],
    check,
};

fn check(facts: &Facts, report: &mut Report) {
    let mut by_namespace: BTreeMap<&str, Vec<&Resource>> = BTreeMap::new();
    let mut by_pod: BTreeMap<(String, &str), (Workload<'_>, Vec<&Resource>)> = BTreeMap::new();
    let default_logging = facts
        .mesh
        .config()
        .get("defaultProviders")
        .is_some_and(|providers| !providers.list("accessLogging").is_empty());
    for telemetry in facts.all(Kind::Telemetry).filter(|r| reportable(r)) {
        if !default_logging {
            providers(report, telemetry);
        }
        let Some(selector) = telemetry.spec().get("selector") else {
            by_namespace
                .entry(&telemetry.namespace)
                .or_default()
                .push(telemetry);
            continue;
        };
        let labels = selector.map("matchLabels");
        if labels.is_empty() {
            continue;
        }
        let mut any = false;
        for pod in facts
            .workloads()
            .select(facts, Some(&telemetry.namespace), labels)
        {
            any = true;
            by_pod
                .entry((pod.resource.full_name(), &pod.resource.kind_name))
                .or_insert_with(|| (pod, Vec::new()))
                .1
                .push(telemetry);
        }
        if !any {
            let text = selector_text(labels);
            selector_not_found(report, telemetry, "spec.selector.matchLabels", &text);
        }
    }
    for (pod, telemetries) in by_pod.values().filter(|(_, list)| list.len() > 1) {
        for telemetry in telemetries {
            let message = format!(
                "The Telemetries [{}] in namespace {:?} select the same workload pod {:?}, which can lead to undefined \
                 behavior.",
                names(telemetries),
                pod.namespace(),
                &*pod.resource.name
            );
            report.find("IST0159", telemetry, "metadata.name", message);
        }
    }
    for (namespace, telemetries) in by_namespace.iter().filter(|(_, list)| list.len() > 1) {
        for telemetry in telemetries {
            let message = format!(
                "The Telemetries [{}] in namespace {namespace:?} have no workload selector, which can lead to undefined \
                 behavior.",
                names(telemetries)
            );
            report.find("IST0160", telemetry, "", message);
        }
    }
}

fn providers(report: &mut Report, telemetry: &Resource) {
    for (index, logging) in telemetry.spec().list("accessLogging").iter().enumerate() {
        if logging.flag("disabled") == Some(true) || !logging.list("providers").is_empty() {
            continue;
        }
        let message = format!(
            "The Telemetry {} in namespace {:?} with empty providers will be ignored.",
            telemetry.name, &*telemetry.namespace
        );
        let finding = report.find("IST0157", telemetry, "", message);
        let path = format!("spec.accessLogging[{index}]");
        finding.evidence[0] = telemetry.evidence(&path, "no providers");
    }
}
