//! YAML text into nodes, bounded in size, depth and in what aliases may unfold to.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, Span, Tag};

use super::node::{Key, Kind, Node, number};
use super::scalar::resolve;
use super::{MAX_DEPTH, MAX_NODES, MAX_PROBLEMS};
use crate::Diagnostic;

/// Reads one document. `first_line` is the number of the line before it.
pub(super) fn document(text: &str, first_line: u32) -> Result<Option<Node>, Vec<Diagnostic>> {
    let mut builder = Builder {
        first_line,
        ..Builder::default()
    };
    let mut parser = Parser::new_from_str(text);
    while let Some(event) = parser.next_event() {
        match event {
            Ok((event, span)) => builder.take(event, span),
            Err(error) => {
                let mark = error.marker();
                builder.fail(
                    mark.line(),
                    mark.col(),
                    format!("not YAML: {}", error.info()),
                );
            }
        }
        if builder.fatal {
            break;
        }
    }
    if builder.problems.is_empty() {
        Ok(builder.root)
    } else {
        Err(builder.problems)
    }
}

/// A collection that is being read.
enum Open {
    List {
        node: Node,
        anchor: usize,
    },
    Map {
        map: Entries,
        anchor: usize,
        key: Option<(Key, bool)>,
        merges: Vec<Node>,
    },
}

/// A mapping that is being read.
struct Entries {
    node: Node,
    /// The line of each key.
    seen: HashMap<String, u32>,
}

impl Entries {
    /// Adds an entry; gives back the line of the first one if the key is there already.
    fn insert(&mut self, key: Key, value: Node) -> Option<u32> {
        if let Some(first) = self.seen.get(&key.text) {
            return Some(*first);
        }
        self.seen.insert(key.text.clone(), key.line);
        if let Kind::Map(entries) = &mut self.node.kind {
            entries.push((key, value));
        }
        None
    }
}

#[derive(Default)]
struct Builder {
    first_line: u32,
    stack: Vec<Open>,
    anchors: HashMap<usize, (Node, usize)>,
    nodes: usize,
    root: Option<Node>,
    problems: Vec<Diagnostic>,
    fatal: bool,
}

impl Builder {
    fn fail(&mut self, line: usize, column: usize, message: impl Into<String>) {
        self.problem(line, column, message);
        self.fatal = true;
    }

    /// A problem at a marker of the parser: line from 1, column from 0, within this document.
    fn problem(&mut self, line: usize, column: usize, message: impl Into<String>) {
        let diagnostic = Diagnostic::error("", message);
        self.problems
            .push(diagnostic.at(line + self.first_line as usize, column + 1));
    }

    /// A problem at the place of a node.
    fn problem_at(&mut self, line: u32, column: u32, message: impl Into<String>) {
        self.problems
            .push(Diagnostic::error("", message).at(line as usize, column as usize));
        if self.problems.len() >= MAX_PROBLEMS {
            self.fatal = true;
        }
    }

    fn node(&self, kind: Kind, span: Span) -> Node {
        Node {
            kind,
            line: u32::try_from(span.start.line())
                .unwrap_or(u32::MAX)
                .saturating_add(self.first_line),
            column: u32::try_from(span.start.col() + 1).unwrap_or(u32::MAX),
            source: None,
        }
    }

    fn take(&mut self, event: Event<'_>, span: Span) {
        match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
            Event::DocumentStart(_) if self.root.is_some() => {
                self.fail(
                    span.start.line(),
                    span.start.col(),
                    "a second document begins here without a line \"---\"",
                );
            }
            Event::DocumentStart(_) => {}
            Event::Scalar(text, style, anchor, tag) => {
                let node = self.scalar(&text, style, tag.as_deref(), span);
                self.finish(node, anchor, 1);
            }
            Event::Alias(anchor) => match self.anchors.get(&anchor).cloned() {
                Some((node, size)) => self.finish(node, 0, size),
                None => self.fail(
                    span.start.line(),
                    span.start.col(),
                    "this alias stands inside the value it names",
                ),
            },
            Event::SequenceStart(anchor, tag) => {
                self.check_tag(tag.as_deref(), &["seq"], span);
                let node = self.node(Kind::List(Vec::new()), span);
                self.open(Open::List { node, anchor }, span);
            }
            Event::MappingStart(anchor, tag) => {
                self.check_tag(tag.as_deref(), &["map"], span);
                let map = Entries {
                    node: self.node(Kind::Map(Vec::new()), span),
                    seen: HashMap::new(),
                };
                self.open(
                    Open::Map {
                        map,
                        anchor,
                        key: None,
                        merges: Vec::new(),
                    },
                    span,
                );
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(),
        }
    }

    fn open(&mut self, open: Open, span: Span) {
        if self.stack.len() >= MAX_DEPTH {
            self.fail(
                span.start.line(),
                span.start.col(),
                format!("nested more than {MAX_DEPTH} levels deep"),
            );
            return;
        }
        self.stack.push(open);
    }

    fn close(&mut self) {
        match self.stack.pop() {
            Some(Open::List { node, anchor }) => self.finish(node, anchor, 1),
            Some(Open::Map {
                mut map,
                anchor,
                merges,
                ..
            }) => {
                for merged in merges {
                    self.merge(&mut map, merged);
                }
                self.finish(map.node, anchor, 1);
            }
            None => {}
        }
    }

    /// Puts a complete value where it belongs. `size` counts the nodes it adds.
    fn finish(&mut self, node: Node, anchor: usize, size: usize) {
        self.nodes = self.nodes.saturating_add(size);
        if self.nodes > MAX_NODES {
            let message = format!("more than {MAX_NODES} values in one document, aliases unfolded");
            self.problem_at(node.line, node.column, message);
            self.fatal = true;
            return;
        }
        if anchor > 0 {
            let size = count(&node);
            self.nodes = self.nodes.saturating_add(size);
            self.anchors.insert(anchor, (node.clone(), size));
        }
        match self.stack.last_mut() {
            None => self.root = Some(node),
            Some(Open::List { node: list, .. }) => {
                if let Kind::List(items) = &mut list.kind {
                    items.push(node);
                }
            }
            Some(Open::Map { key: None, .. }) => {
                let merge = matches!(&node.kind, Kind::String(text) if text == "<<")
                    && node.source.is_some();
                match self.key(node) {
                    Some(text) => {
                        if let Some(Open::Map { key, .. }) = self.stack.last_mut() {
                            *key = Some((text, merge));
                        }
                    }
                    None => self.fatal = true,
                }
            }
            Some(Open::Map {
                map, key, merges, ..
            }) => match key.take() {
                Some((_, true)) => merges.push(node),
                Some((key, false)) => {
                    let (text, line, column) = (key.text.clone(), key.line, key.column);
                    if let Some(first) = map.insert(key, node) {
                        self.problem_at(line, column, format!("key {text:?} stands here a second time; line {first} has it already"));
                    }
                }
                None => {}
            },
        }
    }

    /// The text of a key as kubectl's conversion to JSON writes it.
    fn key(&mut self, node: Node) -> Option<Key> {
        let text = match node.kind {
            Kind::String(text) => Some(text),
            Kind::Bool(bool) => Some(bool.to_string()),
            Kind::Int(int) => Some(int.to_string()),
            Kind::Float(float) if float.is_finite() => Some(float.to_string()),
            _ => None,
        };
        let Some(text) = text else {
            self.problem_at(
                node.line,
                node.column,
                "a key must be a string, a number or a boolean",
            );
            return None;
        };
        Some(Key {
            text,
            line: node.line,
            column: node.column,
        })
    }

    /// `<<: *base` gives what the mapping itself does not have.
    fn merge(&mut self, map: &mut Entries, merged: Node) {
        let sources = match merged.kind {
            Kind::List(items) => items,
            _ => vec![merged],
        };
        for source in sources {
            let Kind::Map(entries) = source.kind else {
                self.problem_at(source.line, source.column, "\"<<\" merges mappings only");
                continue;
            };
            for (key, value) in entries {
                map.insert(key, value);
            }
        }
    }

    fn check_tag(&mut self, tag: Option<&Tag>, allowed: &[&str], span: Span) {
        if let Some(tag) = tag.filter(|tag| !(core(tag) && allowed.contains(&tag.suffix.as_str())))
        {
            let message = format!("tag \"{}{}\" means nothing here", tag.handle, tag.suffix);
            self.problem(span.start.line(), span.start.col(), message);
        }
    }

    fn scalar(&mut self, text: &str, style: ScalarStyle, tag: Option<&Tag>, span: Span) -> Node {
        let kind = match tag {
            None if style == ScalarStyle::Plain => resolve(text),
            None => Kind::String(text.to_owned()),
            Some(tag) => self.tagged(text, tag, span),
        };
        if matches!(&kind, Kind::Float(float) if !float.is_finite()) {
            self.problem(
                span.start.line(),
                span.start.col(),
                format!("{text} has no form in JSON"),
            );
        }
        let mut node = self.node(kind, span);
        let merge_key = text == "<<" && style == ScalarStyle::Plain;
        if merge_key || !matches!(node.kind, Kind::String(_)) {
            node.source = Some(text.into());
        }
        node
    }

    fn tagged(&mut self, text: &str, tag: &Tag, span: Span) -> Kind {
        let kind = match (tag.handle.as_str(), tag.suffix.as_str()) {
            ("!", "") => Some(Kind::String(text.to_owned())),
            _ if !core(tag) => None,
            (_, "str" | "timestamp") => Some(Kind::String(text.to_owned())),
            (_, "null") => Some(Kind::Null),
            (_, "bool") => Some(resolve(text)).filter(|kind| matches!(kind, Kind::Bool(_))),
            (_, "int") => Some(resolve(text)).filter(|kind| matches!(kind, Kind::Int(_))),
            (_, "float") => match resolve(text) {
                Kind::Int(int) => Some(number(int as f64)),
                kind => Some(kind).filter(|kind| matches!(kind, Kind::Float(_))),
            },
            _ => None,
        };
        kind.unwrap_or_else(|| {
            let message = format!(
                "tag \"{}{}\" does not fit this value",
                tag.handle, tag.suffix
            );
            self.problem(span.start.line(), span.start.col(), message);
            Kind::Null
        })
    }
}

fn core(tag: &Tag) -> bool {
    tag.handle == "tag:yaml.org,2002:" || tag.handle == "!!"
}

fn count(node: &Node) -> usize {
    1 + match &node.kind {
        Kind::List(items) => items.iter().map(count).sum(),
        Kind::Map(entries) => entries.iter().map(|(_, value)| count(value)).sum::<usize>(),
        _ => 0,
    }
}
