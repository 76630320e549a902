//! Searches in what `kubectl get` prints.

use super::super::command::kubectl;
use super::super::fields::{camel, snake};
use super::super::items::Sink;
use super::super::verdict::{Judgement, Verdict};
use crate::knowledge::{Kind, TABLE_WORDS, kinds, settings};

/// The words of a kind's table; of all other kinds if it has none of its own.
fn words_of(known: &Kind) -> (&'static str, bool) {
    let own = TABLE_WORDS
        .rows()
        .find(|row| row.get("kind") == known.kind && row.get("group") == known.group);
    match own {
        Some(row) => (row.get("words"), true),
        None => {
            let rest = TABLE_WORDS.find("kind", "*");
            (rest.map_or("", |row| row.get("words")), false)
        }
    }
}

/// The words of a kind's table, if no others are printed.
pub(super) fn closed(kind: &str) -> Option<(&'static str, &'static str)> {
    let known = kinds().by_resource(kind).into_iter().next()?;
    let (words, closed) = words_of(known);
    closed.then_some((words, known.source))
}

/// The kind that a word of the command line names.
pub(super) fn kind_of(resource: &str) -> &'static str {
    let resource = resource.split('/').next().unwrap_or(resource);
    kinds()
        .by_resource(resource)
        .first()
        .map_or("", |known| known.kind)
}

pub(super) fn in_table(
    sink: &Sink,
    kind: &str,
    wide: bool,
    word: &str,
    fold: bool,
) -> Option<Judgement> {
    let shapes = kubectl::shapes_of(kind);
    let known = kinds().by_resource(kind).into_iter().next()?;
    if known.kind == "Event" {
        return None;
    }
    let headings: Vec<String> = known
        .columns
        .iter()
        .filter(|(_, only_wide)| wide || !only_wide)
        .map(|(name, _)| name.to_uppercase())
        .chain(["NAME".into(), "NAMESPACE".into()])
        .collect();
    let within = |text: &str| {
        if fold {
            text.to_lowercase().contains(&word.to_lowercase())
        } else {
            text.contains(word)
        }
    };
    if let Some(judgement) = pair(sink, known, &headings, word) {
        return Some(judgement);
    }
    let (words, closed) = words_of(known);
    if headings.iter().any(|heading| within(heading)) || words.split(' ').any(within) {
        return None;
    }
    let lower = word.to_lowercase();
    let field = shapes.iter().find_map(|(kind, shape)| {
        let mut place = None;
        shape.visit("", &mut |path, name, _| {
            let same = name == word
                || (fold && name.to_lowercase() == lower)
                || (fold && name.to_lowercase().contains(&lower) && lower.len() > 6);
            if place.is_none() && same && path.starts_with("spec.") {
                place = Some(path.to_owned());
            }
        });
        Some((kind.kind, place?))
    });
    // Names are lower case: what has capitals or underscores is in no name.
    let shaped = !fold
        && word.chars().any(|c| c.is_ascii_uppercase() || c == '_')
        && word.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let telling = field.as_ref().is_some_and(|_| {
        word.len() > 4
            && !matches!(
                lower.as_str(),
                "hosts"
                    | "gateways"
                    | "gateway"
                    | "template"
                    | "selector"
                    | "service"
                    | "ports"
                    | "image"
                    | "backend"
                    | "action"
                    | "rules"
                    | "replicas"
            )
    });
    if !(telling || shaped && (known.is_of_mesh() || closed && !wide)) {
        return None;
    }
    let columns = headings.join(", ");
    let words = if words.is_empty() { "no" } else { words };
    let why = if closed && field.is_none() {
        sink.say(
            format!("the table prints {columns}; of words with capitals it holds {words}"),
            format!("表格只输出 {columns}；带大写字母的词只有 {words}"),
        )
    } else {
        sink.say(
            format!("the table has no such column: it prints {columns}"),
            format!("表格没有这一列：只输出 {columns}"),
        )
    };
    let fix = match field {
        Some((_, place)) => format!(
            "kubectl get {kind} NAME -o jsonpath='{{.{}}}'",
            place.replace("[]", "[*]")
        ),
        None => format!("kubectl get {kind} NAME -o yaml"),
    };
    Some(Judgement::new(Verdict::CannotMatch, why, known.source).fix(fix))
}

/// `READY=False`: a table has headings above its columns, not beside its values.
fn pair(sink: &Sink, known: &Kind, headings: &[String], word: &str) -> Option<Judgement> {
    let (heading, value) = word.split_once(['=', ':'])?;
    let named = headings
        .iter()
        .any(|known| known.eq_ignore_ascii_case(heading));
    if !named || value.is_empty() || !value.chars().all(char::is_alphanumeric) {
        return None;
    }
    let why = sink.say(
        format!("the table prints {value} below the heading {heading}, never {word}"),
        format!("表格在 {heading} 列下输出 {value}，不会有 {word}"),
    );
    Some(Judgement::new(Verdict::CannotMatch, why, known.source).fix(format!("grep {value}")))
}

pub(super) fn in_objects(
    sink: &Sink,
    kind: &str,
    json: bool,
    literal: &str,
    word: &str,
    fold: bool,
) -> Option<Judgement> {
    let shapes = kubectl::shapes_of(kind);
    let (known, _) = shapes.first()?;
    let has = |name: &str| {
        shapes.iter().any(|(_, shape)| {
            let mut found = false;
            shape.visit("", &mut |_, field, _| found |= field == name);
            found
        })
    };
    if json && literal.contains(": ") && !literal.contains('"') {
        return None;
    }
    let kebab = snake(word).replace('_', "-");
    let is_key = |name: &str| settings().config_keys().iter().any(|row| row.key == name);
    if !fold && known.kind == "ConfigMap" && kebab != word && !is_key(word) && is_key(&kebab) {
        let why = sink.say(
            format!("the key is written {kebab}, never {word}"),
            format!("键写作 {kebab}，不会有 {word}"),
        );
        return Some(
            Judgement::new(Verdict::CannotMatch, why, known.source).fix(format!("grep {kebab}")),
        );
    }
    if !fold
        && known.is_of_mesh()
        && word.len() > 6
        && !has(word)
        && word.chars().all(|c| c.is_ascii_lowercase())
    {
        let mut right = None;
        for (_, shape) in &shapes {
            shape.visit("", &mut |_, field, _| {
                if field.eq_ignore_ascii_case(word) {
                    right = Some(field.to_owned());
                }
            });
        }
        if let Some(right) = right {
            let why = sink.say(
                format!(
                    "{} writes the field {right}; grep minds the case of letters",
                    known.kind
                ),
                format!("{} 的字段写作 {right}；grep 区分大小写", known.kind),
            );
            return Some(
                Judgement::new(Verdict::CannotMatch, why, known.source)
                    .fix(format!("grep {right}")),
            );
        }
    }
    let right = camel(word);
    if !fold && word.contains('_') && right != word && !has(word) && has(&right) {
        let why = sink.say(
            format!("{} writes the field {right}, never {word}", known.kind),
            format!("{} 的字段写作 {right}，不会有 {word}", known.kind),
        );
        return Some(
            Judgement::new(Verdict::CannotMatch, why, known.source).fix(format!("grep {right}")),
        );
    }
    None
}
