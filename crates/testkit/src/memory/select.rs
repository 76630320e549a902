//! Label and field selectors.

use api::store::Query;
use serde_json::Value;

/// Whether `object` is in `query`'s namespace and matches its selectors.
pub(crate) fn matches(query: &Query, object: &Value) -> bool {
    let meta = &object["metadata"];
    let namespace = query.namespace.as_deref().filter(|ns| !ns.is_empty());
    if namespace.is_some_and(|ns| meta["namespace"].as_str() != Some(ns)) {
        return false;
    }
    requirements(&query.labels).all(|r| label(&r, &meta["labels"]))
        && requirements(&query.fields).all(|r| field(&r, object))
}

/// Splits at commas outside parentheses.
fn requirements(selector: &str) -> impl Iterator<Item = String> {
    let mut parts = vec![String::new()];
    let mut depth = 0;
    for c in selector.chars() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(String::new());
                continue;
            }
            _ => {}
        }
        if let Some(last) = parts.last_mut() {
            last.push(c);
        }
    }
    parts
        .into_iter()
        .map(|part| part.trim().to_owned())
        .filter(|part| !part.is_empty())
}

fn label(requirement: &str, labels: &Value) -> bool {
    let value = |key: &str| labels[key.trim()].as_str();
    for (word, wanted) in [(" notin ", false), (" in ", true)] {
        if let Some((key, set)) = requirement.split_once(word) {
            let set = set.trim().trim_start_matches('(').trim_end_matches(')');
            let found = value(key).is_some_and(|v| set.split(',').any(|s| s.trim() == v));
            return found == wanted;
        }
    }
    if let Some((key, wanted)) = requirement.split_once("!=") {
        return value(key) != Some(wanted.trim());
    }
    if let Some((key, wanted)) = requirement.split_once("==").or(requirement.split_once('=')) {
        return value(key) == Some(wanted.trim());
    }
    match requirement.strip_prefix('!') {
        Some(key) => value(key).is_none(),
        None => value(requirement).is_some(),
    }
}

fn field(requirement: &str, object: &Value) -> bool {
    let (path, wanted, equal) = if let Some((path, wanted)) = requirement.split_once("!=") {
        (path, wanted, false)
    } else if let Some((path, wanted)) =
        requirement.split_once("==").or(requirement.split_once('='))
    {
        (path, wanted, true)
    } else {
        return false;
    };
    let found = path.split('.').fold(object, |at, name| &at[name]);
    (found.as_str().unwrap_or_default() == wanted) == equal
}
