//! EnvoyFilter: patches that have what they need, and match what they patch. Whether a patch's value fits Envoy's
//! messages is not looked into; names and types that are gone are.

use api::parse::{Kind as Value, Node};

use super::{Verdicts, selectors};
use crate::facts::fields::Fields;
use crate::knowledge::FILTERS;

/// The only network filter that has filters of its own.
const MANAGER: [&str; 2] = [
    "envoy.filters.network.http_connection_manager",
    "envoy.http_connection_manager",
];

pub(super) fn judge(say: &mut Verdicts<'_>) {
    let text = "EnvoyFilter reaches into what istiod makes for Envoy; that may change with any version";
    say.warn("spec", text, "prefer another API where there is one; try it on a canary before every upgrade");
    selectors::workloads(say);
    for (index, patch) in say.resource.spec().list("configPatches").iter().enumerate() {
        config_patch(say, &format!("spec.configPatches[{index}]"), patch);
    }
}

fn config_patch(say: &mut Verdicts<'_>, path: &str, item: &Node) {
    let found = item.get("match");
    if found.is_some_and(|found| found.text("context") == "WAYPOINT") {
        return;
    }
    let applies = item.text("applyTo");
    if matches!(applies, "" | "INVALID") {
        say.refuse(path, "applyTo is missing", "write applyTo, e.g. HTTP_FILTER");
        return;
    }
    let Some(patch) = item.get("patch").filter(|_| item.has("patch")) else {
        say.refuse(path, "the patch is missing", "write patch");
        return;
    };
    let operation = patch.text("operation");
    if matches!(operation, "" | "INVALID") {
        say.refuse(&format!("{path}.patch"), "operation is missing", "write operation, e.g. MERGE");
        return;
    }
    if operation != "REMOVE" && !patch.has("value") {
        let text = format!("{operation} needs a value");
        say.refuse(&format!("{path}.patch"), &text, "write value");
        return;
    }
    if let Some(found) = found
        && !matches(say, &format!("{path}.match"), applies, found)
    {
        return;
    }
    if let Some(value) = patch.get("value") {
        self::value(say, &format!("{path}.patch.value"), value, 0);
    }
}

/// Whether the match is of what the patch applies to.
fn matches(say: &mut Verdicts<'_>, path: &str, applies: &str, found: &Node) -> bool {
    let wanted = match applies {
        "LISTENER" | "FILTER_CHAIN" | "NETWORK_FILTER" | "HTTP_FILTER" => "listener",
        "ROUTE_CONFIGURATION" | "VIRTUAL_HOST" | "HTTP_ROUTE" => "routeConfiguration",
        "CLUSTER" => "cluster",
        _ => return true,
    };
    let other = ["listener", "routeConfiguration", "cluster"]
        .into_iter()
        .find(|kind| *kind != wanted && found.has(kind));
    if let Some(other) = other {
        let text = format!("{applies} cannot be matched by {other}");
        say.refuse(path, &text, &format!("write match.{wanted}"));
        return wanted != "listener";
    }
    let filter = found.at(&["listener", "filterChain", "filter"]);
    filter.is_none_or(|filter| self::filter(say, &format!("{path}.listener.filterChain.filter"), applies, filter))
}

fn filter(say: &mut Verdicts<'_>, path: &str, applies: &str, filter: &Node) -> bool {
    if matches!(applies, "LISTENER" | "FILTER_CHAIN") {
        let text = format!("a filter's match has no effect on {applies}");
        say.warn(path, &text, "remove it");
    }
    let name = filter.text("name");
    if name.is_empty() {
        say.refuse(path, "the filter's match has no name", "write name");
        return false;
    }
    if let Some(sub) = filter.get("subFilter").filter(|_| filter.has("subFilter")) {
        let at = format!("{path}.subFilter");
        let wrong = if applies != "HTTP_FILTER" {
            Some("subFilter is for applyTo HTTP_FILTER alone")
        } else if !MANAGER.contains(&name) {
            Some("subFilter needs the filter envoy.filters.network.http_connection_manager")
        } else if sub.text("name").is_empty() {
            Some("the subFilter has no name")
        } else {
            None
        };
        if let Some(text) = wrong {
            say.refuse(&at, text, "match the HTTP connection manager, and name the subFilter");
            return false;
        }
        renamed(say, &format!("{at}.name"), sub.text("name"));
    }
    renamed(say, &format!("{path}.name"), name);
    true
}

fn renamed(say: &mut Verdicts<'_>, path: &str, name: &str) {
    if let Some(row) = FILTERS.find("name", name).filter(|row| row.get("instead").starts_with("envoy.")) {
        let text = format!("{name:?} is a name from before Envoy 1.14");
        say.warn(path, &text, &format!("write {}", row.get("instead")));
    }
}

/// Deepest nesting that is looked into.
const DEPTH: usize = 40;

/// Types of API v2 anywhere in a value; a filter that has a name and no type.
fn value(say: &mut Verdicts<'_>, path: &str, node: &Node, depth: usize) {
    let ty = node.text("@type");
    // Envoy's packages of API v2 ended in `.v2`; istiod links v3 alone.
    if ty.contains(".v2.") || ty.ends_with(".v2") {
        let text = format!("the type {ty} is of Envoy's API v2");
        say.refuse(&format!("{path}.@type"), &text, "write the type of API v3");
    }
    if depth == 0 && !node.text("name").is_empty() && !node.has("typed_config") && !node.has("typedConfig") {
        let filter = node.entries().iter().all(|(key, _)| matches!(key.text.as_str(), "name" | "config"));
        if filter {
            let text = format!("{:?} is named without typed_config: types by name alone are deprecated", node.text("name"));
            say.warn(path, &text, "write typed_config with its @type");
        }
    }
    if depth < DEPTH {
        match &node.kind {
            Value::Map(entries) => {
                for (key, below) in entries {
                    value(say, &format!("{path}.{}", key.text), below, depth + 1);
                }
            }
            Value::List(items) => {
                for (index, below) in items.iter().enumerate() {
                    value(say, &format!("{path}[{index}]"), below, depth + 1);
                }
            }
            _ => {}
        }
    }
}
