//! `path.of.a.field: value` in a sentence, in backticks or out of them.

use std::sync::LazyLock;

use regex::Regex;

use super::super::blocks::Piece;
use super::super::command::kubectl;
use super::super::fragment;
use super::super::items::{Kind, Sink};
use super::super::manifest;
use super::spans;
use crate::knowledge;

/// A path of two steps or more, or a name with a capital in it; then its value.
static ASSIGNMENT: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r#"(?:^|[\s(（，。：；])((?:[a-z][A-Za-z0-9]*(?:\[[0-9*]*\])?\.)+[a-z][A-Za-z0-9]*(?:\[[0-9*]*\])?|[a-z]+[A-Z][A-Za-z0-9]*|resolution|location|protocol|mode|simple): ("[^"]*"|'[^']*'|\[[^\]]*\]|\{[^}]*\}|[A-Za-z0-9_.:/%*-]+(?:,[A-Za-z0-9_.-]+)*)"#,
    )
    .ok()
});

/// Settings that a line names with their values out of backticks: where they begin, and how they read.
pub(super) fn find(text: &str) -> Vec<(usize, String)> {
    let Some(expression) = &*ASSIGNMENT else {
        return Vec::new();
    };
    expression
        .captures_iter(text)
        .filter_map(|found| {
            let (key, value) = (found.get(1)?, found.get(2)?);
            let value = value.as_str();
            // What a colon follows is a key below this one.
            if value.ends_with(':') {
                return None;
            }
            let value = if value.ends_with(['"', '\'', ']', '}']) {
                value
            } else {
                value.trim_end_matches('.')
            };
            let telling = key.as_str().contains('.')
                || key.as_str().contains(|c: char| c.is_ascii_uppercase())
                || value.len() > 2 && value.chars().all(|c| c.is_ascii_uppercase() || c == '_');
            let known = key
                .as_str()
                .split('.')
                .map(|step| step.split('[').next().unwrap_or(step))
                .any(|step| {
                    matches!(step, "meshConfig" | "values") || !fragment::places(step).is_empty()
                });
            (telling && known).then(|| (key.start(), format!("{}: {value}", key.as_str())))
        })
        .collect()
}

/// `a.b: v` as the YAML that it stands for, if its key is a path.
pub(super) fn nested(text: &str) -> Option<String> {
    let (path, value) = text.split_once(": ")?;
    let steps: Vec<&str> = path.split('.').collect();
    let plain = |step: &&str| {
        let name = step.split('[').next().unwrap_or(step);
        name.starts_with(|c: char| c.is_ascii_lowercase())
            && name.chars().all(|c| c.is_ascii_alphanumeric())
    };
    if steps.len() < 2 || steps.len() > 12 || !steps.iter().all(plain) {
        return None;
    }
    let mut out = value.to_owned();
    for step in steps.iter().rev() {
        out = match step.split_once('[') {
            Some((name, _)) => format!("{{{name}: [{out}]}}"),
            None => format!("{{{step}: {out}}}"),
        };
    }
    Some(out)
}

/// `a: b: v`, as sentences write a key below another one.
fn chained(text: &str) -> Option<String> {
    let (outer, rest) = text.split_once(": ")?;
    let (inner, value) = rest.split_once(": ")?;
    let plain = |key: &str| {
        key.chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/'))
    };
    (plain(outer) && plain(inner)).then(|| format!("{outer}: {{{inner}: {value}}}"))
}

/// The setting of a line that is one by its path, behind the name of a kind perhaps. What two blanks set apart from it
/// explains it.
pub(crate) fn of_line(line: &str) -> Option<String> {
    let (key, value) = line.trim_start().split_once(": ")?;
    let value = value.split("  ").next().unwrap_or_default().trim_end();
    let text = format!("{key}: {value}");
    if knowledge::kinds().of_name(key).next().is_some() {
        return find(&text).into_iter().next().map(|(_, setting)| setting);
    }
    nested(&text).map(|_| text)
}

/// Judges a setting with its value.
pub(crate) fn judge(sink: &mut Sink, line: u32, column: u32, text: &str, context: &str) {
    if let Some(kind) = text.strip_prefix("kind: ") {
        let known = knowledge::kinds().of_name(kind).next().is_some();
        let judgement = (!known).then(|| kubectl::unknown_kind(sink, &kind.to_lowercase()));
        if let Some(judgement) = judgement.flatten() {
            sink.put(line, column, Kind::Field, text, judgement);
        }
        return;
    }
    let mark = sink.mark();
    let pieces = [Piece {
        line,
        column,
        text: nested(text)
            .or_else(|| chained(text))
            .unwrap_or_else(|| text.to_owned()),
    }];
    manifest::judge(sink, &pieces, context, Some(manifest::Applied::Not));
    let path = text.split(": ").next().unwrap_or(text);
    if sink.mark() == mark
        && let Some(judgement) = spans::dotted(sink, path)
    {
        sink.put(line, column, Kind::Path, text, judgement);
    }
}

/// Judges lines all of which are settings by their paths. Whether they are.
pub(crate) fn judge_lines(sink: &mut Sink, pieces: &[Piece], context: &str) -> bool {
    let lines = pieces.iter().filter(|piece| !piece.text.trim().is_empty());
    let settings: Vec<_> = lines
        .map(|piece| of_line(&piece.text).map(|setting| (piece, setting)))
        .collect();
    if settings.is_empty() || settings.iter().any(Option::is_none) {
        return false;
    }
    for (piece, setting) in settings.into_iter().flatten() {
        judge(sink, piece.line, piece.column, &setting, context);
    }
    true
}
