//! Patches of EnvoyFilters whose operation does not go with what they patch, or depends on order.

use std::collections::HashSet;

use api::parse::Node;

use super::report::reportable;
use super::{Code, Report, Rule};
use crate::facts::fields::Fields;
use crate::facts::{Facts, Kind, Resource};
use crate::finding::Level;

const RELATIVE: &str = "The patch stands relative to another filter and has no priority: if that filter is added later, \
                        the patch finds nothing and does not apply, silently.";
const VERIFY: &str = "istioctl proxy-config listener POD -o json";

const IGNORED: &str = "The operation is ignored for this applyTo: the patch does nothing.";

pub(super) const RULE: Rule = Rule {
    name: "envoy_patch",
    analyzer: "envoyfilter.EnvoyPatchAnalyzer",
    summary: "Checks the operations of EnvoyFilter patches",
    codes: &[
        Code {
            id: "IST0151",
            level: Level::Warning,
            name: "EnvoyFilterUsesRelativeOperation",
            meaning: RELATIVE,
            remedy: "Use INSERT_FIRST or ADD, or set spec.priority.",
            verify: VERIFY,
        },
        Code {
            id: "IST0152",
            level: Level::Error,
            name: "EnvoyFilterUsesReplaceOperationIncorrectly",
            meaning: "REPLACE works on HTTP_FILTER, NETWORK_FILTER and VIRTUAL_HOST only: the patch does nothing.",
            remedy: "Use MERGE.",
            verify: VERIFY,
        },
        Code {
            id: "IST0153",
            level: Level::Error,
            name: "EnvoyFilterUsesAddOperationIncorrectly",
            meaning: IGNORED,
            remedy: "Use MERGE for ROUTE_CONFIGURATION; INSERT_FIRST or MERGE for HTTP_ROUTE.",
            verify: VERIFY,
        },
        Code {
            id: "IST0154",
            level: Level::Error,
            name: "EnvoyFilterUsesRemoveOperationIncorrectly",
            meaning: IGNORED,
            remedy: "Change the VirtualService that makes the route.",
            verify: VERIFY,
        },
        Code {
            id: "IST0155",
            level: Level::Warning,
            name: "EnvoyFilterUsesRelativeOperationWithProxyVersion",
            meaning: "The patch stands relative to a filter that another patch adds for some proxy versions only, and \
                      has no priority: during an upgrade it may find nothing and not apply.",
            remedy: "Use INSERT_FIRST or ADD, or set spec.priority.",
            verify: VERIFY,
        },
    ],
    check,
};

fn check(facts: &Facts, report: &mut Report) {
    // Names that patches for one proxy version only have used so far, as istioctl walks them.
    let mut versioned: HashSet<String> = HashSet::new();
    for filter in facts.all(Kind::EnvoyFilter).filter(|r| reportable(r)) {
        let priority = filter.spec().int("priority").unwrap_or(0);
        for (index, patch) in filter.spec().list("configPatches").iter().enumerate() {
            let Some(body) = patch.get("patch") else {
                break;
            };
            let name = instance(patch, body);
            judge(report, filter, index, patch, body, priority == 0, versioned.contains(&name));
            let version = patch.at(&["match", "proxy"]);
            if version.is_some_and(|proxy| !proxy.text("proxyVersion").is_empty()) {
                versioned.insert(name);
            }
        }
    }
}

fn judge(
    report: &mut Report,
    filter: &Resource,
    index: usize,
    patch: &Node,
    body: &Node,
    unordered: bool,
    versioned: bool,
) {
    let operation = body.text("operation");
    let apply_to = patch.text("applyTo");
    let route = matches!(apply_to, "ROUTE_CONFIGURATION" | "HTTP_ROUTE");
    let replaceable = matches!(apply_to, "NETWORK_FILTER" | "HTTP_FILTER" | "VIRTUAL_HOST");
    let (code, message) = match operation {
        "ADD" if route => (
            "IST0153",
            "The ADD operation will be ignored when applyTo is set to ROUTE_CONFIGURATION, or HTTP_ROUTE.",
        ),
        "REMOVE" if route => (
            "IST0154",
            "The REMOVE operation will be ignored when applyTo is set to ROUTE_CONFIGURATION, or HTTP_ROUTE.",
        ),
        "REPLACE" if !replaceable => (
            "IST0152",
            "The REPLACE operation is only valid for HTTP_FILTER and NETWORK_FILTER.",
        ),
        "REMOVE" | "REPLACE" | "INSERT_BEFORE" | "INSERT_AFTER" if unordered && versioned => (
            "IST0155",
            "This EnvoyFilter does not have a priority and has a relative patch operation (NSTERT_BEFORE/AFTER, \
             REPLACE, MERGE, DELETE) and proxyVersion set which can cause the EnvoyFilter not to be applied during an \
             upgrade. Using the INSERT_FIRST or ADD option or setting the priority may help in ensuring the EnvoyFilter \
             is applied correctly.",
        ),
        "REMOVE" | "REPLACE" | "INSERT_BEFORE" | "INSERT_AFTER" if unordered => (
            "IST0151",
            "This EnvoyFilter does not have a priority and has a relative patch operation set which can cause the \
             EnvoyFilter not to be applied. Using the INSERT_FIRST of ADD option or setting the priority may help in \
             ensuring the EnvoyFilter is applied correctly.",
        ),
        _ => return,
    };
    let finding = report.find(code, filter, "", message);
    let path = format!("spec.configPatches[{index}].patch.operation");
    finding.evidence[0] = filter.evidence(&path, format!("{operation} on {apply_to}"));
}

/// The filter that a patch is about.
fn instance(patch: &Node, body: &Node) -> String {
    let Some(value) = body.get("value").filter(|value| !value.entries().is_empty()) else {
        return String::new();
    };
    match value.text("name") {
        "" => patch
            .at(&["match", "listener", "filterChain", "filter"])
            .map_or("", |filter| filter.text("name"))
            .to_owned(),
        name => format!("string_value:{name:?}"),
    }
}
