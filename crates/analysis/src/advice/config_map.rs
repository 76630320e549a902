//! The data of the ConfigMaps of Istio and Knative: keys, values, and what the webhook makes of them.

use api::parse::{Key, Kind as Value, Node};

use super::fields::{self, Scope};
use super::items::{Kind, Sink};
use super::verdict::{Judgement, Verdict};
use super::{manifest, values, yaml};
use crate::knowledge::{nearest, settings};

/// The data of a ConfigMap of Istio or Knative.
pub(crate) fn judge(sink: &mut Sink, scope: &Scope<'_>, name: &str, data: &Node) {
    let Value::Map(entries) = &data.kind else {
        return;
    };
    let known: Vec<_> = settings().config_map(name).collect();
    for (key, value) in entries {
        if name == "istio" && key.text == "mesh" {
            let pieces = fields::nested(scope, key, value);
            put_key(sink, key, "mesh", Judgement::fine("Istio ConfigMap istio"));
            for document in yaml::read(&pieces) {
                manifest::mesh_node(sink, &document.node, scope.context, &pieces);
            }
            continue;
        }
        if known.is_empty() || key.text == "_example" {
            continue;
        }
        let text = values::text_of(value).unwrap_or_default();
        let judgement = config_key(sink, scope, name, (key, value, data), &text);
        put_key(
            sink,
            key,
            &format!("{}: {}", key.text, text.lines().next().unwrap_or_default()),
            judgement,
        );
    }
}

fn put_key(sink: &mut Sink, key: &Key, text: &str, judgement: Judgement) {
    sink.put(key.line, key.column, Kind::ConfigMapKey, text, judgement);
}

/// A key that must not exceed another one of its ConfigMap, and that one's default.
const BOUNDS: &[(&str, &str, &str, f64)] = &[
    (
        "config-defaults",
        "revision-timeout-seconds",
        "max-revision-timeout-seconds",
        600.0,
    ),
    (
        "config-defaults",
        "revision-response-start-timeout-seconds",
        "revision-timeout-seconds",
        300.0,
    ),
    (
        "config-defaults",
        "revision-idle-timeout-seconds",
        "revision-timeout-seconds",
        300.0,
    ),
];

fn exceeds(sink: &Sink, name: &str, key: &str, text: &str, data: &Node) -> Option<Judgement> {
    let (_, _, bound, default) = BOUNDS
        .iter()
        .find(|(map, lower, ..)| *map == name && *lower == key)?;
    let number = |text: &str| text.trim().parse::<f64>().ok();
    let most = data
        .get(bound)
        .and_then(values::text_of)
        .and_then(|text| number(&text))
        .unwrap_or(*default);
    if number(text)? <= most {
        return None;
    }
    let why = sink.say(
        format!("{key} exceeds {bound}, which is {most}; the webhook refuses the ConfigMap"),
        format!("{key} 超过了 {bound}（{most}）；Webhook 会拒绝该 ConfigMap"),
    );
    Some(
        Judgement::new(Verdict::Refused, why, "knative/serving config-defaults")
            .fix(format!("{bound}: \"{text}\"")),
    )
}

fn config_key(
    sink: &Sink,
    scope: &Scope<'_>,
    name: &str,
    (key, value, data): (&Key, &Node, &Node),
    text: &str,
) -> Judgement {
    if let Some(opposed) = opposed(sink, scope, name, &key.text, text, key.line) {
        return opposed;
    }
    if let Some(exceeds) = exceeds(sink, name, &key.text, text, data) {
        return exceeds;
    }
    let judgement = setting(sink, name, &key.text, Some(text));
    if !judgement.is_wrong() && !matches!(value.kind, Value::String(_) | Value::Null) {
        let why = sink.say(
            "data of a ConfigMap is strings: put the value in quotes",
            "ConfigMap 的 data 是字符串：请加引号",
        );
        return Judgement::new(Verdict::Refused, why, "Kubernetes ConfigMap")
            .fix(format!("{}: \"{text}\"", key.text));
    }
    judgement
}

fn opposed(
    sink: &Sink,
    scope: &Scope<'_>,
    name: &str,
    key: &str,
    value: &str,
    line: u32,
) -> Option<Judgement> {
    let row = settings().opposites().iter().find(|row| {
        row.scope == name
            && row.path == key
            && values::row_fits(row.value, Some(value))
            && settings()
                .intent(row.intent)
                .is_some_and(|intent| intent.is_in(&fields::around(scope, line)))
    })?;
    let why = sink.say(row.why.0, row.why.1);
    Some(Judgement::new(Verdict::OppositeEffect, why, row.source).fix(row.fix))
}

/// Judges a key of a known ConfigMap and its value.
pub(crate) fn setting(sink: &Sink, name: &str, key: &str, value: Option<&str>) -> Judgement {
    let Some(row) = settings().config_map(name).find(|row| row.key == key) else {
        let near = nearest(key, settings().config_map(name).map(|row| row.key));
        let other = settings().config_keys().iter().find(|row| row.key == key);
        let (verdict, why) = match other {
            Some(other) => (
                Verdict::Misplaced,
                sink.say(
                    format!("{key} is a key of {}, not of {name}", other.configmap),
                    format!("{key} 是 {} 的键，不是 {name} 的", other.configmap),
                ),
            ),
            None => (
                Verdict::Unknown,
                sink.say(
                    format!("{name} has no key {key}: nothing reads it"),
                    format!("{name} 没有键 {key}：没有组件读取它"),
                ),
            ),
        };
        let fix = other.map_or(near.unwrap_or_default(), |other| other.configmap);
        return Judgement::new(verdict, why, "knative/serving config").fix(fix);
    };
    let version = if name.starts_with("config-") {
        sink.options.knative
    } else {
        sink.options.istio
    };
    if !version.within(row.since, row.until) {
        let why = sink.say(
            format!("{name} has no key {key} in {version}"),
            format!("{version} 的 {name} 没有键 {key}"),
        );
        return Judgement::new(Verdict::Unknown, why, row.source).fix(row.instead);
    }
    if let Some(misfit) = value.and_then(|value| values::check(row.ty, value)) {
        let why = sink.say(
            format!("{}; the webhook refuses the ConfigMap", misfit.why.0),
            format!("{}；Webhook 会拒绝该 ConfigMap", misfit.why.1),
        );
        return Judgement::new(Verdict::Refused, why, row.source)
            .fix(misfit.fix.unwrap_or_default());
    }
    if !row.instead.is_empty() {
        let why = sink.say(
            format!("still read; the present key is {}", row.instead),
            format!("仍会读取；现在的键是 {}", row.instead),
        );
        return Judgement::new(Verdict::Deprecated, why, row.source).fix(row.instead);
    }
    Judgement::fine(row.source)
}
