//! Label selectors in their structured form.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::object::{items, strings};

/// A `LabelSelector`. An empty one selects everything, an absent one nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Selector {
    equal: BTreeMap<String, String>,
    expressions: Vec<Expression>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Expression {
    key: String,
    operator: String,
    values: Vec<String>,
}

impl Selector {
    /// Reads `{matchLabels, matchExpressions}`.
    pub(crate) fn parse(selector: &Value) -> Option<Self> {
        selector.as_object()?;
        Some(Self {
            equal: strings(&selector["matchLabels"]),
            expressions: expressions(&selector["matchExpressions"]),
        })
    }

    /// A Service's selector: a map; an empty one selects nothing.
    pub(crate) fn of_map(map: &Value) -> Option<Self> {
        let equal = strings(map);
        (!equal.is_empty()).then_some(Self {
            equal,
            expressions: Vec::new(),
        })
    }

    /// Only expressions, as in node affinity.
    pub(crate) fn of_expressions(list: &Value) -> Self {
        Self {
            equal: BTreeMap::new(),
            expressions: expressions(list),
        }
    }

    pub(crate) fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.equal.iter().all(|(k, v)| labels.get(k) == Some(v))
            && self.expressions.iter().all(|e| e.matches(labels))
    }
}

fn expressions(list: &Value) -> Vec<Expression> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    items(list)
        .iter()
        .map(|expression| Expression {
            key: text(&expression["key"]),
            operator: text(&expression["operator"]),
            values: items(&expression["values"]).iter().map(text).collect(),
        })
        .collect()
}

impl Expression {
    fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        let value = labels.get(&self.key);
        let among = value.is_some_and(|v| self.values.contains(v));
        let compare = |order| {
            let number = |text: &String| text.parse::<i64>().ok();
            match (value.and_then(number), self.values.first().and_then(number)) {
                (Some(a), Some(b)) => a.cmp(&b) == order,
                _ => false,
            }
        };
        match self.operator.as_str() {
            "In" => among,
            "NotIn" => !among,
            "Exists" => value.is_some(),
            "DoesNotExist" => value.is_none(),
            "Gt" => compare(std::cmp::Ordering::Greater),
            "Lt" => compare(std::cmp::Ordering::Less),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn expressions_and_labels_must_all_match() {
        let selector = Selector::parse(&json!({
            "matchLabels": { "app": "x" },
            "matchExpressions": [
                { "key": "tier", "operator": "In", "values": ["a", "b"] },
                { "key": "old", "operator": "DoesNotExist" },
            ],
        }))
        .unwrap();
        let labels = |value: Value| strings(&value);
        assert!(selector.matches(&labels(json!({ "app": "x", "tier": "a" }))));
        assert!(!selector.matches(&labels(json!({ "app": "x", "tier": "c" }))));
        assert!(!selector.matches(&labels(json!({ "app": "x", "tier": "a", "old": "" }))));
        assert!(Selector::of_map(&json!({})).is_none());
    }
}
