//! Sidecars that hide hosts which routes of their namespace go to.

use api::parse::Node;

use super::destination_hosts::destinations;
use super::report::reportable;
use super::{Code, Report, Rule};
use crate::facts::fields::Fields;
use crate::facts::{Facts, Kind, Resource, fqdn, host_matches};
use crate::finding::Level;

pub(super) const RULE: Rule = Rule {
    name: "sidecar_scope",
    analyzer: "sidecar.Scope",
    summary: "Checks that a namespace's Sidecar shows the hosts that its routes go to",
    codes: &[Code {
        id: "FM0521",
        level: Level::Warning,
        name: "SidecarHidesHost",
        meaning: "The Sidecar's egress hosts leave out a service that a route of the namespace goes to: the proxies have no \
                  cluster for it, and the route is answered 503 with flag NC.",
        remedy: "Add NAMESPACE/HOST to spec.egress[].hosts of the Sidecar.",
        verify: "istioctl proxy-config cluster POD | grep HOST",
    }],
    check,
};

fn check(facts: &Facts, report: &mut Report) {
    for service in facts.all(Kind::VirtualService).filter(|r| reportable(r)) {
        let gateways: Vec<&str> = service.spec().texts("gateways").collect();
        if !gateways.is_empty() && !gateways.contains(&"mesh") {
            continue;
        }
        // The namespace's own Sidecar without a selector, or else the root namespace's.
        let Some(sidecar) = general(facts, &service.namespace)
            .or_else(|| general(facts, facts.mesh.root_namespace()))
        else {
            continue;
        };
        let egress = sidecar.spec().list("egress");
        if egress.is_empty() {
            continue;
        }
        for destination in destinations(service) {
            let host = fqdn(&service.namespace, destination.host());
            let Some(found) = facts.hosts().find(&service.namespace, &[], destination.host()) else {
                continue;
            };
            let owner = facts.resource(found.id);
            if shows(egress, &service.namespace, owner, &host) {
                continue;
            }
            let message = format!(
                "The Sidecar {} hides {host} of namespace {} from the clients of this route",
                sidecar.full_name(),
                owner.namespace
            );
            report
                .find("FM0521", service, &destination.host_path(), message)
                .seen(sidecar.evidence("spec.egress", "does not list it"))
                .advise(format!(
                    "Add {}/{host} to spec.egress[0].hosts of Sidecar {}.",
                    owner.namespace,
                    sidecar.full_name()
                ));
        }
    }
}

fn general<'a>(facts: &'a Facts, namespace: &str) -> Option<&'a Resource> {
    facts.within(Kind::Sidecar, namespace).find(|sidecar| {
        sidecar
            .spec()
            .get("workloadSelector")
            .is_none_or(|selector| selector.map("labels").is_empty())
    })
}

/// Whether egress hosts `namespace/host` cover a host of an object.
fn shows(egress: &[Node], client: &str, owner: &Resource, host: &str) -> bool {
    egress.iter().flat_map(|listener| listener.texts("hosts")).any(|entry| {
        let (namespace, pattern) = entry.split_once('/').unwrap_or(("*", entry));
        let here = match namespace {
            "*" => true,
            "." => *owner.namespace == *client,
            "~" => false,
            named => *owner.namespace == *named,
        };
        here && host_matches(pattern, host)
    })
}
