//! Hosts, addresses, labels, selectors and visibility, as `pkg/config/validation/agent` and
//! `pkg/config/labels` of Istio judge them.

use std::collections::BTreeMap;
use std::net::IpAddr;

use base::Hostname;

use super::report::Report;
use crate::istio::{PolicySelector, PolicyTargetReference, WorkloadSelector};
use crate::path::Path;

type Outcome = Result<(), String>;

/// Letters of both cases, digits and inner dashes; 1 to 63 of them.
pub(super) fn is_dns_label(label: &str) -> bool {
    let edge = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = label.as_bytes();
    (1..=63).contains(&bytes.len())
        && edge(bytes.first())
        && edge(bytes.last())
        && bytes
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-')
}

/// A full domain name without wildcards.
pub(super) fn fqdn(name: &str) -> Outcome {
    let labels = precheck(name)?;
    labels_are_dns(name, labels.split('.'))
}

/// A domain name whose first label may be `*` or begin with `*`.
pub(super) fn wildcard_domain(name: &str) -> Outcome {
    let labels = precheck(name)?;
    let (first, rest) = labels
        .split_once('.')
        .map_or((labels, None), |(first, rest)| (first, Some(rest)));
    let bare = first
        .strip_prefix("*-")
        .or_else(|| first.strip_prefix('*'))
        .unwrap_or(first);
    if first != "*" && !is_dns_label(bare) {
        return Err(format!(
            "host {name:?}: {first:?} is neither a DNS label nor a wildcard"
        ));
    }
    match rest {
        Some(rest) => labels_are_dns(name, rest.split('.')),
        None => Ok(()),
    }
}

/// `*` and a part of a label: legal, but stands for nothing where DNS is asked.
pub(super) fn is_partial_wildcard(name: &str) -> bool {
    name.len() > 1 && name.starts_with('*') && !name.starts_with("*.")
}

fn precheck(name: &str) -> Result<&str, String> {
    if name.is_empty() {
        return Err("the host is empty".into());
    }
    if name.len() > 255 {
        return Err(format!(
            "host {:?}… is longer than 255 characters",
            name.chars().take(40).collect::<String>()
        ));
    }
    Ok(name.strip_suffix('.').unwrap_or(name))
}

fn labels_are_dns<'a>(name: &str, labels: impl Iterator<Item = &'a str>) -> Outcome {
    let mut last = "";
    for label in labels {
        if !is_dns_label(label) {
            return Err(format!("host {name:?}: {label:?} is not a DNS label"));
        }
        last = label;
    }
    if name.contains('.') && last.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(format!(
            "host {name:?}: the top level domain {last:?} is a number"
        ));
    }
    Ok(())
}

pub(super) fn is_ip(text: &str) -> bool {
    text.parse::<IpAddr>().is_ok()
}

/// An address or a CIDR block.
pub(super) fn subnet(text: &str) -> Outcome {
    let good = if text.contains('/') {
        text.parse::<ipnet::IpNet>().is_ok()
    } else {
        is_ip(text)
    };
    if good {
        Ok(())
    } else {
        Err(format!(
            "{text:?} is neither an IP address nor a CIDR block"
        ))
    }
}

/// An absolute path of a socket, or an abstract name with `@`.
pub(super) fn unix_socket(path: &str) -> Outcome {
    if path.starts_with('@') && path.len() > 1 || path.starts_with('/') && !path.ends_with('/') {
        return Ok(());
    }
    Err(format!("{path:?} is not an absolute path of a socket"))
}

/// Keys and values of labels.
pub(super) fn labels(report: &mut Report, at: &Path<'_>, labels: &BTreeMap<String, String>) {
    for (key, value) in labels {
        let (prefix, name) = key
            .rsplit_once('/')
            .map_or((None, key.as_str()), |(prefix, name)| (Some(prefix), name));
        if !is_label_text(name)
            || name.is_empty()
            || prefix.is_some_and(|prefix| fqdn(prefix).is_err())
        {
            report.error(&at.key(key), format!("{key:?} is not a label key"));
        }
        if !is_label_text(value) {
            report.error(
                &at.key(key),
                format!(
                    "{value:?} is not a label value: at most 63 of letters, digits, '-', '_', '.'"
                ),
            );
        }
    }
}

fn is_label_text(text: &str) -> bool {
    let edge = |byte: Option<&u8>| byte.is_none_or(u8::is_ascii_alphanumeric);
    let bytes = text.as_bytes();
    bytes.len() <= 63
        && edge(bytes.first())
        && edge(bytes.last())
        && bytes
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}

pub(super) fn policy_selector(
    report: &mut Report,
    at: &Path<'_>,
    selector: Option<&PolicySelector>,
) {
    let Some(PolicySelector { match_labels }) = selector else {
        return;
    };
    selector_labels(report, at, "matchLabels", match_labels);
}

pub(super) fn workload_selector(
    report: &mut Report,
    at: &Path<'_>,
    selector: Option<&WorkloadSelector>,
) {
    let Some(WorkloadSelector { labels }) = selector else {
        return;
    };
    selector_labels(report, &at.key("workloadSelector"), "labels", labels);
}

fn selector_labels(
    report: &mut Report,
    at: &Path<'_>,
    field: &str,
    labels: &BTreeMap<String, String>,
) {
    if labels.is_empty() {
        report.warning(
            at,
            "the selector has no labels: it selects every workload of the namespace",
        );
    }
    let field = at.key(field);
    for (key, value) in labels {
        if key.is_empty() {
            report.error(&field, "a selector's label cannot be empty");
        }
        if key.contains('*') || value.contains('*') {
            report.error(
                &field.key(key),
                format!("\"{key}={value}\": a selector knows no wildcards"),
            );
        }
    }
}

pub(super) fn target_refs(
    report: &mut Report,
    at: &Path<'_>,
    selector: bool,
    one: Option<&PolicyTargetReference>,
    many: &[PolicyTargetReference],
) {
    report.one_of(
        at,
        &[
            ("selector", selector),
            ("targetRef", one.is_some()),
            ("targetRefs", !many.is_empty()),
        ],
    );
    if many.len() > 16 {
        report.error(
            &at.key("targetRefs"),
            format!("{} targets; 16 are allowed", many.len()),
        );
    }
    if let Some(target) = one {
        target_ref(report, &at.key("targetRef"), target);
    }
    for (index, target) in many.iter().enumerate() {
        target_ref(report, &at.key("targetRefs").index(index), target);
    }
}

fn target_ref(report: &mut Report, at: &Path<'_>, target: &PolicyTargetReference) {
    let PolicyTargetReference {
        group,
        kind,
        name,
        namespace,
    } = target;
    if name.is_empty() {
        report.error(&at.key("name"), "the target has no name");
    }
    if !namespace.is_empty() {
        report.fix(
            &at.key("namespace"),
            "a target of another namespace is not allowed",
            "remove the field",
        );
    }
    let known = [
        ("", "Service"),
        ("core", "Service"),
        ("networking.istio.io", "ServiceEntry"),
        ("gateway.networking.k8s.io", "Gateway"),
        ("gateway.networking.k8s.io", "GatewayClass"),
    ];
    if !known.contains(&(group.as_str(), kind.as_str())) {
        let message = format!(
            "a policy cannot attach to {group}/{kind}, only to a Service, a ServiceEntry or a Gateway of the Gateway API"
        );
        report.error(&at.key("kind"), message);
    }
}

/// Where `exportTo` makes an object visible.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exporter {
    ServiceEntry,
    SelectingDestinationRule,
    Other,
}

pub(super) fn export_to(
    report: &mut Report,
    at: &Path<'_>,
    namespace: &str,
    export_to: &[String],
    exporter: Exporter,
) {
    let at = at.key("exportTo");
    let mut seen: Vec<&str> = Vec::new();
    for (index, entry) in export_to.iter().enumerate() {
        let item = at.index(index);
        let meaning = if entry == "." { namespace } else { entry };
        if seen.contains(&meaning) {
            report.error(
                &item,
                format!("{entry:?} exports to the same namespace twice"),
            );
            continue;
        }
        seen.push(meaning);
        let none = entry == "~" && exporter == Exporter::ServiceEntry;
        if !(none || matches!(entry.as_str(), "." | "*") || is_dns_label(entry)) {
            report.error(
                &item,
                format!("{entry:?} is neither \".\" (this namespace), \"*\" (all) nor a namespace"),
            );
        }
    }
    for (alone, meaning) in [("*", "all namespaces"), ("~", "none")] {
        if seen.contains(&alone) && seen.len() > 1 {
            report.fix(
                &at,
                format!("{alone:?} means {meaning} and stands beside others"),
                format!("keep {alone:?} alone"),
            );
        }
    }
    if exporter == Exporter::SelectingDestinationRule && !seen.is_empty() && seen != [namespace] {
        report.fix(
            &at,
            "with workloadSelector the rule stays in its namespace",
            "write exportTo: [\".\"]",
        );
    }
}

/// Whether one host name of the list covers `name`.
pub(super) fn covered(name: &str, hosts: &[String]) -> bool {
    let Ok(name) = Hostname::parse(name) else {
        return false;
    };
    hosts
        .iter()
        .filter_map(|host| Hostname::parse(host).ok())
        .any(|host| host.covers(&name))
}
