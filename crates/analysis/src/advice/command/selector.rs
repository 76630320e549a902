//! `kubectl -l`: labels that the objects never have.

use super::super::items::Sink;
use super::super::metadata;
use super::super::values;
use super::super::verdict::{Judgement, Verdict};
use super::Parsed;
use crate::knowledge::{kinds, nearest, settings};

/// The first requirement of the selector that nothing can meet.
pub(super) fn judge(sink: &Sink, parsed: &Parsed<'_>) -> Option<Judgement> {
    let selector = parsed.flag("--selector")?;
    let kind = match parsed.sub().as_str() {
        "logs" => "pods",
        _ => parsed.positional.first()?.text.as_str(),
    };
    selector
        .split(',')
        .find_map(|requirement| one(sink, kind, requirement.trim()))
}

fn one(sink: &Sink, kind: &str, requirement: &str) -> Option<Judgement> {
    let key = requirement
        .split(['=', '!', ' '])
        .find(|part| !part.is_empty())?;
    if requirement.starts_with('!') || requirement.contains("!=") || values::is_placeholder(key) {
        return None;
    }
    if !metadata::is_known_prefix(key) {
        return abridged(sink, key);
    }
    let rows: Vec<_> = settings()
        .annotation(key)
        .iter()
        .filter(|row| row.label)
        .collect();
    let known = kinds().by_resource(kind).into_iter().next()?;
    let namespaces = known.kind == "Namespace";
    let only_namespaces = |places: &str| places.split(',').all(|place| place == "namespace");
    if rows.is_empty() {
        let labels = settings()
            .annotations()
            .filter(|row| row.label)
            .map(|row| row.key);
        let why = sink.say(
            format!("nothing sets a label {key}: the selector finds nothing"),
            format!("没有组件设置标签 {key}：选择器找不到任何对象"),
        );
        return Some(
            Judgement::new(Verdict::CannotMatch, why, "labels of Istio and Knative")
                .fix(nearest(key, labels).unwrap_or_default()),
        );
    }
    if namespaces || !rows.iter().all(|row| only_namespaces(row.places)) {
        return None;
    }
    let why = sink.say(
        format!("{key} stands on namespaces, not on {kind}: the selector finds nothing"),
        format!("{key} 是命名空间上的标签，不在 {kind} 上：选择器找不到任何对象"),
    );
    Some(
        Judgement::new(Verdict::CannotMatch, why, rows[0].source)
            .fix(format!("kubectl get namespaces -l {requirement}")),
    )
}

/// A label of which the domain is cut short: `knative.dev/service` for `serving.knative.dev/service`.
fn abridged(sink: &Sink, key: &str) -> Option<Judgement> {
    let (domain, name) = key.split_once('/')?;
    let row = settings().annotations().find(|row| {
        row.label
            && row.key.split_once('/').is_some_and(|(whole, same)| {
                same == name
                    && whole
                        .strip_suffix(domain)
                        .is_some_and(|rest| rest.ends_with('.'))
            })
    })?;
    let why = sink.say(
        format!(
            "nothing sets a label {key}; {} is the one: the selector finds nothing",
            row.key
        ),
        format!(
            "没有组件设置标签 {key}；应为 {}：选择器找不到任何对象",
            row.key
        ),
    );
    Some(Judgement::new(Verdict::CannotMatch, why, row.source).fix(row.key))
}
