//! Balancing by locality: shares, and where requests go when a region fails.

use super::report::Report;
use crate::istio::{LocalityLoadBalancerSetting, ZoneAwareLoadBalancerSetting};
use crate::path::Path;

/// Labels of nodes that say where they are; Envoy orders by these itself.
const TOPOLOGY: [&str; 3] = [
    "topology.kubernetes.io/region",
    "topology.kubernetes.io/zone",
    "topology.istio.io/subzone",
];

pub(super) fn check(
    report: &mut Report,
    at: &Path<'_>,
    setting: &LocalityLoadBalancerSetting,
    outlier: bool,
) {
    let LocalityLoadBalancerSetting {
        distribute,
        failover,
        failover_priority,
        enabled: _,
    } = setting;
    let ways = [
        ("distribute", !distribute.is_empty()),
        ("failover", !failover.is_empty()),
    ];
    report.one_of(at, &ways);
    let topology = failover_priority
        .iter()
        .position(|label| TOPOLOGY.contains(&&**label));
    if let Some(index) = topology.filter(|_| !failover.is_empty()) {
        report.fix(
            &at.key("failoverPriority").index(index),
            "failover orders by region already: a topology label beside it contradicts",
            "keep one of them",
        );
    }
    let list = at.key("distribute");
    let sources = distribute.iter().map(|rule| &*rule.from);
    localities(report, &list, sources);
    for (index, rule) in distribute.iter().enumerate() {
        let rule_at = list.index(index);
        let to = rule_at.key("to");
        for (locality, share) in &rule.to {
            if !(1..=100).contains(share) {
                report.error(
                    &to.key(locality),
                    format!("{share} is not between 1 and 100"),
                );
            }
        }
        let sum: u64 = rule.to.values().map(|share| u64::from(*share)).sum();
        if sum != 100 {
            report.error(&to, format!("the shares are {sum} in sum, not 100"));
        }
        localities(report, &to, rule.to.keys().map(|key| &**key));
    }
    let pairs = failover.iter().map(|rule| (&*rule.from, &*rule.to));
    regions(report, at, pairs);
    notices(
        report,
        at,
        failover.is_empty() && failover_priority.is_empty(),
        outlier,
    );
}

pub(super) fn zone_aware(
    report: &mut Report,
    at: &Path<'_>,
    setting: &ZoneAwareLoadBalancerSetting,
    outlier: bool,
) {
    let ZoneAwareLoadBalancerSetting {
        enabled: _,
        failover,
        failover_priority,
        min_cluster_size,
    } = setting;
    let list = at.key("failoverPriority");
    for (index, label) in failover_priority.iter().enumerate() {
        if TOPOLOGY.contains(&&**label) {
            report.fix(
                &list.index(index),
                format!("{label} orders already: regions and zones are handled by themselves"),
                "remove it",
            );
        }
    }
    if *min_cluster_size == Some(0) {
        report.error(&at.key("minClusterSize"), "minClusterSize is at least 1");
    }
    let pairs = failover.iter().map(|rule| (&*rule.from, &*rule.to));
    regions(report, at, pairs);
    notices(
        report,
        at,
        failover.is_empty() && failover_priority.is_empty(),
        outlier,
    );
}

/// Without outlier detection nobody notices that a region has failed.
fn notices(report: &mut Report, at: &Path<'_>, never: bool, outlier: bool) {
    if !never && !outlier {
        report
            .warning(at, "failover needs outlierDetection to notice failures")
            .suggestion = Some("write outlierDetection beside loadBalancer".into());
    }
}

/// Pairs of regions, which differ and are whole.
fn regions<'a>(
    report: &mut Report,
    at: &Path<'_>,
    pairs: impl Iterator<Item = (&'a str, &'a str)>,
) {
    let list = at.key("failover");
    for (index, (from, to)) in pairs.enumerate() {
        let at = list.index(index);
        if from == to {
            report.error(
                &at.key("to"),
                format!("locality {from:?} cannot fail over to itself"),
            );
        }
        for (field, region) in [("from", from), ("to", to)] {
            if region.contains(['/', '*']) {
                let message = format!("{region:?} is no region: failover is by whole regions");
                report.fix(&at.key(field), message, "write the region alone");
            }
        }
    }
}

/// `region/zone/subzone`, the end of which may be `*`; none is part of another.
fn localities<'a>(report: &mut Report, at: &Path<'_>, all: impl Iterator<Item = &'a str>) {
    let mut seen: Vec<Vec<&str>> = Vec::new();
    for locality in all {
        let parts: Vec<&str> = locality.splitn(3, '/').collect();
        let stars = locality.matches('*').count();
        if stars > 1 || stars == 1 && !locality.ends_with('*') {
            report.error(
                at,
                format!("locality {locality:?}: \"*\" stands once, at the end"),
            );
        } else if parts.contains(&"") {
            report.error(at, format!("locality {locality:?} has an empty part"));
        } else if seen.iter().any(|other| overlap(other, &parts)) {
            report.error(at, format!("locality {locality:?} overlaps with another"));
        }
        seen.push(parts);
    }
}

fn overlap(a: &[&str], b: &[&str]) -> bool {
    a.iter()
        .zip(b)
        .all(|(a, b)| a == b || *a == "*" || *b == "*")
}
