//! Walks a tree of values along its shape: every key gets its verdict.

mod unknown;

use api::parse::{Key, Kind as Value, Node};

use super::blocks::Piece;
use super::items::{Kind, Sink};
use super::values::{self, Misfit};
use super::verdict::{Judgement, Verdict};
use super::{envoy, manifest, metadata, nested, prose};
use crate::knowledge::{Note, Scalar, Shape, settings};

/// What the walk knows of where it is.
#[derive(Clone, Copy)]
pub(crate) struct Scope<'a> {
    /// The kind with its group, or `MeshConfig`, `ProxyConfig`, `IstioValues`.
    pub name: &'a str,
    /// The shape of the whole, for fields that stand elsewhere in it.
    pub root: &'a Shape,
    pub source: &'a str,
    /// The prose around it, lower case.
    pub context: &'a str,
    /// The lines of the block, for comments and nested texts.
    pub pieces: &'a [Piece],
    /// The object is known whole; of a part it is not known on what its annotations stand.
    pub whole: bool,
    /// The object is a Service that has a load balancer of its own.
    pub load_balancer: bool,
    /// Both spellings of a field's name are read, as for protobuf's JSON.
    pub both_spellings: bool,
}

impl Scope<'_> {
    fn kind(&self) -> &str {
        self.name.split('.').next().unwrap_or(self.name)
    }

    fn is(&self, scope: &str) -> bool {
        scope == self.name
            || (!scope.contains('.') && scope == self.kind() && self.name != "Service.serving.knative.dev")
            // A Configuration and a Revision have the template of a Service.
            || (scope == "Service.serving.knative.dev" && self.name.ends_with(".serving.knative.dev"))
    }
}

/// Deepest nesting that is walked.
const MAX_DEPTH: usize = 60;

/// Walks `node`, which stands at `path` (lists as `[]`) of the scope's root.
pub(crate) fn walk(sink: &mut Sink, scope: &Scope<'_>, node: &Node, shape: &Shape, path: &str) {
    if path.matches('.').count() > MAX_DEPTH || sink.is_full() {
        return;
    }
    match (&node.kind, shape) {
        (Value::Map(entries), Shape::Object(_) | Shape::Map(_)) => {
            let hides = holds_secrets(scope, path);
            let named = names_a_secret(entries);
            for (key, value) in entries {
                let secret = hides || named && key.text == "value";
                entry(sink, scope, key, value, (shape, path), secret);
            }
        }
        (Value::List(items), Shape::List(item)) => {
            let path = format!("{path}[]");
            for value in items {
                if matches!(value.kind, Value::Map(_) | Value::List(_)) {
                    walk(sink, scope, value, item, &path);
                } else {
                    list_item(sink, scope, value, item, &path);
                }
            }
        }
        (Value::Map(_) | Value::List(_), Shape::Any) => {
            nested::judge(sink, node, scope.context, scope.pieces);
        }
        _ => {}
    }
}

fn list_item(sink: &mut Sink, scope: &Scope<'_>, value: &Node, shape: &Shape, path: &str) {
    let Some(text) = values::text_of(value) else {
        return;
    };
    let judgement = opposite(sink, scope, value.line, value, path, Some(&text))
        .or_else(|| note(sink, scope, path, Some(&text), None))
        .or_else(|| misfit(sink, scope, value, shape))
        .unwrap_or_else(|| Judgement::fine(scope.source));
    sink.put(value.line, value.column, Kind::Field, &text, judgement);
}

/// Whether the values at a place are secret whatever they are.
fn holds_secrets(scope: &Scope<'_>, path: &str) -> bool {
    path == "stringData" || path == "data" && scope.kind() == "Secret"
}

/// Whether a `name` beside says that the `value` is secret, as of an environment variable.
fn names_a_secret(entries: &[(Key, Node)]) -> bool {
    const WORDS: &[&str] = &[
        "PASSWORD",
        "PASSWD",
        "TOKEN",
        "SECRET",
        "API_KEY",
        "ACCESS_KEY",
        "PRIVATE_KEY",
        "CREDENTIAL",
    ];
    entries
        .iter()
        .filter(|(key, _)| key.text == "name")
        .filter_map(|(_, value)| value.as_str())
        .any(|name| {
            let name = name.to_uppercase().replace('-', "_");
            WORDS.iter().any(|word| name.contains(word))
        })
}

/// Judges a key of the mapping that is of `shape` and stands at `path`; a secret's value is not shown.
fn entry(
    sink: &mut Sink,
    scope: &Scope<'_>,
    key: &Key,
    value: &Node,
    (shape, path): (&Shape, &str),
    secret: bool,
) {
    let name = name_of(scope, shape, &key.text);
    let below = if path.is_empty() {
        name.clone()
    } else {
        format!("{path}.{name}")
    };
    if special(sink, scope, key, value, &below) {
        return;
    }
    let text = values::text_of(value);
    let shown = match &text {
        Some(_) if secret => format!("{}: [redacted]", key.text),
        Some(text) if !text.contains('\n') => format!("{}: {text}", key.text),
        _ => format!("{}:", key.text),
    };
    let known = shape.field(&name);
    let judgement = match known {
        _ if values::is_placeholder(&key.text) => Judgement::fine(scope.source),
        None => note(sink, scope, &below, text.as_deref(), Some(value))
            .unwrap_or_else(|| unknown::judge(sink, scope, &name, path, shape)),
        Some(field) => opposite(sink, scope, key.line, value, &below, text.as_deref())
            .or_else(|| note(sink, scope, &below, text.as_deref(), Some(value)))
            .or_else(|| misfit(sink, scope, value, field))
            .unwrap_or_else(|| Judgement::fine(scope.source)),
    };
    let stop = judgement.verdict == Verdict::Unknown || judgement.verdict == Verdict::Misplaced;
    sink.put(key.line, key.column, Kind::Field, &shown, judgement);
    if let (Some(field), false) = (known, stop) {
        walk(sink, scope, value, field, &below);
    }
}

/// The name as the shape has it.
fn name_of(scope: &Scope<'_>, shape: &Shape, key: &str) -> String {
    if scope.both_spellings && key.contains('_') && shape.field(key).is_none() {
        return camel(key);
    }
    key.to_owned()
}

/// `max_connections` as `maxConnections`.
pub(crate) fn camel(name: &str) -> String {
    let mut out = String::new();
    let mut upper = false;
    for c in name.chars() {
        if c == '_' {
            upper = true;
        } else if std::mem::take(&mut upper) {
            out.extend(c.to_uppercase());
        } else {
            out.push(c);
        }
    }
    out
}

/// `maxConnections` as `max_connections`.
pub(crate) fn snake(name: &str) -> String {
    let mut out = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() {
            out.push('_');
        }
        out.extend(c.to_lowercase());
    }
    out
}

/// What has rules of its own. True if it is dealt with.
fn special(sink: &mut Sink, scope: &Scope<'_>, key: &Key, value: &Node, path: &str) -> bool {
    let kind = scope.kind();
    if let Some(place) = metadata::place(scope.name, path) {
        let behind = place == "service" && !scope.load_balancer;
        let place = match (scope.whole, behind) {
            (false, _) => "",
            (true, true) => "alb-backend",
            (true, false) => place,
        };
        metadata::judge(sink, scope, value, place, path.ends_with("labels"));
        return true;
    }
    match path {
        "data" if kind == "ConfigMap" => return false,
        "spec.meshConfig" | "meshConfig" if matches!(kind, "IstioOperator" | "IstioValues") => {
            manifest::mesh_config(sink, scope, key, value);
            return true;
        }
        "spec.values" | "spec.unvalidatedValues" if kind == "IstioOperator" => {
            manifest::values(sink, scope, key, value);
            return true;
        }
        "spec.config" if kind == "KnativeServing" => {
            manifest::knative_config(sink, scope, key, value);
            return true;
        }
        "spec.configPatches" if kind == "EnvoyFilter" => {
            sink.put(
                key.line,
                key.column,
                Kind::Field,
                "configPatches:",
                Judgement::fine(scope.source),
            );
            envoy::patches(sink, scope, value);
            return true;
        }
        _ => {}
    }
    texts_within(sink, kind, value, path);
    false
}

/// Formats and environment variables that a value holds; it is judged as a field too.
fn texts_within(sink: &mut Sink, kind: &str, value: &Node, path: &str) {
    let leaf = path.rsplit('.').next().unwrap_or(path);
    match (leaf, &value.kind) {
        ("accessLogFormat", Value::String(text)) => {
            prose::operators(sink, value.line, value.column, text, Verdict::Refused);
        }
        ("text", Value::String(text)) if path.contains("logFormat") => {
            prose::operators(sink, value.line, value.column, text, Verdict::Refused);
        }
        ("proxyMetadata", Value::Map(entries)) => variables(sink, entries),
        ("env", Value::Map(entries)) if kind == "IstioValues" => variables(sink, entries),
        _ => {}
    }
}

fn variables(sink: &mut Sink, entries: &[(Key, Node)]) {
    for (name, value) in entries {
        let value = values::text_of(value);
        prose::env(sink, name.line, name.column, &name.text, value.as_deref());
    }
}

/// The path without the marks of lists.
fn plain(path: &str) -> String {
    path.replace("[]", "")
}

/// What a note says of a field with a value.
pub(crate) fn note(
    sink: &Sink,
    scope: &Scope<'_>,
    path: &str,
    value: Option<&str>,
    node: Option<&Node>,
) -> Option<Judgement> {
    let path = plain(path);
    let note = settings().notes().iter().find(|note| {
        scope.is(note.scope)
            && ends_in(&path, note.path)
            && sink.options.istio.within(note.since, note.until)
            && note_fits(sink, note, value, node)
    })?;
    let verdict = Verdict::of(note.verdict)?;
    let why = sink.say(note.why.0, note.why.1);
    Some(Judgement::new(verdict, why, note.source).fix(note.fix))
}

fn ends_in(path: &str, tail: &str) -> bool {
    path == tail
        || path
            .strip_suffix(tail)
            .is_some_and(|before| before.ends_with('.'))
}

fn note_fits(sink: &Sink, note: &Note, value: Option<&str>, node: Option<&Node>) -> bool {
    let empty_map =
        node.is_some_and(|node| matches!(&node.kind, Value::Map(entries) if entries.is_empty()));
    if let Some(feature) = note.value.strip_prefix("feature:") {
        let short = feature.trim_start_matches("kubernetes.");
        return !sink.whole.contains(short);
    }
    match note.value.strip_prefix('!') {
        Some("slash") => {
            value.is_some_and(|value| !value.contains('/') && !values::is_placeholder(value))
        }
        Some(ty) => match ty.strip_prefix("list:") {
            Some(known) => value.is_some_and(|value| {
                value.split(',').map(str::trim).any(|word| {
                    !word.is_empty()
                        && !values::is_placeholder(word)
                        && word.parse::<u16>().is_err()
                        && !known.split('|').any(|known| known == word)
                })
            }),
            None => value.is_some_and(|value| values::check(ty, value).is_some()),
        },
        None if note.value == "={}" => empty_map,
        None => values::row_fits(note.value, value),
    }
}

fn misfit(sink: &Sink, scope: &Scope<'_>, value: &Node, shape: &Shape) -> Option<Judgement> {
    let found = match (shape, &value.kind) {
        (_, Value::Null) | (Shape::Any, _) => None,
        (Shape::Scalar(scalar), _) => scalar_misfit(scope, scalar, value),
        (Shape::List(_), Value::List(_)) | (Shape::Object(_) | Shape::Map(_), Value::Map(_)) => {
            None
        }
        (Shape::List(_), Value::String(text)) if values::is_placeholder(text) => None,
        (Shape::Object(_) | Shape::Map(_), Value::String(text)) if values::is_placeholder(text) => {
            None
        }
        (Shape::List(_), _) => Some(Misfit {
            why: ("a list is wanted".into(), "需要列表".into()),
            fix: None,
        }),
        (Shape::Object(fields), Value::String(text)) => {
            // `outboundTrafficPolicy: REGISTRY_ONLY` means its `mode`.
            let meant = fields.iter().find(|(_, shape)| {
                matches!(shape, Shape::Scalar(Scalar::Choice(choices)) if choices.contains(text))
            });
            Some(Misfit {
                why: ("a mapping is wanted".into(), "需要映射".into()),
                fix: meant.map(|(name, _)| format!("{{{name}: {text}}}")),
            })
        }
        (Shape::Object(_) | Shape::Map(_), _) => Some(Misfit {
            why: ("a mapping is wanted".into(), "需要映射".into()),
            fix: None,
        }),
    }?;
    let why = sink.say(found.why.0, found.why.1);
    Some(Judgement::new(Verdict::Refused, why, scope.source).fix(found.fix.unwrap_or_default()))
}

/// Protobuf's JSON takes numbers as strings too; Kubernetes does not.
fn scalar_misfit(scope: &Scope<'_>, scalar: &Scalar, value: &Node) -> Option<Misfit> {
    if scope.both_spellings {
        match (scalar, &value.kind) {
            (Scalar::Int(..) | Scalar::Number, Value::String(text))
                if text.parse::<f64>().is_ok() =>
            {
                return None;
            }
            (Scalar::Choice(_), Value::Int(_)) => return None,
            _ => {}
        }
    }
    if scope.name == "IstioValues" && matches!(scalar, Scalar::String) {
        return None;
    }
    values::fits(scalar, value)
}

/// Whether the text around it says the opposite of what the setting does.
fn opposite(
    sink: &Sink,
    scope: &Scope<'_>,
    line: u32,
    value: &Node,
    path: &str,
    text: Option<&str>,
) -> Option<Judgement> {
    let path = plain(path);
    let row = settings().opposites().iter().find(|row| {
        scope.is(row.scope)
            && ends_in(&path, row.path)
            && (values::row_fits(row.value, text))
            && (row.value != "block" || !turned_off(value))
            && settings()
                .intent(row.intent)
                .is_some_and(|intent| intent.is_in(&around(scope, line)))
    })?;
    let why = sink.say(row.why.0, row.why.1);
    Some(Judgement::new(Verdict::OppositeEffect, why, row.source).fix(row.fix))
}

/// What a setting with a value does to an intent that the text around it states, `scope` as in the table.
pub(crate) fn opposes(
    sink: &Sink,
    scope: &str,
    path: &str,
    value: &str,
    around: &str,
) -> Option<Judgement> {
    let row = settings().opposites().iter().find(|row| {
        row.scope == scope
            && row.path == path
            && values::row_fits(row.value, Some(value))
            && settings()
                .intent(row.intent)
                .is_some_and(|intent| intent.is_in(around))
    })?;
    let why = sink.say(row.why.0, row.why.1);
    Some(Judgement::new(Verdict::OppositeEffect, why, row.source).fix(row.fix))
}

/// Whether the block turns its detector off, or a field of it says already what is wrong.
fn turned_off(block: &Node) -> bool {
    let zero = |value: &Node| value.kind == Value::Int(0);
    block.get("consecutive5xxErrors").is_some_and(zero) || block.get("consecutiveErrors").is_some()
}

/// The prose before the block, the comment on the line and the comments right above it, lower case.
pub(crate) fn around(scope: &Scope<'_>, line: u32) -> String {
    let mut text = scope.context.to_owned();
    let index = scope.pieces.iter().position(|piece| piece.line == line);
    let Some(index) = index else { return text };
    if let Some((_, comment)) = scope.pieces[index].text.split_once(" #") {
        text.push('\n');
        text.push_str(&comment.to_lowercase());
    }
    for piece in scope.pieces[..index].iter().rev().take(6) {
        match piece.text.trim().strip_prefix('#') {
            Some(comment) => {
                text.push('\n');
                text.push_str(&comment.to_lowercase());
            }
            None => break,
        }
    }
    // The comment that heads the file or the document.
    for piece in scope.pieces.iter().take_while(|piece| {
        let text = piece.text.trim();
        text.is_empty() || text.starts_with('#')
    }) {
        text.push('\n');
        text.push_str(&piece.text.to_lowercase());
    }
    text
}

/// The lines of a text that is nested below a key: a block scalar, or the quoted text itself.
pub(crate) fn nested(scope: &Scope<'_>, key: &Key, value: &Node) -> Vec<Piece> {
    let Value::String(text) = &value.kind else {
        return Vec::new();
    };
    let start = scope.pieces.iter().position(|piece| piece.line == key.line);
    let marked = start.is_some_and(|start| {
        let line = scope.pieces[start].text.trim_end();
        line.rsplit(':')
            .next()
            .is_some_and(|tail| tail.trim().starts_with(['|', '>']))
    });
    let (Some(start), true) = (start, marked) else {
        return text
            .lines()
            .zip(0..)
            .map(|(line, offset)| Piece {
                line: value.line + offset,
                column: value.column + 1,
                text: line.to_owned(),
            })
            .collect();
    };
    let own = key.column.saturating_sub(scope.pieces[start].column) as usize;
    let mut pieces: Vec<Piece> = scope.pieces[start + 1..]
        .iter()
        .take_while(|piece| {
            let indent = piece.text.len() - piece.text.trim_start().len();
            piece.text.trim().is_empty() || indent > own
        })
        .cloned()
        .collect();
    while pieces
        .last()
        .is_some_and(|piece| piece.text.trim().is_empty())
    {
        pieces.pop();
    }
    let common = pieces
        .iter()
        .filter(|piece| !piece.text.trim().is_empty())
        .map(|piece| piece.text.len() - piece.text.trim_start().len())
        .min()
        .unwrap_or(0);
    for piece in &mut pieces {
        let cut = common.min(piece.text.len());
        piece.text.drain(..cut);
        piece.column += u32::try_from(cut).unwrap_or(0);
    }
    pieces
}
