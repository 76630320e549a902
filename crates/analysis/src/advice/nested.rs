//! What is known wherever it stands: annotations, expressions, manifests and settings inside values files, rules,
//! dashboards and kinds of which no fields are known.

use api::parse::{Key, Kind as Value, Node};

use super::blocks::Piece;
use super::fields::{self, Scope};
use super::items::Sink;
use super::{config_map, fragment, manifest, metadata, promql};
use crate::knowledge::settings;

/// Deepest nesting that is looked into.
const MAX_DEPTH: usize = 60;

/// Judges what is known below a node.
pub(crate) fn judge(sink: &mut Sink, node: &Node, context: &str, pieces: &[Piece]) {
    Nested {
        scope: fragment::unknown_scope(context, pieces),
        keys: Vec::new(),
    }
    .below(sink, node);
}

struct Nested<'a> {
    scope: Scope<'a>,
    /// The keys on the way, lower case.
    keys: Vec<String>,
}

impl Nested<'_> {
    fn below(&mut self, sink: &mut Sink, node: &Node) {
        if self.keys.len() > MAX_DEPTH || sink.is_full() {
            return;
        }
        match &node.kind {
            Value::Map(entries) => {
                let whole = |field| node.get(field).and_then(Node::as_str).is_some();
                if !self.keys.is_empty() && whole("apiVersion") && whole("kind") {
                    let (context, pieces) = (self.scope.context, self.scope.pieces);
                    manifest::judge_node(sink, node, context, pieces);
                    return;
                }
                for (key, value) in entries {
                    self.entry(sink, key, value);
                }
            }
            Value::List(items) => items.iter().for_each(|item| self.below(sink, item)),
            _ => {}
        }
    }

    fn entry(&mut self, sink: &mut Sink, key: &Key, value: &Node) {
        let name = key.text.to_lowercase();
        if matches!(name.as_str(), "expr" | "query") && value.as_str().is_some() {
            promql::judge_block(sink, &fields::nested(&self.scope, key, value));
            return;
        }
        let map = matches!(value.kind, Value::Map(_));
        let annotations = name.ends_with("annotations");
        if map && (annotations || name.ends_with("labels")) {
            self.metadata(sink, value, &name, !annotations);
            return;
        }
        if map && settings().config_map(&name).next().is_some() {
            config_map::judge(sink, &self.scope, &name, value);
            return;
        }
        self.keys.push(name);
        self.below(sink, value);
        self.keys.pop();
    }

    /// Those of a known prefix: what the others mean is for others to say.
    fn metadata(&self, sink: &mut Sink, node: &Node, name: &str, label: bool) {
        let Value::Map(entries) = &node.kind else {
            return;
        };
        let known = entries
            .iter()
            .filter(|(key, _)| metadata::is_known_prefix(&key.text));
        let known = Node {
            kind: Value::Map(known.cloned().collect()),
            ..node.clone()
        };
        metadata::judge(sink, &self.scope, &known, self.place(name), label);
    }

    /// On what annotations stand, as far as the names on the way say.
    fn place(&self, name: &str) -> &'static str {
        let above = self.keys.iter().map(String::as_str).rev();
        for part in std::iter::once(name).chain(above) {
            if part.starts_with("pod") {
                return "pod";
            }
            if part.starts_with("service") && !part.starts_with("serviceaccount") {
                return "service";
            }
            if part.starts_with("ingress") && !part.starts_with("ingressgateway") {
                return "ingress";
            }
        }
        ""
    }
}
