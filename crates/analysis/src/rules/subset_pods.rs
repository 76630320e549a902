//! DestinationRules whose host is no service, or whose subsets choose no pod.

use api::parse::{Key, Node};

use super::report::reportable;
use super::{Code, Report, Rule};
use crate::facts::fields::{Fields, label, pairs, selects};
use crate::facts::{Facts, Kind, Resource, fqdn, host_matches};
use crate::finding::Level;

pub(super) const RULE: Rule = Rule {
    name: "subset_pods",
    analyzer: "destinationrule.SubsetSelectPodAnalyzer",
    summary: "Checks that hosts of DestinationRules exist and that their subsets choose pods",
    codes: &[
        Code {
            id: "IST0173",
            level: Level::Error,
            name: "DestinationRuleSubsetNotSelectPods",
            meaning: "No pod carries the subset's labels: routes to it are answered 503 with flag UH.",
            remedy: "Correct the subset's labels, or label the pods' template.",
            verify: "kubectl get pods -A --show-labels; ferromesh analyze",
        },
        Code {
            id: "IST0174",
            level: Level::Warning,
            name: "UnknownDestinationRuleHost",
            meaning: "The host is no service of the mesh, so the rule applies to nothing.",
            remedy: "Write the service's name, NAME.NAMESPACE.svc.cluster.local if it is in another namespace, or add a \
                     ServiceEntry.",
            verify: "ferromesh analyze",
        },
    ],
    check,
};

fn check(facts: &Facts, report: &mut Report) {
    for rule in facts.all(Kind::DestinationRule).filter(|r| reportable(r)) {
        let host = rule.spec().text("host");
        let export_to: Vec<&str> = rule.spec().texts("exportTo").collect();
        let found = facts.hosts().find(&rule.namespace, &export_to, host);
        let Some(service) = found.map(|found| facts.resource(found.id)) else {
            if !(host.starts_with('*') && covers_any(facts, host)) {
                let message = format!(
                    "The host {host} defined in the DestinationRule does not match any services in the mesh."
                );
                let finding = report.find("IST0174", rule, "", message);
                finding.evidence[0] = rule.evidence("spec.host", host);
                if !host.contains('.') {
                    finding.because(format!(
                        "{host} means {}; there is no such service, so the rule applies to nothing.",
                        fqdn(&rule.namespace, host)
                    ));
                }
            }
            continue;
        };
        for (index, subset) in rule.spec().list("subsets").iter().enumerate() {
            if chooses(facts, service, subset) {
                continue;
            }
            let name = subset.text("name");
            let message = format!(
                "The Subset {name} defined in the DestinationRule does not select any pods. Which may lead to 503 UH \
                 (NoHealthyUpstream)."
            );
            let labels: Vec<String> = pairs(subset.map("labels"))
                .map(|(key, value)| format!("{key}={value}"))
                .collect();
            let finding = report.find("IST0173", rule, "", message);
            let path = format!("spec.subsets[{index}].labels");
            finding.evidence[0] = rule.evidence(&path, labels.join(","));
        }
    }
}

/// Whether a wildcard host covers any service that is known.
fn covers_any(facts: &Facts, host: &str) -> bool {
    facts.all(Kind::Service).any(|service| {
        host_matches(host, &fqdn(&service.namespace, &service.name))
    }) || facts.all(Kind::ServiceEntry).any(|entry| {
        let mut hosts = entry.spec().texts("hosts");
        hosts.any(|other| host_matches(host, other))
    })
}

/// Labels that Istio adds from the node; they stand in no manifest.
fn from_node(key: &str) -> bool {
    key.starts_with("topology.") || key == "kubernetes.io/hostname"
}

fn chooses(facts: &Facts, service: &Resource, subset: &Node) -> bool {
    let own = service
        .spec()
        .get("workloadSelector")
        .map_or(&[][..], |selector| selector.map("labels"));
    let wanted: Vec<(Key, Node)> = own
        .iter()
        .chain(subset.map("labels"))
        .filter(|(key, _)| !from_node(&key.text))
        .cloned()
        .collect();
    let pods = facts.workloads().select(facts, None, &wanted).next();
    pods.is_some()
        || service.kind == Kind::ServiceEntry
            && service.spec().list("endpoints").iter().any(|endpoint| {
                pairs(subset.map("labels"))
                    .all(|(key, value)| label(endpoint.map("labels"), key) == Some(value))
            })
        || facts
            .all(Kind::WorkloadEntry)
            .any(|entry| selects(&wanted, entry.spec().map("labels")))
}
