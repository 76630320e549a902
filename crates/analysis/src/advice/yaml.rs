//! YAML as it stands in documents: whole, or with gaps, templates and mistakes; every node keeps its place.

use api::parse::{Key, Kind, Node, documents, resolve};

use super::blocks::Piece;

/// One document with the place of its nodes in the file.
#[derive(Debug)]
pub(crate) struct Document {
    /// Lines and columns of the nodes are those of the file.
    pub node: Node,
    /// The text of each line from the first one on, by line of the file.
    pub first_line: u32,
    pub last_line: u32,
}

/// Reads all documents of a block.
pub(crate) fn read(pieces: &[Piece]) -> Vec<Document> {
    let mut out = Vec::new();
    let mut start = 0;
    for index in 0..=pieces.len() {
        let ends = pieces
            .get(index)
            .is_none_or(|piece| matches!(piece.text.trim_end(), "---" | "+++"));
        if ends {
            one(&pieces[start..index], &mut out);
            start = index + 1;
        }
    }
    out
}

fn one(pieces: &[Piece], out: &mut Vec<Document>) {
    if pieces.iter().all(|piece| {
        let text = piece.text.trim();
        text.is_empty() || text.starts_with('#')
    }) {
        return;
    }
    let plain: Vec<String> = pieces.iter().map(|piece| piece.text.clone()).collect();
    if let Some(at) = again(&plain) {
        one(&pieces[..at], out);
        one(&pieces[at..], out);
        return;
    }
    let nodes = match parse(&plain) {
        Some(nodes) => nodes,
        None => {
            let masked: Vec<String> = plain.iter().map(|line| mask(line)).collect();
            match parse(&masked) {
                Some(nodes) => nodes,
                None => vec![loose(&masked)],
            }
        }
    };
    let (Some(first), Some(last)) = (pieces.first(), pieces.last()) else {
        return;
    };
    for mut node in nodes {
        if matches!(node.kind, Kind::Map(_) | Kind::List(_)) {
            place(&mut node, pieces);
            out.push(Document {
                node,
                first_line: first.line,
                last_line: last.line,
            });
        }
    }
}

/// Where a key at the left edge stands for the second time: such lines are variants, one after the other. An object
/// with a head is one all the same.
fn again(lines: &[String]) -> Option<usize> {
    let mut seen = std::collections::HashSet::new();
    let edge = lines
        .iter()
        .find(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#'))
        .map(|line| Loose::indent(line))?;
    for (number, line) in lines.iter().enumerate() {
        let text = line.trim();
        let plain = Loose::indent(line) == edge && !text.starts_with(['-', '#', '{', '[']);
        let Some((key, rest)) = text.split_once(':').filter(|_| plain) else {
            continue;
        };
        if !(rest.is_empty() || rest.starts_with(' ')) {
            continue;
        }
        if key == "kind" || key == "apiVersion" {
            return None;
        }
        if !seen.insert(key) {
            return Some(number);
        }
    }
    None
}

fn parse(lines: &[String]) -> Option<Vec<Node>> {
    documents(&lines.join("\n"), "").ok()
}

/// Turns places within the block into places within the file.
fn place(node: &mut Node, pieces: &[Piece]) {
    move_to(&mut node.line, &mut node.column, pieces);
    match &mut node.kind {
        Kind::Map(entries) => {
            for (key, value) in entries {
                move_to(&mut key.line, &mut key.column, pieces);
                place(value, pieces);
            }
        }
        Kind::List(items) => items.iter_mut().for_each(|item| place(item, pieces)),
        _ => {}
    }
}

fn move_to(line: &mut u32, column: &mut u32, pieces: &[Piece]) {
    let index = (*line as usize).saturating_sub(1).min(pieces.len() - 1);
    let piece = &pieces[index];
    *line = piece.line;
    *column = column.saturating_add(piece.column - 1);
}

/// Takes out what is not YAML: templates, gaps, tabs, prompts of heredocs.
fn mask(line: &str) -> String {
    let trimmed = line.trim();
    let gap = matches!(trimmed, "..." | "…" | "....." | "....")
        || trimmed.starts_with("... ")
        || trimmed.starts_with("<...")
        || (trimmed.starts_with("{{") && trimmed.ends_with("}}"))
        || (trimmed.starts_with('<') && trimmed.ends_with('>') && !trimmed.contains(": "));
    if gap {
        return String::new();
    }
    let mut text = line.replace('\t', "  ");
    while let (Some(from), Some(to)) = (text.find("{{"), text.find("}}")) {
        if to < from {
            break;
        }
        let width = text[from..to + 2].chars().count();
        text.replace_range(from..to + 2, &"x".repeat(width));
    }
    text
}

/// Lines by their indentation alone: `key: value`, `key:`, `- item`. What does not read so is passed over.
fn loose(lines: &[String]) -> Node {
    let mut reader = Loose { lines, at: 0 };
    reader.block(0, 0)
}

struct Loose<'a> {
    lines: &'a [String],
    at: usize,
}

/// Deepest nesting that is read loosely.
const MAX_DEPTH: usize = 40;

impl Loose<'_> {
    fn indent(line: &str) -> usize {
        line.len() - line.trim_start().len()
    }

    fn node(&self, kind: Kind, line: usize, column: usize) -> Node {
        Node {
            kind,
            line: u32::try_from(line + 1).unwrap_or(u32::MAX),
            column: u32::try_from(column + 1).unwrap_or(u32::MAX),
            source: None,
        }
    }

    /// Everything from here on that is indented by at least `indent`.
    fn block(&mut self, indent: usize, depth: usize) -> Node {
        let start = self.at;
        let (mut entries, mut items) = (Vec::new(), Vec::new());
        while self.at < self.lines.len() {
            let line = &self.lines[self.at];
            let text = line.trim();
            if text.is_empty() || text.starts_with('#') {
                self.at += 1;
                continue;
            }
            let column = Self::indent(line);
            let ends_list = !items.is_empty() && column <= indent && !text.starts_with("- ");
            if column < indent || ends_list {
                break;
            }
            if let Some(item) = text.strip_prefix("- ") {
                let offset = column + 2 + Self::indent(item);
                items.push(self.entry_or_scalar(item.trim(), offset, depth));
            } else if let Some(entry) = self.entry(text, column, depth) {
                entries.push(entry);
            } else {
                self.at += 1;
            }
        }
        if entries.is_empty() && !items.is_empty() {
            return self.node(Kind::List(items), start, indent);
        }
        self.node(Kind::Map(unique(entries)), start, indent)
    }

    fn entry_or_scalar(&mut self, text: &str, column: usize, depth: usize) -> Node {
        let line = self.at;
        let Some(first) = self.entry(text, column, depth) else {
            self.at += 1;
            return self.node(resolve(text.trim_matches(['"', '\''])), line, column);
        };
        let mut entries = vec![first];
        while self.at < self.lines.len() {
            let lines = self.lines;
            let next = &lines[self.at];
            let text = next.trim();
            if text.is_empty() || text.starts_with('#') {
                self.at += 1;
                continue;
            }
            if Self::indent(next) < column || text.starts_with("- ") {
                break;
            }
            let at = Self::indent(next);
            match self.entry(text, at, depth) {
                Some(entry) => entries.push(entry),
                None => self.at += 1,
            }
        }
        self.node(Kind::Map(unique(entries)), line, column)
    }

    /// `key: value` or `key:` with what is indented below it.
    fn entry(&mut self, text: &str, column: usize, depth: usize) -> Option<(Key, Node)> {
        let (key, value) = text.split_once(':')?;
        let plain = key.trim().trim_matches(['"', '\'']);
        let named = !plain.is_empty() && !plain.contains([' ', '(', ',', '。', '，']);
        if !named || !(value.is_empty() || value.starts_with(' ')) || depth > MAX_DEPTH {
            return None;
        }
        let line = self.at;
        let key = Key {
            text: plain.to_owned(),
            line: u32::try_from(line + 1).unwrap_or(u32::MAX),
            column: u32::try_from(column + 1).unwrap_or(u32::MAX),
        };
        let value = value.trim();
        self.at += 1;
        let node = match value.chars().next() {
            None | Some('#') => {
                let next = self.lines[self.at..]
                    .iter()
                    .find(|line| !line.trim().is_empty())
                    .map(|line| (Self::indent(line), line.trim_start().starts_with("- ")));
                match next {
                    Some((indent, item)) if indent > column || (indent == column && item) => {
                        self.block(indent, depth + 1)
                    }
                    _ => self.node(Kind::Null, line, column),
                }
            }
            Some('|' | '>') if value.len() <= 2 => self.literal(column, line),
            Some(_) => {
                let value = value.split(" #").next().unwrap_or(value).trim();
                let value = quoted(value).unwrap_or(value);
                if value.starts_with(['{', '[']) {
                    let node = self.flow(value, line, column + text.len() - value.len());
                    return Some((key, node));
                }
                let kind = if value.starts_with(['"', '\'']) {
                    Kind::String(value.trim_matches(['"', '\'']).to_owned())
                } else {
                    resolve(value)
                };
                let mut node = self.node(kind, line, column + text.len() - value.len());
                node.source = Some(value.into());
                node
            }
        };
        Some((key, node))
    }

    /// A value in braces or brackets; nothing, if it does not read as YAML.
    fn flow(&self, value: &str, line: usize, column: usize) -> Node {
        let parsed = parse(&[value.to_owned()]).and_then(|nodes| nodes.into_iter().next());
        match parsed {
            Some(mut node) => {
                shift(&mut node, line, column);
                node
            }
            None => self.node(Kind::Null, line, column),
        }
    }

    fn literal(&mut self, column: usize, line: usize) -> Node {
        let mut text = String::new();
        while self.at < self.lines.len() {
            let next = &self.lines[self.at];
            if !next.trim().is_empty() && Self::indent(next) <= column {
                break;
            }
            text.push_str(next);
            text.push('\n');
            self.at += 1;
        }
        self.node(Kind::String(text), line, column)
    }
}

/// Turns places within a value into places within the block.
fn shift(node: &mut Node, line: usize, column: usize) {
    let by = |place: &mut u32, offset: usize| {
        *place = place.saturating_add(u32::try_from(offset).unwrap_or(u32::MAX));
    };
    by(&mut node.line, line);
    by(&mut node.column, column);
    match &mut node.kind {
        Kind::Map(entries) => {
            for (key, value) in entries {
                by(&mut key.line, line);
                by(&mut key.column, column);
                shift(value, line, column);
            }
        }
        Kind::List(items) => items.iter_mut().for_each(|item| shift(item, line, column)),
        _ => {}
    }
}

/// The quoted text that a value begins with: prose goes on behind it.
fn quoted(value: &str) -> Option<&str> {
    let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let end = value[1..].find(quote)?;
    Some(&value[..end + 2])
}

fn unique(entries: Vec<(Key, Node)>) -> Vec<(Key, Node)> {
    let mut out: Vec<(Key, Node)> = Vec::with_capacity(entries.len());
    let mut seen = std::collections::HashSet::new();
    for (key, node) in entries {
        if seen.insert(key.text.clone()) {
            out.push((key, node));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str) -> Vec<Document> {
        let pieces: Vec<Piece> = text
            .lines()
            .zip(10..)
            .map(|(text, line)| Piece {
                line,
                column: 3,
                text: text.into(),
            })
            .collect();
        read(&pieces)
    }

    #[test]
    fn places_are_those_of_the_file() {
        let documents = read_text("a:\n  b: 1\n---\nc: 2\n");
        assert_eq!(documents.len(), 2);
        assert_eq!(documents[0].node.place_of("a.b"), (11, 5));
        assert_eq!(documents[1].node.place_of("c"), (13, 3));
    }

    #[test]
    fn variants_of_one_key_are_documents_of_their_own() {
        let documents = read_text("a/b: x\na/c: y\na/b: z\n");
        assert_eq!(documents.len(), 2);
        assert_eq!(documents[1].node.line, 12);
    }

    #[test]
    fn a_mistake_leaves_what_stands_in_braces_as_it_is() {
        let documents = read_text("metadata: {name: a}\nwhen: [{key: b[c], values: [a]}]\n");
        let node = &documents[0].node;
        assert_eq!(node.place_of("metadata.name"), (10, 14), "{node:?}");
    }

    #[test]
    fn gaps_templates_and_mistakes_do_not_hide_the_rest() {
        let documents = read_text(
            "kind: Service\nspec:\n  ...\n  name: {{ .Values.name }}\n  broken line here\n  ports:\n  - port: 80\n    name: http\n",
        );
        let node = &documents[0].node;
        assert_eq!(node.place_of("spec.ports[0].name"), (17, 7), "{node:?}");
        assert_eq!(node.get("kind").and_then(Node::as_str), Some("Service"));
    }
}
