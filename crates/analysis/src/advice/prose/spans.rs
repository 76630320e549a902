//! What stands in backticks.

use super::super::blocks::Piece;
use super::super::command::{cloudwatch, curl};
use super::super::items::{self, Kind, Sink};
use super::super::verdict::{Judgement, Verdict};
use super::super::{config_map, fields, fragment, insights, metadata, path, promql, values};
use super::{assignments, words};
use crate::knowledge::{ConfigKey, DETAILS, FILTERS, LOGS, nearest, settings, shapes};

/// The spans of a line with their offset in characters, and the line with the spans blanked out.
pub(super) fn split(text: &str) -> (Vec<(u32, String)>, String) {
    let chars: Vec<char> = text.chars().collect();
    let (mut spans, mut outside) = (Vec::new(), chars.clone());
    let mut at = 0;
    while at < chars.len() {
        if chars[at] != '`' {
            at += 1;
            continue;
        }
        let ticks = chars[at..].iter().take_while(|c| **c == '`').count();
        let start = at + ticks;
        let end = (start..chars.len()).find(|end| {
            chars[*end..].iter().take_while(|c| **c == '`').count() == ticks
                && (*end == start || chars[end - 1] != '`')
        });
        let Some(end) = end else { break };
        let span: String = chars[start..end].iter().collect();
        for c in &mut outside[at..(end + ticks).min(chars.len())] {
            *c = ' ';
        }
        spans.push((u32::try_from(start).unwrap_or(0), span));
        at = end + ticks;
    }
    (spans, outside.into_iter().collect())
}

/// Judges one span. `around` is the line, `context` the paragraph and the heading, lower case.
pub(super) fn judge(
    sink: &mut Sink,
    line: u32,
    column: u32,
    span: &str,
    around: &str,
    context: &str,
) {
    let blanks = span.chars().take_while(|c| c.is_whitespace()).count();
    let column = column.saturating_add(u32::try_from(blanks).unwrap_or(0));
    let text = span.trim();
    if text.is_empty() || text.len() > 2000 {
        return;
    }
    let denied = super::negated(around);
    if items::starts_command(text) && text.split_whitespace().nth(1).is_some() {
        let mark = sink.mark();
        super::command_text(sink, line, column, text, context);
        if denied {
            sink.forget_wrong_since(mark);
        }
        if sink.mark() > mark || denied {
            return;
        }
    }
    if is_query(text) {
        let pieces = [Piece {
            line,
            column,
            text: text.to_owned(),
        }];
        if !denied {
            insights::judge_query(sink, &pieces);
        }
        return;
    }
    if words::has_operator(text) {
        if !denied {
            words::operators(sink, line, column, text, Verdict::Unknown);
        }
        return;
    }
    if !promql::names(text).is_empty() {
        if !denied || text.contains('{') {
            promql::judge_text(sink, line, column, text, text.contains(['{', '(', '[']));
        }
        return;
    }
    let put = |sink: &mut Sink, kind, judgement| {
        super::mention(sink, line, column, kind, text, around, judgement)
    };
    if let Some(kind_judgement) = annotation(sink, text, context) {
        put(sink, Kind::Annotation, kind_judgement);
        return;
    }
    if let Some(judgement) = cloudwatch::in_sentence(sink, text, context) {
        put(sink, Kind::Metric, judgement);
        return;
    }
    if let Some(judgement) = words::flag_span(sink, text, around, context) {
        // What follows an explained flag says what the flag means: a "no" there does not deny the flag.
        let judged = if explains(around, text) { "" } else { around };
        super::mention(
            sink,
            line,
            column,
            Kind::ResponseFlag,
            text,
            judged,
            judgement,
        );
        return;
    }
    if let Some(judgement) =
        words::env_judgement(sink, text.split(['=', ':']).next().unwrap_or(text))
    {
        put(sink, Kind::Env, judgement);
        return;
    }
    if let Some(judgement) = curl::endpoint(
        sink,
        text,
        around.to_lowercase().contains("post") || !around.to_lowercase().contains("get "),
    ) {
        put(sink, Kind::Port, judgement);
        return;
    }
    if let Some(row) = FILTERS
        .find("name", text)
        .filter(|row| row.get("name").starts_with("envoy."))
    {
        let why = sink.say(
            "no filter goes by this name any more",
            "已没有该名称的过滤器",
        );
        put(
            sink,
            Kind::Field,
            Judgement::new(Verdict::CannotMatch, why, row.get("source")).fix(row.get("instead")),
        );
        return;
    }
    if yaml(sink, line, column, text, around, context)
        || named(sink, line, column, text, around, context)
    {
        return;
    }
    if let Some(judgement) = words::statistic(sink, text) {
        put(sink, Kind::Statistic, judgement);
    }
}

/// A query of Logs Insights, or a clause of one.
fn is_query(text: &str) -> bool {
    let Some((command, rest)) = text.trim_start_matches(['|', ' ']).split_once(' ') else {
        return false;
    };
    match command {
        "filter" => ["=", " like ", "<", ">", " in ", "(", "!="]
            .iter()
            .any(|mark| rest.contains(mark)),
        "stats" => rest.contains('(') && rest.contains(')'),
        "fields" => rest.starts_with('@') || rest.contains(" | "),
        "parse" => rest.starts_with('@'),
        _ => false,
    }
}

/// Whether the line is an entry of a list of words and begins with this one: "- `UF`: no connection".
fn explains(around: &str, text: &str) -> bool {
    let entry = around.trim_start_matches([' ', '-', '*', '|', '`']);
    let rest = entry
        .strip_prefix(text)
        .map(|rest| rest.trim_start_matches(['`', ' ']));
    rest.is_some_and(|rest| rest.starts_with([':', '：', '|', '–', '—', '-', '=']))
}

/// `prefix/key`, `prefix/key: value`, `prefix/key=value`, and what the sentence wants of it.
fn annotation(sink: &Sink, text: &str, context: &str) -> Option<Judgement> {
    let key = text
        .split([':', '=', ' '])
        .next()
        .unwrap_or(text)
        .trim_matches(['"', '\'']);
    if !metadata::is_known_prefix(key)
        || key.ends_with('/')
        || key.contains('*')
        || key.ends_with('-')
    {
        return None;
    }
    let value = text[key.len().min(text.len())..]
        .trim_start_matches([':', '=', ' ', '"'])
        .trim_end_matches(['"', '\'']);
    let value = value.trim_matches(['"', '\'', ' ']);
    let value = (!value.is_empty() && !value.contains(' ')).then_some(value);
    let judgement = metadata::one(sink, key, value, "", None);
    let sentence = context.rsplit('\n').next().unwrap_or(context);
    let opposed = value.and_then(|value| fields::opposes(sink, "annotation", key, value, sentence));
    Some(match opposed {
        Some(opposed) => judgement.worse(opposed),
        None => judgement,
    })
}

/// `key: value`, `{a: b}`.
fn yaml(sink: &mut Sink, line: u32, column: u32, text: &str, around: &str, context: &str) -> bool {
    let shaped = items::is_yaml_line(text) && text.contains(": ")
        || assignments::nested(text).is_some()
        || (text.starts_with('{') && text.ends_with('}') && text.contains(':'));
    if !shaped {
        return false;
    }
    if super::negated(around) {
        return true;
    }
    let mark = sink.mark();
    assignments::judge(sink, line, column, text, context);
    sink.mark() > mark
}

fn is_name(text: &str) -> bool {
    text.len() < 120
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '[' | ']' | '*'))
}

/// A field, a path of fields, a key of a ConfigMap, a part of a log.
fn named(sink: &mut Sink, line: u32, column: u32, text: &str, around: &str, context: &str) -> bool {
    let put = |sink: &mut Sink, kind, judgement| {
        super::mention(sink, line, column, kind, text, around, judgement)
    };
    let log = LOGS.rows().find(|row| {
        text.len() >= 8 && (row.get("text").contains(text) || text.contains(row.get("text")))
    });
    if let Some(row) = log {
        put(sink, Kind::LogString, Judgement::fine(row.get("source")));
        return true;
    }
    if let Some(row) = DETAILS.find("detail", text) {
        put(sink, Kind::Detail, Judgement::fine(row.get("source")));
        return true;
    }
    if let Some(judgement) = words::unknown_detail(sink, text, around) {
        put(sink, Kind::Detail, judgement);
        return true;
    }
    if !is_name(text) {
        return false;
    }
    let key: Option<&ConfigKey> = settings()
        .config_keys()
        .iter()
        .find(|row| row.key == text && text.contains('-'));
    if let Some(row) = key {
        let judgement = config_map::setting(sink, row.configmap, row.key, None);
        put(sink, Kind::ConfigMapKey, judgement);
        return true;
    }
    if let Some(map) = map_of_row(text, around, context) {
        let judgement = config_map::setting(sink, map, text, None);
        put(sink, Kind::ConfigMapKey, judgement);
        return true;
    }
    if let Some(judgement) = dotted(sink, text) {
        put(sink, Kind::Path, judgement);
        return true;
    }
    if text.contains('.') {
        return false;
    }
    if !fragment::places(text).is_empty() {
        if text.len() > 5 && text.chars().any(|c| c.is_ascii_uppercase()) {
            put(
                sink,
                Kind::Field,
                Judgement::fine("istio/api, knative/serving"),
            );
        }
        return true;
    }
    false
}

/// The ConfigMap whose keys a table lists, for what stands first in one of its rows.
fn map_of_row(text: &str, around: &str, context: &str) -> Option<&'static str> {
    let first = around.trim_start().strip_prefix('|')?.split('|').next()?;
    let key = text.contains('-') && text.chars().all(|c| c.is_ascii_lowercase() || c == '-');
    if !key || first.trim().trim_matches('`') != text {
        return None;
    }
    let mut maps = settings()
        .config_keys()
        .iter()
        .map(|row| row.configmap)
        .filter(|map| map.starts_with("config-") && context.contains(map));
    let map = maps.next()?;
    maps.all(|other| other == map).then_some(map)
}

/// `trafficPolicy.outlierDetection.consecutive5xxErrors`, `meshConfig.accessLogFile`, `values.pilot.env`.
pub(super) fn dotted(sink: &Sink, text: &str) -> Option<Judgement> {
    let path = text
        .replace("[]", "")
        .replace("[*]", "")
        .replace("[0]", "")
        .replace("[1]", "");
    let steps: Vec<&str> = path.split('.').collect();
    if steps.len() < 2
        || steps
            .iter()
            .any(|step| step.is_empty() || step.contains(['-', '*', '[']))
    {
        return None;
    }
    if matches!(steps[0], "meshConfig" | "values") {
        let (tool, path) = if steps[0] == "values" {
            ("helm", steps[1..].join("."))
        } else {
            ("helm", path.clone())
        };
        return Some(
            path::setting(sink, tool, &path, "<value>")
                .unwrap_or_else(|| Judgement::fine("istio/api, istio values")),
        );
    }
    let known = |name: &str| !fragment::places(name).is_empty();
    let of_istio = |name: &str| {
        fragment::places(name).iter().any(|(kind, _)| {
            kind.contains(".istio.io") || kind.contains("Config") || kind.contains("knative")
        })
    };
    // What stands behind a name that no kind has is as unknown.
    let end = steps.iter().position(|step| !known(step));
    let steps = &steps[..end.map_or(steps.len(), |end| end + 1)];
    if steps.len() < 2 {
        return None;
    }
    let path = steps.join(".");
    let leaf = *steps.last()?;
    let shaped = steps
        .iter()
        .all(|step| step.chars().all(char::is_alphanumeric));
    let telling = steps.iter().any(|step| {
        step.len() > 7 && step.chars().any(|c| c.is_ascii_uppercase()) && of_istio(step)
    }) || leaf.chars().any(|c| c.is_ascii_uppercase())
        && steps[..steps.len() - 1].iter().all(|step| of_istio(step));
    if !shaped || !telling {
        return None;
    }
    let tail = format!(".{path}");
    let places = fragment::places(leaf);
    let right = places.iter().find(|(_, place)| {
        let place = place.replace("[]", "").replace(".*", "");
        place == path || place.ends_with(&tail)
    });
    if let Some((kind, place)) = right {
        return Some(
            of_note(sink, kind, place)
                .unwrap_or_else(|| Judgement::fine("istio/api, knative/serving")),
        );
    }
    let parent = steps[steps.len() - 2];
    let near = places
        .iter()
        .max_by_key(|(_, place)| steps.iter().filter(|step| place.contains(*step)).count());
    if let Some((kind, place)) = near {
        let place = place.replace("[]", "");
        let why = sink.say(
            format!("there is no {path}: {kind} has it at {place}"),
            format!("没有 {path}：{kind} 的该字段在 {place}"),
        );
        return Some(
            Judgement::new(Verdict::Misplaced, why, "istio/api, knative/serving").fix(place),
        );
    }
    let siblings: Vec<String> = shapes()
        .all()
        .iter()
        .filter(|(kind, _)| kind.ends_with(".istio.io") || kind.ends_with(".knative.dev"))
        .flat_map(|(_, shape)| {
            let mut names = Vec::new();
            shape.visit("", &mut |at, name, _| {
                if at.replace("[]", "").ends_with(&format!("{parent}.{name}")) {
                    names.push(name.to_owned());
                }
            });
            names
        })
        .collect();
    if siblings.is_empty() {
        return None;
    }
    let near = nearest(leaf, siblings.iter().map(String::as_str))
        .unwrap_or_default()
        .to_owned();
    let why = sink.say(
        format!("{parent} has no field {leaf}"),
        format!("{parent} 没有字段 {leaf}"),
    );
    Some(Judgement::new(Verdict::Unknown, why, "istio/api, knative/serving").fix(near))
}

fn of_note(sink: &Sink, kind: &str, place: &str) -> Option<Judgement> {
    let shape = shapes().mesh_config();
    let scope = fields::Scope {
        name: kind,
        root: shape,
        source: "",
        context: "",
        pieces: &[],
        whole: false,
        load_balancer: false,
        both_spellings: false,
    };
    let judgement = fields::note(sink, &scope, place, None, None)?;
    (values::is_placeholder("") || judgement.is_wrong()).then_some(judgement)
}
