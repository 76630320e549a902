//! Conditions that controllers wrote into an object's status, and that say no.

use api::parse::Node;

use super::report::reportable;
use super::{Code, Report, Rule};
use crate::facts::fields::Fields;
use crate::facts::{Facts, Kind, Resource};
use crate::finding::Level;

pub(super) const RULE: Rule = Rule {
    name: "conditions",
    analyzer: "conditions.ConditionAnalyzer",
    summary: "Checks for negative conditions in the status of objects",
    codes: &[Code {
        id: "IST0171",
        level: Level::Warning,
        name: "NegativeConditionStatus",
        meaning: "The controller that owns the object says in its status that it does not apply.",
        remedy: "Do what the condition's message asks for.",
        verify: "kubectl get KIND NAME -o jsonpath='{.status.conditions}'",
    }],
    check,
};

const BINDING: &[&str] = &["istio.io/WaypointBound"];
const ROUTE: &[&str] = &["Accepted", "Programmed", "ResolvedRefs"];

fn check(facts: &Facts, report: &mut Report) {
    let kinds: [(Kind, &[&str]); 7] = [
        (Kind::Service, BINDING),
        (Kind::ServiceEntry, BINDING),
        (Kind::WorkloadEntry, BINDING),
        (Kind::AuthorizationPolicy, &["ZtunnelAccepted", "WaypointAccepted"]),
        (Kind::KubernetesGateway, ROUTE),
        (Kind::HttpRoute, ROUTE),
        (Kind::GrpcRoute, ROUTE),
    ];
    for (kind, negative) in kinds {
        for resource in facts.all(kind).filter(|r| reportable(r)) {
            let Some(status) = resource.node.get("status") else {
                continue;
            };
            for (index, condition) in status.list("conditions").iter().enumerate() {
                let path = format!("status.conditions[{index}]");
                judge(report, resource, negative, condition, &path);
            }
            for (parent, route) in status.list("parents").iter().enumerate() {
                for (index, condition) in route.list("conditions").iter().enumerate() {
                    let path = format!("status.parents[{parent}].conditions[{index}]");
                    judge(report, resource, negative, condition, &path);
                }
            }
        }
    }
}

fn judge(report: &mut Report, resource: &Resource, negative: &[&str], condition: &Node, path: &str) {
    let (kind, reason) = (condition.text("type"), condition.text("reason"));
    let says_no = negative.contains(&kind) && condition.text("status") == "False";
    let partial = resource.kind == Kind::AuthorizationPolicy
        && kind == "WaypointAccepted"
        && reason == "PartiallyInvalid";
    if says_no || partial {
        let message = format!(
            "A condition with a negative status is present: type={kind}, reason={reason}, message={}.",
            condition.text("message")
        );
        let finding = report.find("IST0171", resource, "", message);
        finding.evidence[0] = resource.evidence(path, reason);
    }
}
