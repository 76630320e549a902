//! `path.of.a.field: value` in a sentence, in backticks or out of them.

use std::sync::LazyLock;

use regex::Regex;

use super::super::blocks::Piece;
use super::super::items::Sink;
use super::super::manifest;
use crate::advice::fragment;

/// A path of two steps or more, or a name with a capital in it; then its value.
static ASSIGNMENT: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r#"(?:^|[\s(（，。：；])((?:[a-z][A-Za-z0-9]*(?:\[[0-9*]*\])?\.)+[a-z][A-Za-z0-9]*|[a-z]+[A-Z][A-Za-z0-9]*|resolution|location|protocol|mode|simple): ([A-Za-z0-9_.:/%*-]+(?:,[A-Za-z0-9_.-]+)*)"#,
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
            let value = value.as_str().trim_end_matches(['.', ':']);
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

/// Judges a setting with its value.
pub(super) fn judge(sink: &mut Sink, line: u32, column: u32, text: &str, context: &str) {
    let pieces = [Piece {
        line,
        column,
        text: nested(text).unwrap_or_else(|| text.to_owned()),
    }];
    manifest::judge(sink, &pieces, context, Some(manifest::Applied::Not));
}
