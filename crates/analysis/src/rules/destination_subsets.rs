//! Destinations of VirtualServices that name a subset which no DestinationRule defines.

use std::collections::HashSet;

use super::destination_hosts::{NOT_FOUND, destinations};
use super::report::reportable;
use super::{Report, Rule};
use crate::facts::fields::Fields;
use crate::facts::{Facts, Kind, split_fqdn};

pub(super) const RULE: Rule = Rule {
    name: "destination_subsets",
    analyzer: "virtualservice.DestinationRuleAnalyzer",
    summary: "Checks that subsets named by VirtualServices are defined by a DestinationRule",
    codes: &[NOT_FOUND],
    check,
};

/// Namespace and name of a host, as istioctl resolves it.
fn resolve(namespace: &str, host: &str) -> (String, String) {
    match split_fqdn(host) {
        Some((name, namespace)) => (namespace.to_owned(), name.to_owned()),
        None => (namespace.to_owned(), host.to_owned()),
    }
}

fn check(facts: &Facts, report: &mut Report) {
    let mut defined = HashSet::new();
    for rule in facts.all(Kind::DestinationRule) {
        for subset in rule.spec().list("subsets") {
            let host = resolve(&rule.namespace, rule.spec().text("host"));
            defined.insert((host, subset.text("name")));
        }
    }
    for service in facts.all(Kind::VirtualService).filter(|r| reportable(r)) {
        for destination in destinations(service) {
            let subset = destination.node.text("subset");
            let host = destination.host();
            if subset.is_empty() || defined.contains(&(resolve(&service.namespace, host), subset)) {
                continue;
            }
            let what = if destination.mirror { "mirror" } else { "host" };
            let message = format!(
                "Referenced {what}+subset in destinationrule not found: \"{host}+{subset}\""
            );
            let finding = report.find("IST0101", service, &destination.host_path(), message);
            finding.seen(service.evidence(&format!("{}.subset", destination.path), subset));
            finding.because(format!(
                "No DestinationRule for {host} has a subset {subset}: requests that take this route are answered \
                 503 with flag NC."
            ));
            finding.advise(format!(
                "Add the subset {subset} to the DestinationRule of {host}, and apply that before this VirtualService."
            ));
        }
    }
}
