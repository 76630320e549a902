//! EnvoyFilters that name filters which no longer exist, or configure them in a form that Envoy refuses.

use api::parse::Node;

use super::report::reportable;
use super::{Code, Report, Rule};
use crate::facts::fields::Fields;
use crate::facts::{Facts, Kind, Resource};
use crate::finding::{EditAction, Level};
use crate::tables;

const VERIFY: &str = "istioctl proxy-status; istioctl proxy-config listener POD -o json";

pub(super) const RULE: Rule = Rule {
    name: "envoy_filter_names",
    analyzer: "envoyfilter.Names",
    summary: "Checks names and configuration forms in EnvoyFilters",
    codes: &[
        Code {
            id: "FM0621",
            level: Level::Warning,
            name: "EnvoyFilterStaleName",
            meaning: "No filter has this name any more: a match by it selects nothing, and the patch does not apply.",
            remedy: "Write the present name.",
            verify: VERIFY,
        },
        Code {
            id: "FM0622",
            level: Level::Warning,
            name: "EnvoyFilterUntypedConfig",
            meaning: "Envoy reads typed_config with a v3 @type only: what the patch adds is refused, and the proxy refuses \
                      the listener or keeps its old one.",
            remedy: "Write typed_config with @type: type.googleapis.com/envoy.extensions.….v3.….",
            verify: VERIFY,
        },
    ],
    check,
};

fn check(facts: &Facts, report: &mut Report) {
    for filter in facts.all(Kind::EnvoyFilter).filter(|r| reportable(r)) {
        for (index, patch) in filter.spec().list("configPatches").iter().enumerate() {
            let at = format!("spec.configPatches[{index}]");
            let chain = patch.at(&["match", "listener", "filterChain", "filter"]);
            let place = format!("{at}.match.listener.filterChain.filter");
            name(report, filter, chain, &place);
            let inner = chain.and_then(|chain| chain.get("subFilter"));
            name(report, filter, inner, &format!("{place}.subFilter"));
            let value = patch.at(&["patch", "value"]);
            let place = format!("{at}.patch.value");
            // A name of one's own is allowed where the type says what it is.
            if value.is_some_and(|value| !value.has("typed_config") && !value.has("typedConfig")) {
                name(report, filter, value, &place);
            }
            if matches!(patch.text("applyTo"), "HTTP_FILTER" | "NETWORK_FILTER") {
                config(report, filter, value, &place);
            }
        }
    }
}

fn name(report: &mut Report, filter: &Resource, node: Option<&Node>, at: &str) {
    let name = node.map_or("", |node| node.text("name"));
    let Some(instead) = tables::stale_filter(name) else {
        return;
    };
    let path = format!("{at}.name");
    let hint = if instead.is_empty() { String::new() } else { format!("; it is {instead} now") };
    let message = format!("No filter is called {name}{hint}");
    let finding = report.find("FM0621", filter, &path, message);
    if !instead.is_empty() {
        finding.edit(
            filter,
            path,
            EditAction::Set(instead.to_owned()),
            "the patch begins to apply",
        );
    }
}

fn config(report: &mut Report, filter: &Resource, value: Option<&Node>, at: &str) {
    let Some(value) = value else { return };
    if value.has("config") && !value.has("typed_config") {
        let message = "config is not read since Envoy 1.18; filters take typed_config";
        report.find("FM0622", filter, &format!("{at}.config"), message);
    }
    let kind = value.get("typed_config").map_or("", |typed| typed.text("@type"));
    if kind.contains("envoy.config.filter.") || kind.contains(".v2.") {
        let message = format!("{kind} is a type of Envoy's v2 API, which is gone");
        report.find("FM0622", filter, &format!("{at}.typed_config[\"@type\"]"), message);
    }
}
