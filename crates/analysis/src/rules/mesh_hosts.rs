//! Several VirtualServices for one host in the sidecars.

use std::collections::{BTreeMap, HashSet};

use super::report::reportable;
use super::{Code, Report, Rule};
use crate::facts::fields::Fields;
use crate::facts::{Facts, Kind, Resource, fqdn, host_matches};
use crate::finding::Level;

pub(super) const RULE: Rule = Rule {
    name: "mesh_hosts",
    analyzer: "virtualservice.ConflictingMeshGatewayHostsAnalyzer",
    summary: "Checks that no two VirtualServices of the sidecars define one host",
    codes: &[Code {
        id: "IST0109",
        level: Level::Error,
        name: "ConflictingMeshGatewayVirtualServiceHosts",
        meaning: "Sidecars take one VirtualService for a host: the oldest. The rules of the others are not used, and \
                  which one wins can change when one is deleted and created again.",
        remedy: "Merge them into one VirtualService, or separate them by exportTo.",
        verify: "ferromesh analyze -A",
    }],
    check,
};

/// VirtualServices of the sidecars by scope and host.
pub(super) fn mesh_services(facts: &Facts) -> BTreeMap<(String, String), Vec<&Resource>> {
    let mut services: BTreeMap<(String, String), Vec<&Resource>> = BTreeMap::new();
    for service in facts.all(Kind::VirtualService) {
        let spec = service.spec();
        let gateways = spec.list("gateways");
        if !gateways.is_empty() && !spec.texts("gateways").any(|gateway| gateway == "mesh") {
            continue;
        }
        let export_to: Vec<&str> = spec.texts("exportTo").collect();
        let mut scopes: Vec<&str> = if export_to.is_empty() || export_to.contains(&"*") {
            vec!["*"]
        } else {
            let own = |scope| if scope == "." { &*service.namespace } else { scope };
            export_to.iter().copied().map(own).collect()
        };
        scopes.sort_unstable();
        scopes.dedup();
        for scope in scopes {
            for host in spec.texts("hosts") {
                let key = (scope.to_owned(), fqdn(&service.namespace, host));
                let list = services.entry(key).or_default();
                if !list.iter().any(|other| std::ptr::eq(*other, service)) {
                    list.push(service);
                }
            }
        }
    }
    services
}

fn check(facts: &Facts, report: &mut Report) {
    let services = mesh_services(facts);
    let global: Vec<(&str, &Vec<&Resource>)> = services
        .iter()
        .filter(|((scope, _), _)| scope == "*")
        .map(|((_, host), list)| (host.as_str(), list))
        .collect();
    let wild: Vec<&(&str, &Vec<&Resource>)> = global
        .iter()
        .filter(|(host, _)| host.starts_with('*'))
        .collect();
    let mut reported: HashSet<*const Resource> = HashSet::new();
    for ((scope, host), list) in &services {
        let mut all: Vec<&Resource> = list.clone();
        if scope != "*" {
            // Exact ones by look-up; wildcards are few.
            if let Some(same) = services.get(&("*".to_owned(), host.clone())) {
                all.extend(same);
            }
            let others: Vec<&Resource> = if host.starts_with('*') {
                let matching = global.iter().filter(|(other, _)| other != host);
                matching
                    .filter(|(other, _)| host_matches(host, other))
                    .flat_map(|(_, list)| list.iter().copied())
                    .collect()
            } else {
                wild.iter()
                    .filter(|(other, _)| host_matches(host, other))
                    .flat_map(|(_, list)| list.iter().copied())
                    .collect()
            };
            all.extend(others);
        }
        let mut seen = HashSet::new();
        all.retain(|service| seen.insert(std::ptr::from_ref(*service)));
        if all.len() < 2 {
            continue;
        }
        let mut names: Vec<String> = all.iter().map(|service| service.full_name()).collect();
        names.sort();
        let names = names.join(",");
        for service in all {
            if !reportable(service) || !reported.insert(std::ptr::from_ref(service)) {
                continue;
            }
            let message = format!(
                "The VirtualServices {names} associated with mesh gateway define the same host {scope}/{host} which can \
                 lead to undefined behavior. This can be fixed by merging the conflicting VirtualServices into a single \
                 resource."
            );
            report
                .find("IST0109", service, "metadata.name", message)
                .seen(service.evidence("spec.hosts", host.as_str()));
        }
    }
}
