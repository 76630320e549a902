//! Outlier detection whose effect is the opposite of what was meant.

use api::parse::Node;

use super::report::reportable;
use super::{Code, Report, Rule};
use crate::facts::fields::Fields;
use crate::facts::{Facts, Kind, Resource};
use crate::finding::{EditAction, Level};

const VERIFY: &str = "istioctl proxy-config cluster POD --fqdn HOST -o json | grep -A12 outlierDetection";

pub(super) const RULE: Rule = Rule {
    name: "outlier_intent",
    analyzer: "destinationrule.OutlierIntent",
    summary: "Checks outlier detection for settings that do the opposite of what they say",
    codes: &[
        Code {
            id: "FM0201",
            level: Level::Warning,
            name: "OutlierConsecutiveErrorsIgnored",
            meaning: "consecutiveErrors is read by no version since 1.7; what counts is that the block is there: hosts are \
                      ejected after 5 responses of 5xx in a row.",
            remedy: "Write consecutive5xxErrors, or remove the whole outlierDetection block to disable ejection.",
            verify: VERIFY,
        },
        Code {
            id: "FM0202",
            level: Level::Warning,
            name: "OutlierMaxEjectionZero",
            meaning: "0 counts as not set: up to 10 % of the hosts are ejected.",
            remedy: "Remove the outlierDetection block, or write consecutive5xxErrors: 0.",
            verify: VERIFY,
        },
        Code {
            id: "FM0203",
            level: Level::Info,
            name: "OutlierGatewayErrorsCovered",
            meaning: "Gateway errors (502, 503, 504) count as 5xx too: the 5xx threshold is reached first, and \
                      consecutiveGatewayErrors never decides.",
            remedy: "Make consecutiveGatewayErrors smaller than consecutive5xxErrors, or write consecutive5xxErrors: 0.",
            verify: VERIFY,
        },
    ],
    check,
};

/// Traffic policies of a DestinationRule with their paths: its own, its subsets', those of their ports.
pub(super) fn policies(rule: &Resource) -> Vec<(&Node, String)> {
    collect(rule.spec())
}

fn collect(spec: &Node) -> Vec<(&Node, String)> {
    let mut owners = vec![(spec, "spec".to_owned())];
    for (index, subset) in spec.list("subsets").iter().enumerate() {
        owners.push((subset, format!("spec.subsets[{index}]")));
    }
    let mut found = Vec::new();
    for (owner, at) in owners {
        let Some(policy) = owner.get("trafficPolicy") else {
            continue;
        };
        let path = format!("{at}.trafficPolicy");
        for (index, port) in policy.list("portLevelSettings").iter().enumerate() {
            found.push((port, format!("{path}.portLevelSettings[{index}]")));
        }
        found.push((policy, path));
    }
    found
}

fn check(facts: &Facts, report: &mut Report) {
    for rule in facts.all(Kind::DestinationRule).filter(|r| reportable(r)) {
        for (policy, path) in policies(rule) {
            let Some(outlier) = policy.get("outlierDetection") else {
                continue;
            };
            let path = format!("{path}.outlierDetection");
            judge(report, rule, outlier, &path);
        }
    }
}

fn judge(report: &mut Report, rule: &Resource, outlier: &Node, path: &str) {
    let server = outlier.int("consecutive5xxErrors");
    if let Some(errors) = outlier.int("consecutiveErrors") {
        let at = format!("{path}.consecutiveErrors");
        let limit = server.unwrap_or(5);
        let message = format!(
            "consecutiveErrors: {errors} has no effect; hosts are ejected after {limit} responses of 5xx in a row"
        );
        let finding = report.find("FM0201", rule, &at, message);
        if server.is_some() {
            finding.edit(rule, at, EditAction::Remove, "none: it has no effect");
        } else if errors > 0 && errors < 100 {
            finding.edit(
                rule,
                at,
                EditAction::Rename("consecutive5xxErrors".into()),
                "hosts are ejected at another threshold than now",
            );
        } else {
            finding.edit(
                rule,
                path,
                EditAction::Remove,
                "failing hosts are no longer ejected, as the value seems to want",
            );
        }
    }
    if outlier.int("maxEjectionPercent") == Some(0) {
        let at = format!("{path}.maxEjectionPercent");
        let message = "maxEjectionPercent: 0 does not disable ejection; it means 10 %";
        report.find("FM0202", rule, &at, message);
    }
    let limit = server.unwrap_or(5);
    if let Some(gateway) = outlier.int("consecutiveGatewayErrors")
        && gateway >= limit
        && limit > 0
        && gateway > 0
    {
        let at = format!("{path}.consecutiveGatewayErrors");
        let message = format!("consecutiveGatewayErrors: {gateway} never decides: {limit} responses of 5xx eject first");
        report.find("FM0203", rule, &at, message);
    }
}
