//! Reading nodes: short, tolerant accessors. What is missing or of another type reads as absent.

use api::parse::{Key, Kind as Value, Node};

/// Accessors of a positioned tree.
pub(crate) trait Fields {
    /// The value below a list of keys.
    fn at(&self, keys: &[&str]) -> Option<&Node>;
    /// The items of the list at a key; none if there is no such list.
    fn list(&self, key: &str) -> &[Node];
    /// The entries of the mapping at a key; none if there is no such mapping.
    fn map(&self, key: &str) -> &[(Key, Node)];
    /// The string at a key; empty if there is none.
    fn text(&self, key: &str) -> &str;
    /// The integer at a key.
    fn int(&self, key: &str) -> Option<i64>;
    /// The boolean at a key.
    fn flag(&self, key: &str) -> Option<bool>;
    /// Whether the key is there with a value other than null.
    fn has(&self, key: &str) -> bool;
    /// The entries, if this is a mapping.
    fn entries(&self) -> &[(Key, Node)];
    /// The items, if this is a list.
    fn items(&self) -> &[Node];
    /// The strings of the list at a key.
    fn texts<'a>(&'a self, key: &str) -> impl Iterator<Item = &'a str>;
    /// A scalar as it would be written.
    fn scalar(&self) -> Option<String>;
}

impl Fields for Node {
    fn at(&self, keys: &[&str]) -> Option<&Node> {
        keys.iter().try_fold(self, |node, key| node.get(key))
    }

    fn list(&self, key: &str) -> &[Node] {
        self.get(key).map_or(&[], Fields::items)
    }

    fn map(&self, key: &str) -> &[(Key, Node)] {
        self.get(key).map_or(&[], Fields::entries)
    }

    fn text(&self, key: &str) -> &str {
        self.get(key).and_then(Node::as_str).unwrap_or_default()
    }

    fn int(&self, key: &str) -> Option<i64> {
        match self.get(key)?.kind {
            Value::Int(int) => i64::try_from(int).ok(),
            _ => None,
        }
    }

    fn flag(&self, key: &str) -> Option<bool> {
        match self.get(key)?.kind {
            Value::Bool(flag) => Some(flag),
            _ => None,
        }
    }

    fn has(&self, key: &str) -> bool {
        self.get(key).is_some_and(|value| value.kind != Value::Null)
    }

    fn entries(&self) -> &[(Key, Node)] {
        match &self.kind {
            Value::Map(entries) => entries,
            _ => &[],
        }
    }

    fn items(&self) -> &[Node] {
        match &self.kind {
            Value::List(items) => items,
            _ => &[],
        }
    }

    fn texts<'a>(&'a self, key: &str) -> impl Iterator<Item = &'a str> {
        self.list(key).iter().filter_map(Node::as_str)
    }

    fn scalar(&self) -> Option<String> {
        match &self.kind {
            Value::String(text) => Some(text.clone()),
            Value::Bool(flag) => Some(flag.to_string()),
            Value::Int(int) => Some(int.to_string()),
            Value::Float(float) => Some(float.to_string()),
            Value::Null | Value::List(_) | Value::Map(_) => None,
        }
    }
}

/// Labels as a set of pairs, in the order of the text.
pub(crate) fn pairs(entries: &[(Key, Node)]) -> impl Iterator<Item = (&str, &str)> + Clone {
    entries
        .iter()
        .filter_map(|(key, value)| Some((key.text.as_str(), value.as_str()?)))
}

/// The value of a label.
pub(crate) fn label<'a>(entries: &'a [(Key, Node)], name: &str) -> Option<&'a str> {
    entries
        .iter()
        .find(|(key, _)| key.text == name)
        .and_then(|(_, value)| value.as_str())
}

/// Whether labels carry every pair of a selector. An empty selector selects everything.
pub(crate) fn selects(selector: &[(Key, Node)], labels: &[(Key, Node)]) -> bool {
    pairs(selector).all(|(key, value)| label(labels, key) == Some(value))
}

/// A selector as Kubernetes prints it: `a=b,c=d`, by key.
pub(crate) fn selector_text(selector: &[(Key, Node)]) -> String {
    let mut pairs: Vec<String> = pairs(selector)
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    pairs.sort();
    pairs.join(",")
}

/// Whether labels satisfy a `LabelSelector` with `matchLabels` and `matchExpressions`; absent selects all.
pub(crate) fn label_selector_matches(selector: Option<&Node>, labels: &[(&str, &str)]) -> bool {
    let Some(selector) = selector else {
        return true;
    };
    let value = |name: &str| {
        labels
            .iter()
            .find(|(key, _)| *key == name)
            .map(|(_, value)| *value)
    };
    let plain = pairs(selector.map("matchLabels")).all(|(key, wanted)| value(key) == Some(wanted));
    plain
        && selector.list("matchExpressions").iter().all(|expression| {
            let found = value(expression.text("key"));
            let listed = |found: &str| expression.texts("values").any(|wanted| wanted == found);
            match expression.text("operator") {
                "In" => found.is_some_and(listed),
                "NotIn" => !found.is_some_and(listed),
                "Exists" => found.is_some(),
                "DoesNotExist" => found.is_none(),
                _ => false,
            }
        })
}
