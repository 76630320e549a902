//! Label and field selectors.

use serde_json::Value;

use crate::error::{ApiError, ApiResult};
use crate::registry::Resource;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Requirement {
    In(String, Vec<String>),
    /// Absent labels satisfy it too.
    NotIn(String, Vec<String>),
    Exists(String),
    Missing(String),
    Greater(String, i64),
    Less(String, i64),
}

/// A parsed label selector; empty selects everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct LabelSelector(Vec<Requirement>);

impl LabelSelector {
    /// The string form: `a=b,c in (d,e),!f,g>1`.
    pub(crate) fn parse(text: &str) -> ApiResult<Self> {
        let parts = split(text)?;
        parts
            .iter()
            .filter(|p| !p.is_empty())
            .map(|part| requirement(part))
            .collect::<ApiResult<_>>()
            .map(Self)
    }

    /// The object form: `matchLabels` and `matchExpressions`.
    pub(crate) fn from_object(selector: &Value) -> Self {
        let labels = selector["matchLabels"].as_object().into_iter().flatten();
        let mut all: Vec<Requirement> = labels
            .map(|(k, v)| Requirement::In(k.clone(), vec![v.as_str().unwrap_or_default().into()]))
            .collect();
        for expression in selector["matchExpressions"]
            .as_array()
            .into_iter()
            .flatten()
        {
            let key = expression["key"].as_str().unwrap_or_default().to_owned();
            let values = expression["values"].as_array().into_iter().flatten();
            let values = values
                .filter_map(|v| v.as_str().map(str::to_owned))
                .collect();
            all.push(match expression["operator"].as_str() {
                Some("In") => Requirement::In(key, values),
                Some("NotIn") => Requirement::NotIn(key, values),
                Some("Exists") => Requirement::Exists(key),
                _ => Requirement::Missing(key),
            });
        }
        Self(all)
    }

    pub(crate) fn matches(&self, object: &Value) -> bool {
        self.matches_labels(&object["metadata"]["labels"])
    }

    pub(crate) fn matches_labels(&self, labels: &Value) -> bool {
        let value = |key: &String| labels.get(key).and_then(Value::as_str);
        self.0.iter().all(|requirement| match requirement {
            Requirement::In(key, wanted) => {
                value(key).is_some_and(|v| wanted.iter().any(|w| w == v))
            }
            Requirement::NotIn(key, refused) => {
                value(key).is_none_or(|v| refused.iter().all(|w| w != v))
            }
            Requirement::Exists(key) => value(key).is_some(),
            Requirement::Missing(key) => value(key).is_none(),
            Requirement::Greater(key, bound) => value(key)
                .and_then(|v| v.parse::<i64>().ok())
                .is_some_and(|v| v > *bound),
            Requirement::Less(key, bound) => value(key)
                .and_then(|v| v.parse::<i64>().ok())
                .is_some_and(|v| v < *bound),
        })
    }
}

/// Splits at commas outside of parentheses.
fn split(text: &str) -> ApiResult<Vec<String>> {
    let mut parts = vec![String::new()];
    let mut depth = 0usize;
    for c in text.chars() {
        match c {
            '(' => depth += 1,
            ')' => {
                depth = depth
                    .checked_sub(1)
                    .ok_or_else(|| bad(text, "found ')' without '('"))?;
            }
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
    if depth > 0 {
        return Err(bad(text, "found '(' without ')'"));
    }
    Ok(parts.iter().map(|p| p.trim().to_owned()).collect())
}

fn bad(text: &str, why: &str) -> ApiError {
    ApiError::bad_request(format!("unable to parse requirement {text:?}: {why}"))
}

fn requirement(text: &str) -> ApiResult<Requirement> {
    let key = |key: &str| {
        let key = key.trim();
        let valid = !key.is_empty()
            && key
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "-_./".contains(c));
        if valid {
            Ok(key.to_owned())
        } else {
            Err(bad(text, "the label key is not valid"))
        }
    };
    if let Some(name) = text.strip_prefix('!') {
        return Ok(Requirement::Missing(key(name)?));
    }
    if let Some(open) = text.find('(') {
        let values = text[open + 1..]
            .trim_end()
            .strip_suffix(')')
            .ok_or_else(|| bad(text, "expected ')' at the end"))?;
        let values = values.split(',').map(|v| v.trim().to_owned()).collect();
        let mut words = text[..open].split_whitespace();
        return match (words.next(), words.next(), words.next()) {
            (Some(name), Some("in"), None) => Ok(Requirement::In(key(name)?, values)),
            (Some(name), Some("notin"), None) => Ok(Requirement::NotIn(key(name)?, values)),
            _ => Err(bad(text, "expected 'in' or 'notin' before '('")),
        };
    }
    for (operator, negated) in [("!=", true), ("==", false), ("=", false)] {
        if let Some((name, value)) = text.split_once(operator) {
            let (name, values) = (key(name)?, vec![value.trim().to_owned()]);
            return Ok(if negated {
                Requirement::NotIn(name, values)
            } else {
                Requirement::In(name, values)
            });
        }
    }
    for (operator, greater) in [('>', true), ('<', false)] {
        if let Some((name, value)) = text.split_once(operator) {
            let bound = value
                .trim()
                .parse()
                .map_err(|_| bad(text, "for '>' and '<' the value must be an integer"))?;
            return Ok(if greater {
                Requirement::Greater(key(name)?, bound)
            } else {
                Requirement::Less(key(name)?, bound)
            });
        }
    }
    Ok(Requirement::Exists(key(text)?))
}

/// A parsed field selector; empty selects everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct FieldSelector(Vec<(String, String, bool)>);

impl FieldSelector {
    pub(crate) fn parse(text: &str, resource: &Resource) -> ApiResult<Self> {
        let mut terms = Vec::new();
        for part in text.split(',').filter(|p| !p.trim().is_empty()) {
            let split = part.split_once("!=").map(|(f, v)| (f, v, false));
            let split = split.or_else(|| {
                part.split_once("==")
                    .or_else(|| part.split_once('='))
                    .map(|(f, v)| (f, v, true))
            });
            let Some((field, value, equal)) = split else {
                return Err(ApiError::bad_request(format!(
                    "invalid field selector {part:?}: expected field=value"
                )));
            };
            let field = field.trim().to_owned();
            if !supported(resource, &field) {
                let message = format!("field label not supported: {field}");
                return Err(ApiError::bad_request(message));
            }
            terms.push((field, value.trim().to_owned(), equal));
        }
        Ok(Self(terms))
    }

    pub(crate) fn matches(&self, object: &Value) -> bool {
        self.0
            .iter()
            .all(|(field, wanted, equal)| (field_text(object, field) == *wanted) == *equal)
    }
}

fn supported(resource: &Resource, field: &str) -> bool {
    if matches!(field, "metadata.name" | "metadata.namespace") {
        return true;
    }
    let fields: &[&str] = match (resource.group(), resource.plural()) {
        ("", "pods") => &[
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "spec.hostNetwork",
            "status.phase",
            "status.podIP",
            "status.nominatedNodeName",
        ],
        ("", "events") => &[
            "involvedObject.kind",
            "involvedObject.namespace",
            "involvedObject.name",
            "involvedObject.uid",
            "involvedObject.apiVersion",
            "involvedObject.resourceVersion",
            "involvedObject.fieldPath",
            "reason",
            "reportingComponent",
            "source",
            "type",
        ],
        ("events.k8s.io", "events") => &[
            "regarding.kind",
            "regarding.namespace",
            "regarding.name",
            "regarding.uid",
            "reason",
            "type",
            "reportingController",
        ],
        ("", "secrets") => &["type"],
        ("", "namespaces") => &["status.phase"],
        ("", "nodes") => &["spec.unschedulable"],
        ("", "services") => &["spec.clusterIP", "spec.type"],
        ("apps", "replicasets") => &["status.replicas"],
        _ => &[],
    };
    let custom = resource.custom().is_some_and(|v| {
        v.selectable
            .iter()
            .any(|path| path.trim_start_matches('.') == field)
    });
    custom || fields.contains(&field)
}

fn field_text(object: &Value, field: &str) -> String {
    let path = match field {
        "source" => "source.component",
        other => other,
    };
    let value = path.split('.').try_fold(object, |at, part| at.get(part));
    match value {
        Some(Value::String(text)) => text.clone(),
        None | Some(Value::Null) => {
            if matches!(field, "spec.unschedulable" | "spec.hostNetwork") {
                "false".into()
            } else {
                String::new()
            }
        }
        Some(other) => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn selects(selector: &str, labels: &Value) -> bool {
        LabelSelector::parse(selector)
            .unwrap()
            .matches_labels(labels)
    }

    #[test]
    fn every_operator_means_what_kubernetes_means() {
        let labels = json!({"app": "web", "tier": "front", "n": "7"});
        for yes in [
            "",
            "app=web",
            "app==web",
            "app!=db",
            "other!=x",
            "app in (db, web)",
            "app notin (db)",
            "other notin (x)",
            "app",
            "!other",
            "n>6",
            "n<8",
            "app=web,tier in (front,back),!x",
        ] {
            assert!(selects(yes, &labels), "{yes}");
        }
        for no in [
            "app=db",
            "app!=web",
            "other=x",
            "app in (db)",
            "app notin (web)",
            "other",
            "!app",
            "n>7",
            "app=web,tier=back",
        ] {
            assert!(!selects(no, &labels), "{no}");
        }
        for bad in [
            "a b",
            "app in (x",
            "app in x)",
            "=x",
            "a>b",
            "app within (x)",
        ] {
            assert!(LabelSelector::parse(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_selector_makes_it_panic(text in ".{0,60}") {
            let _ = LabelSelector::parse(&text);
        }
    }
}
