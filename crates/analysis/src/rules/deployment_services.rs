//! Deployments behind several services that disagree about a port.

use std::collections::{BTreeMap, BTreeSet};

use super::report::reportable;
use super::{Code, Report, Rule};
use crate::facts::fields::{Fields, label, selects};
use crate::facts::{Facts, Kind, Resource, Workload};
use crate::finding::Level;

pub(super) const RULE: Rule = Rule {
    name: "deployment_services",
    analyzer: "deployment.MultiServiceAnalyzer",
    summary: "Checks that services of one deployment agree about its ports",
    codes: &[
        Code {
            id: "IST0116",
            level: Level::Warning,
            name: "DeploymentAssociatedToMultipleServices",
            meaning: "One port cannot be TCP for one service and UDP for another: the sidecar builds one listener.",
            remedy: "Give the services different ports.",
            verify: "ferromesh analyze",
        },
        Code {
            id: "IST0137",
            level: Level::Warning,
            name: "DeploymentConflictingPorts",
            meaning: "Two services of one workload reach the same targetPort by different ports: the sidecar builds its \
                      inbound listener from one of them, and statistics and policies of the other are attributed wrong.",
            remedy: "Use one port number for the target port, or merge the services.",
            verify: "ferromesh analyze",
        },
    ],
    check,
};

fn check(facts: &Facts, report: &mut Report) {
    for deployment in facts.all(Kind::Deployment).filter(|r| reportable(r)) {
        let Some(workload) = Workload::of(deployment) else {
            continue;
        };
        let waypoint = deployment.label("gateway.istio.io/managed") == Some("istio.io-mesh-controller");
        if waypoint || !in_mesh(facts, &workload) {
            continue;
        }
        let services: Vec<&Resource> = facts
            .within(Kind::Service, &deployment.namespace)
            .filter(|service| {
                let selector = service.spec().map("selector");
                !selector.is_empty() && selects(selector, workload.labels())
            })
            .collect();
        protocols(report, deployment, &services);
        targets(report, deployment, &services);
    }
}

/// As istioctl judges it: a sidecar in the template, labels, annotations, the namespace's label.
fn in_mesh(facts: &Facts, workload: &Workload<'_>) -> bool {
    const INJECT: &str = "sidecar.istio.io/inject";
    if workload
        .containers()
        .any(|container| container.text("name") == "istio-proxy")
    {
        return true;
    }
    if let Some(value) = label(workload.labels(), INJECT).or(label(workload.annotations(), INJECT)) {
        return value == "true";
    }
    facts
        .get(Kind::Namespace, "", workload.namespace())
        .is_some_and(|namespace| namespace.label("istio-injection") == Some("enabled"))
}

fn protocols(report: &mut Report, deployment: &Resource, services: &[&Resource]) {
    let mut ports: BTreeMap<i64, BTreeMap<&str, Vec<String>>> = BTreeMap::new();
    for service in services {
        for port in service.spec().list("ports") {
            let protocol = match port.text("protocol") {
                "" => "TCP",
                protocol => protocol,
            };
            let users = ports.entry(port.int("port").unwrap_or(0)).or_default();
            users.entry(protocol).or_default().push(service.full_name());
        }
    }
    for (port, protocols) in ports.iter().filter(|(_, protocols)| protocols.len() > 1) {
        let mut names: Vec<&String> = protocols.values().flatten().collect();
        names.sort();
        let names: Vec<&str> = names.into_iter().map(String::as_str).collect();
        let message = format!(
            "This deployment {} is associated with multiple services using port {port} but different protocols: [{}]",
            deployment.name,
            names.join(" ")
        );
        report.find("IST0116", deployment, "metadata.name", message);
    }
}

fn targets(report: &mut Report, deployment: &Resource, services: &[&Resource]) {
    let mut targets: BTreeMap<String, BTreeMap<i64, String>> = BTreeMap::new();
    for service in services {
        for port in service.spec().list("ports") {
            let number = port.int("port").unwrap_or(0);
            let target = port
                .get("targetPort")
                .and_then(|target| target.scalar())
                .filter(|target| !target.is_empty() && target != "0")
                .unwrap_or_else(|| number.to_string());
            targets
                .entry(target)
                .or_default()
                .insert(number, service.full_name());
        }
    }
    for (target, ports) in targets.iter().filter(|(_, ports)| ports.len() > 1) {
        let mut names: Vec<&str> = ports.values().map(String::as_str).collect();
        names.sort_unstable();
        let numbers: BTreeSet<String> = ports.keys().map(ToString::to_string).collect();
        let mut numbers: Vec<String> = numbers.into_iter().collect();
        numbers.sort_by_key(|number| number.parse::<i64>().unwrap_or(0));
        let message = format!(
            "This deployment {} is associated with multiple services [{}] using targetPort {target:?} but different \
             ports: [{}].",
            deployment.name,
            names.join(" "),
            numbers.join(" ")
        );
        report.find("IST0137", deployment, "metadata.name", message);
    }
}
