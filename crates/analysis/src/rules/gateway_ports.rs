//! Gateways whose selector finds no workload, and ports that no service of those workloads opens.

use std::collections::HashSet;

use super::destination_hosts::NOT_FOUND;
use super::report::reportable;
use super::{Code, Report, Rule};
use crate::facts::fields::{Fields, selector_text, selects};
use crate::facts::{Facts, Kind, Resource};
use crate::finding::Level;

pub(super) const RULE: Rule = Rule {
    name: "gateway_ports",
    analyzer: "gateway.IngressGatewayPortAnalyzer",
    summary: "Checks that a gateway's workloads exist and that their services open its ports",
    codes: &[
        NOT_FOUND,
        Code {
            id: "IST0162",
            level: Level::Warning,
            name: "GatewayPortNotDefinedOnService",
            meaning: "The gateway listens on a port that no Service of its pods opens: from outside nobody reaches it.",
            remedy: "Add the port to the gateway's Service, or use a port that it has (the targetPort counts).",
            verify: "kubectl get service -n istio-system -o wide; ferromesh analyze -A",
        },
    ],
    check,
};

/// Path of the first label of a selector, which istioctl points at.
pub(super) fn first_label(prefix: &str, selector: &str) -> String {
    match selector.split_once('=') {
        Some((label, _)) => format!("{prefix}[{label:?}]"),
        None => String::new(),
    }
}

pub(super) fn selector_not_found(report: &mut Report, gateway: &Resource, prefix: &str, selector: &str) {
    let path = first_label(prefix, selector);
    let message = format!("Referenced selector not found: {selector:?}");
    let finding = report.find("IST0101", gateway, &path, message);
    finding.because("No workload carries the labels of the selector, so nothing receives this configuration.");
    finding.command(
        format!("kubectl get pods -A -l {selector} --show-labels"),
        "reads only; then correct the selector or the pods' labels",
    );
}

fn check(facts: &Facts, report: &mut Report) {
    for gateway in facts.all(Kind::Gateway).filter(|r| reportable(r)) {
        let selector = gateway.spec().map("selector");
        let text = selector_text(selector);
        let mut any = false;
        let mut open: HashSet<i64> = HashSet::new();
        let mut namespaces = HashSet::new();
        for pod in facts.workloads().select(facts, None, selector) {
            any = true;
            // Pods of one template have one set of labels; look once at each.
            let labels = selector_text(pod.labels());
            if !namespaces.insert((pod.namespace(), labels)) {
                continue;
            }
            for service in facts.within(Kind::Service, pod.namespace()) {
                if selects(service.spec().map("selector"), pod.labels()) {
                    open.extend(ports(service));
                }
            }
        }
        if !any {
            selector_not_found(report, gateway, "spec.selector", &text);
            continue;
        }
        for (index, server) in gateway.spec().list("servers").iter().enumerate() {
            let Some(number) = server.at(&["port", "number"]).and(server.get("port")) else {
                continue;
            };
            let number = number.int("number").unwrap_or(0);
            if open.contains(&number) {
                continue;
            }
            let message = format!(
                "The gateway is listening on a target port (port {number}) that is not defined in the Service associated \
                 with its workload instances (Pod selector {text}). If you need to access the gateway port through the \
                 gateway Service, it will not be available."
            );
            report
                .find("IST0162", gateway, &first_label("spec.selector", &text), message)
                .seen(gateway.evidence(
                    &format!("spec.servers[{index}].port.number"),
                    number.to_string(),
                ));
        }
    }
}

/// Ports that a gateway may use behind a service: each port, and each numeric target port.
fn ports(service: &Resource) -> impl Iterator<Item = i64> {
    let tcp = |port: &&api::parse::Node| matches!(port.text("protocol"), "" | "TCP");
    let ports = service.spec().list("ports").iter().filter(tcp);
    ports.flat_map(|port| {
        let target = port
            .get("targetPort")
            .and_then(|target| target.scalar())
            .and_then(|target| target.parse().ok());
        [port.int("port"), target].into_iter().flatten()
    })
}
