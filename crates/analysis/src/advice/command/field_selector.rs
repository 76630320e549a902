//! `kubectl --field-selector`: fields by which the API server does not select, and values that they never have.

use super::super::items::Sink;
use super::super::values;
use super::super::verdict::{Judgement, Verdict};
use super::{Parsed, kubectl};
use crate::knowledge::{FIELD_SELECTORS, Kind, kinds, nearest};

const SOURCE: &str = "Kubernetes field selectors";

/// The first requirement that is refused, or that nothing can meet.
pub(super) fn judge(sink: &Sink, parsed: &Parsed<'_>) -> Option<Judgement> {
    let selector = parsed.flag("--field-selector")?;
    let known = match parsed.sub().as_str() {
        "logs" | "top pod" | "drain" => kinds().by_resource("pods").into_iter().next()?,
        "events" => kinds().by_resource("events").into_iter().next()?,
        _ => kubectl::kind_named(&parsed.positional)?,
    };
    selector
        .split(',')
        .find_map(|requirement| one(sink, known, requirement.trim()))
}

fn one(sink: &Sink, known: &Kind, requirement: &str) -> Option<Judgement> {
    let (field, value) = requirement.split_once('=')?;
    let negated = field.ends_with('!');
    let field = field.trim_end_matches('!').trim();
    let value = value.trim_start_matches('=').trim();
    if values::is_placeholder(field) || field.is_empty() {
        return None;
    }
    let rows = || {
        FIELD_SELECTORS
            .rows()
            .filter(|row| row.get("kind") == known.kind && row.get("group") == known.group)
    };
    let custom = known.is_of_mesh() && matches!(field, "metadata.name" | "metadata.namespace");
    let Some(row) = rows().find(|row| row.get("field") == field) else {
        let judged = rows().next().is_some() || known.is_of_mesh();
        return (judged && !custom).then(|| unselectable(sink, known, field));
    };
    if negated || values::is_placeholder(value) {
        return None;
    }
    if field == "involvedObject.kind" {
        return kind_of_object(sink, value);
    }
    let mut words = row.get("values").split(' ').filter(|word| !word.is_empty());
    if row.get("values").is_empty() || words.any(|word| word == value) {
        return None;
    }
    let list = row.get("values").replace(' ', ", ");
    let why = sink.say(
        format!("{field} is never {value:?}: it is one of {list}"),
        format!("{field} 不会是 {value:?}：取值为 {list}"),
    );
    let near = nearest(value, row.get("values").split(' ')).unwrap_or_default();
    let fix = if near.is_empty() {
        String::new()
    } else {
        format!("--field-selector {field}={near}")
    };
    Some(Judgement::new(Verdict::CannotMatch, why, row.get("source")).fix(fix))
}

fn unselectable(sink: &Sink, known: &Kind, field: &str) -> Judgement {
    let why = sink.say(
        format!(
            "the API server does not select {} by {field}: field label not supported",
            known.kind
        ),
        format!(
            "API server 不支持按 {field} 选择 {}：field label not supported",
            known.kind
        ),
    );
    Judgement::new(Verdict::Refused, why, SOURCE).fix(format!(
        "kubectl get {} -o json | jq '.items[] | select(.{field}==\"…\")'",
        known.plural
    ))
}

/// Events name kinds as they are written in manifests.
fn kind_of_object(sink: &Sink, value: &str) -> Option<Judgement> {
    if kinds().all().iter().any(|kind| kind.kind == value) {
        return None;
    }
    let right = kinds()
        .by_resource(&value.to_ascii_lowercase())
        .into_iter()
        .next()?
        .kind;
    let why = sink.say(
        format!("events name the kind {right}; the API server minds the case of letters"),
        format!("事件中的类型写作 {right}；区分大小写"),
    );
    Some(
        Judgement::new(Verdict::CannotMatch, why, SOURCE)
            .fix(format!("--field-selector involvedObject.kind={right}")),
    )
}
