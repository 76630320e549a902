//! Gateways of one workload that serve one host on one port.

use std::collections::{BTreeMap, HashMap};

use super::report::reportable;
use super::{Code, Report, Rule};
use crate::facts::fields::{Fields, selector_text, selects};
use crate::facts::{Facts, Kind, Resource};
use crate::finding::Level;

pub(super) const RULE: Rule = Rule {
    name: "gateway_conflicts",
    analyzer: "gateway.ConflictingGatewayAnalyzer",
    summary: "Checks that gateways of the same workloads do not serve one host on one port",
    codes: &[Code {
        id: "IST0145",
        level: Level::Error,
        name: "ConflictingGateways",
        meaning: "Two Gateways serve the same host on the same port of the same pods. For plain HTTP their routes are \
                  merged; for TLS the newer server is refused as a whole, with every other host it serves.",
        remedy: "Keep the host in one Gateway, or move it to a server of its own.",
        verify: "ferromesh analyze -A",
    }],
    check,
};

/// Hosts with the address they are bound to, of one gateway on one port.
type Bound<'a> = HashMap<&'a str, &'a str>;

fn check(facts: &Facts, report: &mut Report) {
    // Port, then selector, then gateway.
    let mut served: HashMap<i64, BTreeMap<String, BTreeMap<String, Bound<'_>>>> = HashMap::new();
    let mut selectors: HashMap<String, &Resource> = HashMap::new();
    for gateway in facts.all(Kind::Gateway) {
        let selector = selector_text(gateway.spec().map("selector"));
        selectors.entry(selector.clone()).or_insert(gateway);
        for server in gateway.spec().list("servers") {
            let hosts = server.texts("hosts").map(|host| (host, server.text("bind")));
            let gateways = served
                .entry(port(server))
                .or_default()
                .entry(selector.clone())
                .or_default();
            gateways.insert(gateway.full_name(), hosts.collect());
        }
    }
    let mut meets: HashMap<(String, String), bool> = HashMap::new();
    for gateway in facts.all(Kind::Gateway).filter(|r| reportable(r)) {
        let selector = selector_text(gateway.spec().map("selector"));
        for (index, server) in gateway.spec().list("servers").iter().enumerate() {
            let mut others = Vec::new();
            for (other, gateways) in served.get(&port(server)).into_iter().flatten() {
                let pair = (selector.clone(), other.clone());
                let same = *meets
                    .entry(pair)
                    .or_insert_with(|| meet(facts, &selectors, &selector, other));
                if same {
                    others.extend(conflicting(gateway, server, gateways));
                }
            }
            if others.is_empty() {
                continue;
            }
            others.sort();
            let hosts: Vec<&str> = server.texts("hosts").collect();
            let message = format!(
                "Conflict with gateways {} (workload selector {selector}, port {}, hosts {}).",
                others.join(","),
                port(server),
                hosts.join(",")
            );
            let path = format!("spec.servers[{index}].hosts");
            let finding = report.find("IST0145", gateway, "", message);
            finding.evidence[0] = gateway.evidence(&path, hosts.join(", "));
        }
    }
}

fn port(server: &api::parse::Node) -> i64 {
    server
        .get("port")
        .and_then(|port| port.int("number"))
        .unwrap_or(0)
}

fn conflicting(
    gateway: &Resource,
    server: &api::parse::Node,
    gateways: &BTreeMap<String, Bound<'_>>,
) -> Vec<String> {
    let own = gateway.full_name();
    let bind = server.text("bind");
    gateways
        .iter()
        .filter(|(name, bound)| {
            **name != own && server.texts("hosts").any(|host| bound.get(host) == Some(&bind))
        })
        .map(|(name, _)| name.clone())
        .collect()
}

/// Whether two selectors choose a common workload, as istioctl judges it: equal, or one's text contains the
/// other's and a pod carries both.
fn meet(facts: &Facts, gateways: &HashMap<String, &Resource>, a: &str, b: &str) -> bool {
    if a == b {
        return true;
    }
    if !a.contains(b) && !b.contains(a) {
        return false;
    }
    let selector = |text: &str| gateways.get(text).map(|gateway| gateway.spec().map("selector"));
    let (Some(a), Some(b)) = (selector(a), selector(b)) else {
        return false;
    };
    facts
        .workloads()
        .select(facts, None, a)
        .any(|pod| selects(b, pod.labels()))
}
