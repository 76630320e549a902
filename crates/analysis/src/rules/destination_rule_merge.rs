//! DestinationRules of one host that are merged, with what gets lost, and those that replace each other.

use std::collections::{BTreeMap, HashMap};

use super::report::reportable;
use super::{Code, Report, Rule};
use crate::facts::fields::{Fields, selector_text};
use crate::facts::{Facts, Kind, Resource, fqdn, split_fqdn};
use crate::finding::Level;

const VERIFY: &str = "istioctl proxy-config cluster POD --fqdn HOST -o json | grep -A3 istio.io/config";

pub(super) const RULE: Rule = Rule {
    name: "destination_rule_merge",
    analyzer: "destinationrule.Merge",
    summary: "Checks for DestinationRules of one host that lose settings to each other",
    codes: &[
        Code {
            id: "FM0211",
            level: Level::Warning,
            name: "DestinationRuleSettingsLost",
            meaning: "DestinationRules of one host and namespace are merged: the oldest's traffic policy and its subsets \
                      win, and what the others say about the same is dropped.",
            remedy: "Merge them into one DestinationRule.",
            verify: VERIFY,
        },
        Code {
            id: "FM0212",
            level: Level::Info,
            name: "DestinationRuleReplaced",
            meaning: "A client takes one DestinationRule for a host: its own namespace's before the service's, and that \
                      before the root namespace's. They are not merged.",
            remedy: "Repeat in the nearer rule what the farther one says, or export the nearer one to nobody.",
            verify: VERIFY,
        },
        Code {
            id: "FM0213",
            level: Level::Warning,
            name: "DestinationRulePolicyOverridden",
            meaning: "Settings of a port replace those of the whole host; they do not inherit. The service has this port \
                      only, so the host's settings apply nowhere.",
            remedy: "Move the settings into portLevelSettings.",
            verify: VERIFY,
        },
    ],
    check,
};

fn check(facts: &Facts, report: &mut Report) {
    let mut merged: BTreeMap<(&str, String, String), Vec<&Resource>> = BTreeMap::new();
    let mut hosts: HashMap<String, Vec<&Resource>> = HashMap::new();
    for rule in facts.all(Kind::DestinationRule) {
        let spec = rule.spec();
        let host = fqdn(&rule.namespace, spec.text("host"));
        let selector = match spec.get("workloadSelector") {
            Some(selector) => format!("w:{}", selector_text(selector.map("matchLabels"))),
            None => String::new(),
        };
        let mut exports: Vec<&str> = spec.texts("exportTo").collect();
        exports.sort_unstable();
        let scope = format!("{selector} {}", exports.join(","));
        if selector.is_empty() {
            hosts.entry(host.clone()).or_default().push(rule);
        }
        merged.entry((&*rule.namespace, host, scope)).or_default().push(rule);
        single_port(facts, report, rule);
    }
    for ((_, host, _), mut rules) in merged {
        if rules.len() > 1 {
            rules.sort_by_key(|rule| age(rule));
            lost(report, &host, &rules);
        }
    }
    replaced(report, &hosts);
}

/// Order of creation; where the time is not known, of names, as Istio breaks ties.
pub(super) fn age(resource: &Resource) -> (String, String) {
    let created = resource
        .node
        .get("metadata")
        .map_or("", |metadata| metadata.text("creationTimestamp"));
    (created.to_owned(), format!("{}.{}", resource.name, resource.namespace))
}

fn lost(report: &mut Report, host: &str, rules: &[&Resource]) {
    let mut policy: Option<&Resource> = None;
    let mut subsets: HashMap<&str, &Resource> = HashMap::new();
    for rule in rules {
        if rule.spec().has("trafficPolicy") {
            match policy {
                None => policy = Some(rule),
                Some(winner) => lose(report, host, rule, winner, "spec.trafficPolicy", "traffic policy"),
            }
        }
        for (index, subset) in rule.spec().list("subsets").iter().enumerate() {
            let name = subset.text("name");
            match subsets.get(name) {
                Some(winner) if !std::ptr::eq(*winner, *rule) => {
                    let what = format!("subset {name}");
                    lose(report, host, rule, winner, &format!("spec.subsets[{index}]"), &what);
                }
                Some(_) => {}
                None => {
                    subsets.insert(name, rule);
                }
            }
        }
    }
}

fn lose(report: &mut Report, host: &str, loser: &Resource, winner: &Resource, path: &str, what: &str) {
    if !reportable(loser) {
        return;
    }
    let message = format!(
        "The {what} of {} for {host} is dropped: {} has one too and wins, being older or first by name",
        loser.full_name(),
        winner.full_name()
    );
    report
        .find("FM0211", loser, path, message)
        .seen(winner.evidence(path.split('[').next().unwrap_or(path), "wins"));
}

fn replaced(report: &mut Report, hosts: &HashMap<String, Vec<&Resource>>) {
    for (host, rules) in hosts {
        let Some((_, home)) = split_fqdn(host) else {
            continue;
        };
        let Some(owner) = rules.iter().find(|rule| &*rule.namespace == home) else {
            continue;
        };
        for nearer in rules.iter().filter(|rule| &*rule.namespace != home && reportable(rule)) {
            let message = format!(
                "For clients in namespace {} this rule replaces {} of {host}, with every setting of it",
                nearer.namespace,
                owner.full_name()
            );
            report
                .find("FM0212", nearer, "spec.host", message)
                .seen(owner.evidence("spec.host", "replaced"));
        }
    }
}

fn single_port(facts: &Facts, report: &mut Report, rule: &Resource) {
    let spec = rule.spec();
    let Some(policy) = spec.get("trafficPolicy").filter(|_| reportable(rule)) else {
        return;
    };
    let found = facts.hosts().find(&rule.namespace, &[], spec.text("host"));
    let Some([only]) = found.map(|found| found.ports.as_slice()) else {
        return;
    };
    let number = |port: &api::parse::Node| port.get("port").and_then(|port| port.int("number"));
    let settings = policy.list("portLevelSettings").iter();
    let Some(level) = settings.clone().find(|port| number(port) == Some(only.number)) else {
        return;
    };
    for field in ["connectionPool", "loadBalancer", "outlierDetection", "tls"] {
        if policy.has(field) && !level.has(field) {
            let path = format!("spec.trafficPolicy.{field}");
            let message = format!(
                "{field} applies nowhere: {} is the only port, and its portLevelSettings, which do not inherit, have none",
                only.number
            );
            report
                .find("FM0213", rule, &path, message)
                .seen(rule.evidence("spec.trafficPolicy.portLevelSettings", only.number.to_string()));
        }
    }
}
