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
    (
        "config-defaults",
        "container-concurrency",
        "container-concurrency-max-limit",
        1000.0,
    ),
    (
        "config-gc",
        "min-non-active-revisions",
        "max-non-active-revisions",
        1000.0,
    ),
];

/// The value that a text gives to a key: `key: "5"`.
fn said(key: &str, text: &str) -> Option<f64> {
    let (_, rest) = text.split_once(key)?;
    let rest = rest.trim_start_matches(['"', '\'', ':', '=', ' ']);
    let end = rest
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(rest.len());
    rest[..end].parse().ok()
}

/// Whether a key exceeds its bound, which stands beside it or in the text around.
fn exceeds(
    sink: &Sink,
    name: &str,
    key: &str,
    text: &str,
    (data, around): (&Node, &str),
) -> Option<Judgement> {
    let (_, _, bound, default) = BOUNDS
        .iter()
        .find(|(map, lower, ..)| *map == name && *lower == key)?;
    let number = |text: &str| text.trim().parse::<f64>().ok();
    let most = data
        .get(bound)
        .and_then(values::text_of)
        .and_then(|text| number(&text))
        .or_else(|| said(bound, around))
        .unwrap_or(*default);
    if number(text)? <= most {
        return None;
    }
    let why = sink.say(
        format!("{key} exceeds {bound}, which is {most}; the webhook refuses the ConfigMap"),
        format!("{key} 超过了 {bound}（{most}）；Webhook 会拒绝该 ConfigMap"),
    );
    Some(
        Judgement::new(Verdict::Refused, why, "knative/serving config")
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
    let around = fields::around(scope, key.line);
    if let Some(opposed) = fields::opposes(sink, name, &key.text, text, &around) {
        return opposed;
    }
    if let Some(exceeds) = exceeds(sink, name, &key.text, text, (data, &around)) {
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
    let class = value.filter(|value| {
        key == "ingress-class"
            && !value.is_empty()
            && !value.contains('.')
            && !values::is_placeholder(value)
    });
    if let Some(class) = class {
        let right = format!("{class}.ingress.networking.knative.dev");
        let why = sink.say(
            format!("no controller goes by the class {class:?}: nothing makes ingresses of it"),
            format!("没有控制器使用类名 {class:?}：不会有组件处理"),
        );
        return Judgement::new(Verdict::Ignored, why, row.source).fix(right);
    }
    if let Some(misfit) = value.and_then(|value| values::check(row.ty, value)) {
        // Any other word leaves the feature as it is by default: asFlag of pkg/apis/config/features.go.
        if name == "config-features" {
            let why = sink.say(
                format!("{}; nothing is said, and the default stays", misfit.why.0),
                format!("{}；不会报错，仍用默认值", misfit.why.1),
            );
            return Judgement::new(Verdict::Ignored, why, row.source)
                .fix(misfit.fix.unwrap_or_default());
        }
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

/// The ConfigMap of Knative that a sentence names, if it names one alone.
pub(crate) fn named_in(sentence: &str) -> Option<&'static str> {
    let word = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric() || c == '-');
    let mut found = None;
    for row in settings().config_keys() {
        let map = row.configmap;
        if !map.starts_with("config-") || found == Some(map) {
            continue;
        }
        let whole = sentence.match_indices(map).any(|(at, _)| {
            !word(sentence[..at].chars().next_back())
                && !word(sentence[at + map.len()..].chars().next())
        });
        if whole && found.is_some() {
            return None;
        }
        if whole {
            found = Some(map);
        }
    }
    found
}
