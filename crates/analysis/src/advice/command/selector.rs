//! `kubectl -l`: labels and values that the objects never have.

use std::sync::LazyLock;

use regex::Regex;

use super::super::items::Sink;
use super::super::metadata;
use super::super::values;
use super::super::verdict::{Judgement, Verdict};
use super::Parsed;
use crate::knowledge::{SELECTORS, kinds, nearest, settings};

/// The first requirement of the selector that nothing can meet.
pub(super) fn judge(sink: &Sink, parsed: &Parsed<'_>) -> Option<Judgement> {
    let selector = parsed.flag("--selector")?;
    let kind = match parsed.sub().as_str() {
        "logs" | "top pod" => "pods",
        _ => parsed.positional.first()?.text.as_str(),
    };
    let namespace = parsed.flag("--namespace").unwrap_or_default();
    selector.split(',').find_map(|requirement| {
        let requirement = requirement.trim();
        one(sink, kind, requirement).or_else(|| value(sink, kind, namespace, requirement))
    })
}

/// The end of a name that Knative gives to a revision.
static NUMBERED: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"^.+-[0-9]{5}$").ok());

/// A label that exists with a value that it never has.
fn value(sink: &Sink, kind: &str, namespace: &str, requirement: &str) -> Option<Judgement> {
    let (key, value) = requirement.split_once('=')?;
    let (key, value) = (key.trim(), value.trim_start_matches('=').trim());
    if key.ends_with('!') || value.is_empty() || values::is_placeholder(value) {
        return None;
    }
    let service = matches!(
        key,
        "serving.knative.dev/service" | "serving.knative.dev/configuration"
    );
    if service && NUMBERED.as_ref().is_some_and(|name| name.is_match(value)) {
        let why = sink.say(
            format!("{key} holds the name of the service, and {value} is one of a revision: the selector finds nothing"),
            format!("{key} 的值是服务名，而 {value} 是 revision 名：选择器找不到任何对象"),
        );
        return Some(
            Judgement::new(Verdict::CannotMatch, why, "knative/serving labels")
                .fix(format!("serving.knative.dev/revision={value}")),
        );
    }
    let workload = kinds().by_resource(kind).into_iter().any(|known| {
        matches!(
            known.kind,
            "Pod" | "Deployment" | "ReplicaSet" | "DaemonSet" | "Service"
        )
    });
    SELECTORS
        .rows()
        .filter(|row| row.get("label") == key && workload)
        .find_map(|row| {
            let own = row.get("namespace");
            let mut known = row.get("values").split(' ').filter(|word| !word.is_empty());
            let closed = !own.is_empty() && own == namespace && kind.starts_with("po");
            let never = row
                .get("never")
                .split(' ')
                .find_map(|pair| pair.strip_prefix(value)?.strip_prefix('='));
            if never.is_none() && (!closed || known.any(|word| word == value)) {
                return None;
            }
            let why = sink.say(
                format!("no pod carries {key}={value}: the selector finds nothing"),
                format!("没有 Pod 带有 {key}={value}：选择器找不到任何对象"),
            );
            let near = nearest(value, row.get("values").split(' '));
            let fix = match never {
                Some(right) if right.contains('=') => right.to_owned(),
                Some("") => String::new(),
                Some(right) => format!("{key}={right}"),
                None => near.map(|near| format!("{key}={near}")).unwrap_or_default(),
            };
            Some(Judgement::new(Verdict::CannotMatch, why, row.get("source")).fix(fix))
        })
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
