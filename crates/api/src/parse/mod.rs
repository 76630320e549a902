//! Text into objects, strictly and with positions: YAML as kubectl reads it, or JSON; many documents in one
//! text; every mistake reported with line, column, path and what to write instead.

pub(crate) mod decode;
mod error;
mod json;
mod misplaced;
mod node;
mod scalar;
mod yaml;

use serde_json::Value;

pub use self::node::{Key, Kind, Node};
pub use self::scalar::resolve;
use crate::Diagnostic;
use crate::kinds;
use crate::path::Path;
use crate::store::ResourceType;
use crate::validate;

/// Longest text that is read, in bytes.
pub const MAX_BYTES: usize = 16 << 20;
/// Deepest nesting.
pub const MAX_DEPTH: usize = 100;
/// Most values in one document, aliases unfolded.
pub const MAX_NODES: usize = 300_000;
/// Most mistakes reported of one document.
pub(crate) const MAX_PROBLEMS: usize = 100;

/// One document of a text, or one item of a `List`.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// Its kind, if it is one that we know.
    pub ty: Option<&'static ResourceType>,
    /// The object with its places in the text.
    pub node: Node,
    /// The object as it goes to the API server.
    pub value: Value,
    /// What is wrong with it; not an object at all if it has errors and `ty` is `None`.
    pub diagnostics: Vec<Diagnostic>,
}

impl Document {
    /// Whether it would be refused.
    #[must_use]
    pub fn is_bad(&self) -> bool {
        self.diagnostics.iter().any(Diagnostic::is_error)
    }
}

/// Reads all documents of a text.
#[must_use]
pub fn parse_str(text: &str) -> Vec<Document> {
    parse_file("", text)
}

/// Reads all documents of a file; the diagnostics name it.
#[must_use]
pub fn parse_file(file: &str, text: &str) -> Vec<Document> {
    let mut documents = Vec::new();
    if text.len() > MAX_BYTES {
        let message = format!(
            "a text of {} bytes; at most {MAX_BYTES} are read",
            text.len()
        );
        documents.push(broken(vec![Diagnostic::error("", message)]));
    } else {
        for (first_line, part) in split(text) {
            match read(part, first_line) {
                Ok(Some(node)) => object(node, &mut documents),
                Ok(None) => {}
                Err(diagnostics) => documents.push(broken(diagnostics)),
            }
        }
    }
    for diagnostic in documents
        .iter_mut()
        .flat_map(|document| &mut document.diagnostics)
    {
        file.clone_into(&mut diagnostic.file);
    }
    documents
}

/// Reads all documents of a text without asking what they are; `name` is for the diagnostics. Empty
/// documents are left out.
pub fn documents(text: &str, name: &str) -> Result<Vec<Node>, Vec<Diagnostic>> {
    let (mut nodes, mut problems) = (Vec::new(), Vec::new());
    if text.len() > MAX_BYTES {
        problems.push(Diagnostic::error(
            "",
            format!(
                "a text of {} bytes; at most {MAX_BYTES} are read",
                text.len()
            ),
        ));
    } else {
        for (first_line, part) in split(text) {
            match read(part, first_line) {
                Ok(node) => nodes.extend(node.filter(|node| node.kind != Kind::Null)),
                Err(diagnostics) => problems.extend(diagnostics),
            }
        }
    }
    for problem in &mut problems {
        name.clone_into(&mut problem.file);
    }
    if problems.is_empty() {
        Ok(nodes)
    } else {
        Err(problems)
    }
}

fn broken(diagnostics: Vec<Diagnostic>) -> Document {
    Document {
        ty: None,
        node: Node::bare(Kind::Null),
        value: Value::Null,
        diagnostics,
    }
}

/// Cuts at lines that begin with `---`, so that a broken document does not hide the others.
fn split(text: &str) -> Vec<(u32, &str)> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut parts = Vec::new();
    let (mut start, mut start_line, mut offset, mut line) = (0, 0, 0, 0);
    for text_line in text.split_inclusive('\n') {
        let content = text_line.trim_end();
        if content == "---" || content.starts_with("--- ") {
            parts.push((start_line, &text[start..offset]));
            // What follows the marker on its line belongs to the document; blank out nothing else.
            (start, start_line) = if content == "---" {
                (offset + text_line.len(), line + 1)
            } else {
                (offset, line)
            };
        }
        offset += text_line.len();
        line += 1;
    }
    parts.push((start_line, &text[start..]));
    parts
}

/// Reads one document: JSON if it looks like it, else YAML.
fn read(text: &str, first_line: u32) -> Result<Option<Node>, Vec<Diagnostic>> {
    let mut chars = text.chars().filter(|c| !c.is_whitespace());
    let looks_like_json = chars.next() == Some('{') && matches!(chars.next(), Some('"' | '}'));
    if !looks_like_json {
        return yaml::document(text, first_line);
    }
    // A flow mapping may look the same; kubectl too falls back to YAML.
    json::document(text, first_line).map(Some).or_else(|error| {
        match yaml::document(text, first_line) {
            Ok(Some(node)) => Ok(Some(node)),
            _ => Err(vec![error]),
        }
    })
}

fn object(node: Node, documents: &mut Vec<Document>) {
    if node.kind == Kind::Null {
        return;
    }
    let (line, column) = (node.line as usize, node.column as usize);
    let text = |field| node.get(field).and_then(Node::as_str);
    let (Some(api_version), Some(kind)) = (text("apiVersion"), text("kind")) else {
        let missing = if text("apiVersion").is_none() {
            "apiVersion"
        } else {
            "kind"
        };
        let message = format!("no Kubernetes object: {missing} is missing");
        documents.push(broken(vec![
            Diagnostic::error(missing, message).at(line, column),
        ]));
        return;
    };
    if kind == "List" && api_version == "v1" {
        let Node {
            kind: Kind::Map(entries),
            ..
        } = node
        else {
            return;
        };
        for (_, items) in entries.into_iter().filter(|(key, _)| key.text == "items") {
            if let Kind::List(items) = items.kind {
                items.into_iter().for_each(|item| object(item, documents));
            }
        }
        return;
    }
    let ty = kinds::by_api_version(api_version, kind);
    let diagnostics = match ty {
        Some(ty) => validate::check(ty, &node),
        None => unknown_kind(api_version, kind, &node).into_iter().collect(),
    };
    let value = node.to_value();
    documents.push(Document {
        ty,
        node,
        value,
        diagnostics,
    });
}

/// Kinds of groups that we know are judged; others are none of our business.
fn unknown_kind(api_version: &str, kind: &str, node: &Node) -> Option<Diagnostic> {
    let (group, version) = api_version.rsplit_once('/').unwrap_or(("", api_version));
    if let Some(ty) = kinds::by_kind(group, kind) {
        let (line, column) = node.place_of("apiVersion");
        let served: Vec<_> = kinds::served_versions(ty)
            .iter()
            .map(|version| format!("{group}/{version}"))
            .collect();
        let message = format!("{kind} has no version {version}");
        let suggestion = format!("write one of {}", served.join(", "));
        return Some(
            Diagnostic::error("apiVersion", message)
                .at(line, column)
                .suggest(suggestion),
        );
    }
    if !group.ends_with(".istio.io") {
        return None;
    }
    let (line, column) = node.place_of("kind");
    let message = format!("group {group:?} has no kind {kind:?}");
    let mut diagnostic = Diagnostic::error("kind", message).at(line, column);
    let elsewhere = kinds::ALL
        .iter()
        .find(|ty| ty.kind == kind && ty.group.ends_with(".istio.io"));
    let near = error::nearest(
        kind,
        kinds::ALL
            .iter()
            .filter(|ty| ty.group == group)
            .map(|ty| ty.kind),
    );
    diagnostic.suggestion = match (elsewhere, near) {
        (Some(ty), _) => Some(format!("write apiVersion: {}", ty.api_version())),
        (None, Some(near)) => Some(format!("did you mean {near:?}?")),
        (None, None) => None,
    };
    Some(diagnostic)
}

/// Decodes a value that has no text, reporting every mistake; `path` is where it stands in its object.
pub(crate) fn decode_value<T: serde::de::DeserializeOwned>(
    value: &Value,
    path: Path<'_>,
) -> Result<T, Vec<Diagnostic>> {
    decode::decode(&Node::from_value(value), path, None)
}
