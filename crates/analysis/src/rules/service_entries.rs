//! ServiceEntries that need addresses, or contradict each other about a port's protocol.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::report::reportable;
use super::{Code, Report, Rule};
use crate::facts::fields::Fields;
use crate::facts::{Facts, Kind, Resource};
use crate::finding::Level;

pub(super) const RULE: Rule = Rule {
    name: "service_entries",
    analyzer: "serviceentry.ProtocolAddressesAnalyzer",
    summary: "Checks the addresses and protocols of ServiceEntries",
    codes: &[
        Code {
            id: "IST0134",
            level: Level::Warning,
            name: "ServiceEntryAddressesRequired",
            meaning: "A TCP connection carries no host name: without an address of its own the entry takes every \
                      connection to this port, or none.",
            remedy: "Write spec.addresses, or let the control plane allocate them: label the ServiceEntry \
                     istio.io/use-waypoint or enable DNS capture (ISTIO_META_DNS_CAPTURE) in proxyMetadata.",
            verify: "ferromesh analyze",
        },
        Code {
            id: "IST0177",
            level: Level::Warning,
            name: "ConflictingServiceEntryProtocol",
            meaning: "ServiceEntries of one host disagree about the protocol of a port; the proxies take the oldest's.",
            remedy: "Give the port one protocol in all of them.",
            verify: "ferromesh analyze -A",
        },
    ],
    check,
};

fn check(facts: &Facts, report: &mut Report) {
    let metadata = facts.mesh.config().at(&["defaultConfig", "proxyMetadata"]);
    let on = |name: &str| {
        metadata
            .and_then(|metadata| metadata.get(name))
            .and_then(|value| value.scalar())
            .is_some_and(|value| value == "true")
    };
    let allocated = on("ISTIO_META_DNS_CAPTURE")
        && (on("ISTIO_META_DNS_AUTO_ALLOCATE") || on("PILOT_ENABLE_IP_AUTOALLOCATE"));
    for entry in facts.all(Kind::ServiceEntry).filter(|r| reportable(r)) {
        let has_status = entry
            .node
            .get("status")
            .is_some_and(|status| !status.list("addresses").is_empty());
        if entry.spec().has("addresses") || has_status || allocated {
            continue;
        }
        for (index, port) in entry.spec().list("ports").iter().enumerate() {
            let protocol = port.text("protocol");
            if protocol.is_empty() || protocol.eq_ignore_ascii_case("TCP") {
                let path = format!("spec.ports[{index}].name");
                let message = "ServiceEntry addresses are required for this protocol.";
                report.find("IST0134", entry, &path, message);
            }
        }
    }
    protocols(facts, report);
}

/// ServiceEntries with a protocol, by scope, host and port.
type Claims<'a> = BTreeMap<(&'a str, &'a str, i64), Vec<(&'a str, &'a Resource)>>;

fn protocols(facts: &Facts, report: &mut Report) {
    let mut claims: Claims<'_> = BTreeMap::new();
    for entry in facts.all(Kind::ServiceEntry) {
        let scopes: Vec<&str> = entry.spec().texts("exportTo").collect();
        let mut scopes: Vec<&str> = if scopes.is_empty() || scopes.contains(&"*") {
            vec!["*"]
        } else {
            let own = |scope| if scope == "." { &*entry.namespace } else { scope };
            scopes.into_iter().map(own).collect()
        };
        scopes.sort_unstable();
        scopes.dedup();
        for scope in scopes {
            for host in entry.spec().texts("hosts") {
                for port in entry.spec().list("ports") {
                    claims
                        .entry((scope, host, port.int("number").unwrap_or(0)))
                        .or_default()
                        .push((port.text("protocol"), entry));
                }
            }
        }
    }
    let mut reported = HashSet::new();
    for ((scope, host, port), own) in &claims {
        let mut all = own.clone();
        if *scope != "*" {
            all.extend(claims.get(&("*", host, *port)).into_iter().flatten());
        }
        let protocols: BTreeSet<String> =
            all.iter().map(|(protocol, _)| protocol.to_uppercase()).collect();
        if protocols.len() < 2 {
            continue;
        }
        let names: BTreeSet<String> = all.iter().map(|(_, entry)| entry.full_name()).collect();
        let join = |set: &BTreeSet<String>| set.iter().cloned().collect::<Vec<_>>().join(", ");
        for (_, entry) in &all {
            if !reportable(entry) || !reported.insert(entry.full_name()) {
                continue;
            }
            let message = format!(
                "Multiple ServiceEntries ({}) define the same host {host:?} and port {port} with conflicting protocols \
                 ({}).",
                join(&names),
                join(&protocols)
            );
            report
                .find("IST0177", entry, "metadata.name", message)
                .seen(entry.evidence("spec.ports", format!("port {port}")));
        }
    }
}
