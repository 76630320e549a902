//! Rules of VirtualServices that an earlier rule takes everything from.

use std::collections::{BTreeMap, HashMap, HashSet};

use api::parse::Node;

use super::report::reportable;
use super::{Code, Report, Rule};
use crate::facts::fields::Fields;
use crate::facts::{Facts, Kind, Resource};
use crate::finding::Level;

pub(super) const RULE: Rule = Rule {
    name: "unreachable",
    analyzer: "schema.ValidationAnalyzer.VirtualService",
    summary: "Checks that every rule of a VirtualService can match",
    codes: &[
        Code {
            id: "IST0130",
            level: Level::Warning,
            name: "VirtualServiceUnreachableRule",
            meaning: "Rules are tried in order and the first that matches wins: this one never gets a request.",
            remedy: "Move the rule before the one that takes its requests, or remove it.",
            verify: "ferromesh analyze",
        },
        Code {
            id: "IST0131",
            level: Level::Info,
            name: "VirtualServiceIneffectiveMatch",
            meaning: "An earlier rule takes every request that this match would take.",
            remedy: "Put the longer prefix first, or remove the match.",
            verify: "ferromesh analyze",
        },
    ],
    check,
};

/// Longest list that is compared pair by pair.
const MOST: usize = 2_000;

fn check(facts: &Facts, report: &mut Report) {
    for service in facts.all(Kind::VirtualService).filter(|r| reportable(r)) {
        for protocol in ["tcp", "tls"] {
            equal(report, service, protocol, service.spec().list(protocol));
        }
        let routes = service.spec().list("http");
        let settled = equal(report, service, "http", routes);
        prefixes(report, service, routes, &settled);
    }
}

fn rule_name(route: &Node, index: usize) -> String {
    match route.text("name") {
        "" => format!("#{index}"),
        name => format!("{name:?}"),
    }
}

fn unreachable(report: &mut Report, service: &Resource, protocol: &str, rule: (usize, &Node), reason: &str) {
    let message = format!(
        "VirtualService rule {} not used ({reason}).",
        rule_name(rule.1, rule.0)
    );
    let finding = report.find("IST0130", service, "", message);
    let path = format!("spec.{protocol}[{}]", rule.0);
    finding.evidence[0] = service.evidence(&path, reason);
}

fn ineffective(report: &mut Report, service: &Resource, path: &str, [rule, request, earlier]: [&str; 3]) {
    let message = format!(
        "VirtualService rule {rule} match {request} is not used (duplicate/overlapping match in rule {earlier})."
    );
    let finding = report.find("IST0131", service, "", message);
    finding.evidence[0] = service.evidence(path, "");
}

/// A match without its name, as text that is equal for equal matches.
fn canonical(node: &Node, skip_name: bool) -> String {
    let mut value = node.to_value();
    if skip_name && let Some(map) = value.as_object_mut() {
        map.remove("name");
    }
    value.to_string()
}

/// Reports rules behind one that takes everything and matches that are equal to earlier ones; gives back, as rule and
/// match, what is settled by that.
fn equal(
    report: &mut Report,
    service: &Resource,
    protocol: &str,
    routes: &[Node],
) -> HashSet<(usize, usize)> {
    let mut settled = HashSet::new();
    let mut seen: HashMap<String, usize> = HashMap::new();
    let mut everything = false;
    for (index, route) in routes.iter().enumerate() {
        let matches = route.list("match");
        if matches.is_empty() {
            if everything {
                let reason = "only the last rule can have no matches";
                unreachable(report, service, protocol, (index, route), reason);
            }
            everything = true;
            continue;
        }
        if everything {
            let reason = "route without matches defined before";
            unreachable(report, service, protocol, (index, route), reason);
            settled.extend((0..matches.len()).map(|item| (index, item)));
            continue;
        }
        let mut duplicates = 0;
        for (item, request) in matches.iter().enumerate() {
            let key = canonical(request, protocol == "http");
            if let Some(earlier) = seen.get(&key) {
                duplicates += 1;
                settled.insert((index, item));
                let names = [
                    &rule_name(route, index)[..],
                    &rule_name(request, item),
                    &rule_name(&routes[*earlier], *earlier),
                ];
                let path = format!("spec.{protocol}[{index}].match[{item}]");
                ineffective(report, service, &path, names);
            } else {
                seen.insert(key, index);
            }
        }
        if duplicates == matches.len() {
            let reason = "all matches used by prior rules";
            unreachable(report, service, protocol, (index, route), reason);
        }
    }
    settled
}

/// What istioctl compares of two matches by prefix.
#[derive(Debug)]
struct Prefix<'a> {
    rule: usize,
    item: usize,
    prefix: &'a str,
    port: i64,
    method: String,
    authority: String,
    maps: [BTreeMap<&'a str, String>; 3],
}

/// Exact or prefix of a string match; empty for a regex and for nothing.
fn wanted(node: Option<&Node>) -> String {
    let Some(node) = node else {
        return String::new();
    };
    match (node.text("exact"), node.text("prefix")) {
        ("", "") => String::new(),
        ("", prefix) => format!("prefix: {prefix}"),
        (exact, _) => format!("exact: {exact}"),
    }
}

fn prefixes(
    report: &mut Report,
    service: &Resource,
    routes: &[Node],
    settled: &HashSet<(usize, usize)>,
) {
    let mut all = Vec::new();
    for (rule, route) in routes.iter().enumerate() {
        for (item, request) in route.list("match").iter().enumerate() {
            let prefix = request.get("uri").map_or("", |uri| uri.text("prefix"));
            if prefix.is_empty() || settled.contains(&(rule, item)) {
                continue;
            }
            let map = |field| {
                let entries = request.map(field).iter();
                entries
                    .map(|(key, value)| (key.text.as_str(), wanted(Some(value))))
                    .collect()
            };
            let method = wanted(request.get("method"));
            all.push(Prefix {
                rule,
                item,
                prefix,
                port: request.int("port").unwrap_or(0),
                method: if method.is_empty() { "exact: GET".into() } else { method },
                authority: wanted(request.get("authority")),
                maps: [map("headers"), map("queryParams"), map("withoutHeaders")],
            });
        }
    }
    for (index, first) in all.iter().enumerate().take(MOST) {
        for later in all.iter().take(MOST).skip(index + 1) {
            if first.prefix == later.prefix || !covers(first, later) {
                continue;
            }
            let request = |of: &Prefix<'_>| {
                let node = &routes[of.rule].list("match")[of.item];
                format!("{} of prefix {}", rule_name(node, of.item), of.prefix)
            };
            let winner = format!("{} on {}", request(first), rule_name(&routes[first.rule], first.rule));
            let path = format!("spec.http[{}].match[{}].uri.prefix", later.rule, later.item);
            let names = [
                &rule_name(&routes[later.rule], later.rule)[..],
                &request(later),
                &winner,
            ];
            ineffective(report, service, &path, names);
        }
    }
}

fn covers(first: &Prefix<'_>, later: &Prefix<'_>) -> bool {
    let same = |a: &str, b: &str| a == b || a.starts_with(b);
    let maps = first.maps.iter().zip(&later.maps).all(|(a, b)| {
        a.len() == b.len()
            && a.iter()
                .all(|(key, value)| b.get(key).is_some_and(|other| same(value, other)))
    });
    later.prefix.starts_with(first.prefix)
        && first.port == later.port
        && same(&first.method, &later.method)
        && same(&first.authority, &later.authority)
        && maps
}
