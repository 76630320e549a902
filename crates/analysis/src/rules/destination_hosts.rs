//! Destinations of VirtualServices that name no service, no port, or leave the port open.

use api::parse::{Kind as Value, Node};

use super::report::reportable;
use super::{Code, Report, Rule};
use crate::facts::fields::Fields;
use crate::facts::{Facts, Kind, Resource};
use crate::finding::Level;

pub(super) const NOT_FOUND: Code = Code {
    id: "IST0101",
    level: Level::Error,
    name: "ReferencedResourceNotFound",
    meaning: "The object names another one that does not exist, so what refers to it has no effect or fails: a \
              missing host or subset answers 503 NC or NR, a missing gateway or workload receives no configuration.",
    remedy: "Create the object that is named, or correct the name, its namespace or its labels.",
    verify: "ferromesh analyze -A",
};

pub(super) const RULE: Rule = Rule {
    name: "destination_hosts",
    analyzer: "virtualservice.DestinationHostAnalyzer",
    summary: "Checks that destinations of VirtualServices name an existing service and one of its ports",
    codes: &[
        NOT_FOUND,
        Code {
            id: "IST0112",
            level: Level::Error,
            name: "VirtualServiceDestinationPortSelectorRequired",
            meaning: "The service has several ports and the route does not say which, so the route goes nowhere.",
            remedy: "Write destination.port.number.",
            verify: "ferromesh analyze -A",
        },
        Code {
            id: "IST0140",
            level: Level::Warning,
            name: "IngressRouteRulesNotAffected",
            meaning: "The gateway's VirtualService routes to the service without a subset; the subsets that another \
                      VirtualService chooses for the same host do not apply to requests from the gateway.",
            remedy: "Name the subset in the gateway's VirtualService too, or use one VirtualService for both.",
            verify: "ferromesh analyze -A",
        },
    ],
    check,
};

/// A destination with its place.
pub(super) struct Destination<'a> {
    pub node: &'a Node,
    /// Path of the destination.
    pub path: String,
    pub mirror: bool,
}

impl<'a> Destination<'a> {
    pub(super) fn host(&self) -> &'a str {
        self.node.text("host")
    }

    pub(super) fn host_path(&self) -> String {
        format!("{}.host", self.path)
    }
}

/// All destinations of a VirtualService: routes, then mirrors.
pub(super) fn destinations(service: &Resource) -> Vec<Destination<'_>> {
    let mut found = Vec::new();
    let spec = service.spec();
    for protocol in ["tcp", "tls", "http"] {
        for (rule, route) in spec.list(protocol).iter().enumerate() {
            for (index, target) in route.list("route").iter().enumerate() {
                if let Some(node) = target.get("destination") {
                    let path = format!("spec.{protocol}[{rule}].route[{index}].destination");
                    found.push(Destination {
                        node,
                        path,
                        mirror: false,
                    });
                }
            }
        }
    }
    for (rule, route) in spec.list("http").iter().enumerate() {
        if let Some(node) = route.get("mirror").filter(|node| !node.entries().is_empty()) {
            found.push(Destination {
                node,
                path: format!("spec.http[{rule}].mirror"),
                mirror: true,
            });
        }
        for (index, mirror) in route.list("mirrors").iter().enumerate() {
            if let Some(node) = mirror.get("destination") {
                found.push(Destination {
                    node,
                    path: format!("spec.http[{rule}].mirrors[{index}].destination"),
                    mirror: true,
                });
            }
        }
    }
    found
}

fn check(facts: &Facts, report: &mut Report) {
    let subsets = subset_users(facts);
    for service in facts.all(Kind::VirtualService).filter(|r| reportable(r)) {
        let export_to: Vec<&str> = service.spec().texts("exportTo").collect();
        for destination in destinations(service) {
            destination_exists(facts, report, service, &export_to, &destination);
        }
        ineffective_subsets(report, service, &subsets);
    }
}

fn destination_exists(
    facts: &Facts,
    report: &mut Report,
    service: &Resource,
    export_to: &[&str],
    destination: &Destination<'_>,
) {
    // `host: off` is a boolean: it has its finding (IST0106), and no host of this name is missing.
    let of_other_type = |value: &Node| value.as_str().is_none() && value.kind != Value::Null;
    if destination.node.get("host").is_some_and(of_other_type) {
        return;
    }
    let host = destination.host();
    let path = destination.host_path();
    let Some(found) = facts.hosts().find(&service.namespace, export_to, host) else {
        let what = if destination.mirror { "mirror host" } else { "host" };
        report.find(
            "IST0101",
            service,
            &path,
            format!("Referenced {what} not found: {host:?}"),
        );
        return;
    };
    let target = facts.resource(found.id);
    match destination.node.get("port") {
        None if found.ports.len() > 1 => {
            let ports: Vec<String> = found.ports.iter().map(|p| p.number.to_string()).collect();
            let message = format!(
                "This VirtualService routes to a service {host:?} that exposes multiple ports [{}]. Specifying a port \
                 in the destination is required to disambiguate.",
                ports.join(" ")
            );
            report
                .find("IST0112", service, &path, message)
                .seen(target.evidence("spec.ports", ports.join(", ")));
        }
        None => {}
        Some(port) => {
            // Protobuf's JSON takes a number in quotes too; what is no number has its finding (IST0106).
            let number = match port.get("number").and_then(Fields::scalar) {
                Some(text) => match text.parse() {
                    Ok(number) => number,
                    Err(_) => return,
                },
                None => 0,
            };
            if !found.ports.iter().any(|port| port.number == number) {
                let message = format!("Referenced host:port not found: \"{host}:{number}\"");
                let ports: Vec<String> = found.ports.iter().map(|p| p.number.to_string()).collect();
                report
                    .find("IST0101", service, &path, message)
                    .seen(target.evidence("spec.ports", format!("has {}", ports.join(", "))));
            }
        }
    }
}

/// VirtualServices that route one of their own hosts to a subset, by that host.
fn subset_users(facts: &Facts) -> std::collections::HashMap<&str, Vec<&Resource>> {
    let mut users: std::collections::HashMap<&str, Vec<&Resource>> = Default::default();
    for service in facts.all(Kind::VirtualService) {
        let hosts: Vec<&str> = service.spec().texts("hosts").collect();
        for route in service.spec().list("http") {
            for target in route.list("route") {
                let Some(destination) = target.get("destination") else {
                    continue;
                };
                let host = destination.text("host");
                if !destination.text("subset").is_empty() && hosts.contains(&host) {
                    let named = users.entry(host).or_default();
                    if !named.iter().any(|other| std::ptr::eq(*other, service)) {
                        named.push(service);
                    }
                }
            }
        }
    }
    users
}

fn ineffective_subsets(
    report: &mut Report,
    service: &Resource,
    users: &std::collections::HashMap<&str, Vec<&Resource>>,
) {
    if service.spec().list("gateways").is_empty() {
        return;
    }
    for (rule, route) in service.spec().list("http").iter().enumerate() {
        for (index, target) in route.list("route").iter().enumerate() {
            let Some(destination) = target.get("destination") else {
                continue;
            };
            if !destination.text("subset").is_empty() {
                continue;
            }
            for other in users.get(destination.text("host")).into_iter().flatten() {
                let message = format!(
                    "Subset in virtual service {} has no effect on ingress gateway {} requests",
                    other.full_name(),
                    service.full_name()
                );
                let path = format!("spec.http[{rule}].route[{index}].destination.host");
                let finding = report.find("IST0140", service, "", message);
                finding.evidence[0] = service.evidence(&path, destination.text("host"));
                finding.seen(other.evidence("spec.http", "chooses a subset"));
            }
        }
    }
}
