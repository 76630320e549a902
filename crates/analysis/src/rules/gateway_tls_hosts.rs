//! Gateway servers that are refused as a whole because one of their TLS hosts is taken, and what dies with them.

use std::collections::{BTreeMap, HashMap};

use super::destination_rule_merge::age;
use super::report::reportable;
use super::{Code, Report, Rule};
use crate::facts::fields::{Fields, selector_text};
use crate::facts::{Facts, Kind, Resource};
use crate::finding::Level;

pub(super) const RULE: Rule = Rule {
    name: "gateway_tls_hosts",
    analyzer: "gateway.TlsHosts",
    summary: "Checks for TLS servers of gateways that are dropped whole for one host that is taken",
    codes: &[Code {
        id: "FM0301",
        level: Level::Error,
        name: "GatewayServerDropped",
        meaning: "On one port of one gateway workload a TLS host may stand once. The control plane drops the whole later \
                  server, so its other hosts are gone too: their clients get a connection reset.",
        remedy: "Remove the host that is taken from this server, or give the other hosts a server of their own.",
        verify: "istioctl proxy-config listener GATEWAY-POD --port PORT -o json | grep serverNames -A4",
    }],
    check,
};

/// Gateways that come to the same pods share a group.
fn groups(facts: &Facts) -> HashMap<String, usize> {
    let mut groups: HashMap<String, usize> = HashMap::new();
    let mut by_pod: HashMap<(String, String), usize> = HashMap::new();
    let mut renamed: Vec<usize> = Vec::new();
    let root = |renamed: &[usize], mut group: usize| {
        while renamed[group] != group {
            group = renamed[group];
        }
        group
    };
    for gateway in facts.all(Kind::Gateway) {
        let selector = gateway.spec().map("selector");
        let text = selector_text(selector);
        if groups.contains_key(&text) {
            continue;
        }
        let own = renamed.len();
        renamed.push(own);
        groups.insert(text, own);
        for pod in facts.workloads().select(facts, None, selector) {
            let key = (pod.resource.kind_name.to_string(), pod.resource.full_name());
            let other = *by_pod.entry(key).or_insert(own);
            let (a, b) = (root(&renamed, other), root(&renamed, own));
            renamed[b.max(a)] = a.min(b);
        }
    }
    for group in groups.values_mut() {
        *group = root(&renamed, *group);
    }
    groups
}

fn check(facts: &Facts, report: &mut Report) {
    let groups = groups(facts);
    let mut gateways: Vec<&Resource> = facts.all(Kind::Gateway).collect();
    gateways.sort_by_key(|gateway| age(gateway));
    // Group and port, then host with its address.
    let mut taken: BTreeMap<(usize, i64), HashMap<(String, &str), (&Resource, String)>> = BTreeMap::new();
    for gateway in gateways {
        let group = groups[&selector_text(gateway.spec().map("selector"))];
        for (index, server) in gateway.spec().list("servers").iter().enumerate() {
            let protocol = server.get("port").map_or("", |port| port.text("protocol"));
            if !matches!(protocol.to_uppercase().as_str(), "HTTPS" | "TLS") || !server.has("tls") {
                continue;
            }
            let port = server.get("port").and_then(|port| port.int("number")).unwrap_or(0);
            let hosts: Vec<String> = server.texts("hosts").map(|host| scoped(gateway, host)).collect();
            let bind = server.text("bind");
            let known = taken.entry((group, port)).or_default();
            let path = format!("spec.servers[{index}].hosts");
            let winner = hosts
                .iter()
                .find_map(|host| Some((host, known.get(&(host.clone(), bind))?.clone())));
            let Some((host, (other, place))) = winner else {
                for host in hosts {
                    known.insert((host, bind), (gateway, path.clone()));
                }
                continue;
            };
            if reportable(gateway) {
                dropped(report, gateway, &path, port, host, &hosts, (other, &place));
            }
        }
    }
}

/// A host as the control plane compares it: `.` is the gateway's namespace, `*` anybody.
fn scoped(gateway: &Resource, host: &str) -> String {
    match host.split_once('/') {
        Some((".", host)) => format!("{}/{host}", gateway.namespace),
        Some(("*", host)) => host.to_owned(),
        _ => host.to_owned(),
    }
}

fn dropped(
    report: &mut Report,
    loser: &Resource,
    path: &str,
    port: i64,
    host: &str,
    hosts: &[String],
    (winner, place): (&Resource, &str),
) {
    let with_it: Vec<&str> = hosts
        .iter()
        .filter(|other| *other != host)
        .map(String::as_str)
        .collect();
    let collateral = if with_it.is_empty() {
        String::new()
    } else {
        format!("; {} with it", with_it.join(", "))
    };
    let message = format!(
        "The server of {} on port {port} is dropped: {} serves {host} there already{collateral}",
        loser.full_name(),
        winner.full_name()
    );
    report
        .find("FM0301", loser, path, message)
        .seen(winner.evidence(place, format!("{host} is taken here")))
        .advise(format!("Remove {host} from {path}, or split the server; deleting {} is not necessary.", winner.full_name()));
}
