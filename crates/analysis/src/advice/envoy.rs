//! EnvoyFilter patches: filter names, type URLs and the fields of the messages that they carry.

use api::parse::{Kind as Value, Node};

use super::fields::{self, Scope};
use super::items::{Kind, Sink};
use super::values;
use super::verdict::{Judgement, Verdict};
use crate::knowledge::{ENVOY_FIELDS, FILTERS, nearest, shapes};

const API: &str = "Envoy 1.40 API";

/// Judges `configPatches`.
pub(crate) fn patches(sink: &mut Sink, scope: &Scope<'_>, node: &Node) {
    let Some(shape) = shapes()
        .named("EnvoyFilter.networking.istio.io")
        .and_then(|shape| shape.at("spec.configPatches[]"))
    else {
        return;
    };
    let Value::List(items) = &node.kind else {
        return;
    };
    for item in items {
        let Value::Map(entries) = &item.kind else {
            continue;
        };
        let (patch, rest): (Vec<_>, Vec<_>) = entries
            .iter()
            .cloned()
            .partition(|(key, _)| key.text == "patch");
        let rest = Node {
            kind: Value::Map(rest),
            ..item.clone()
        };
        fields::walk(sink, scope, &rest, shape, "spec.configPatches[]");
        names(sink, &rest);
        for (key, patch) in patch {
            sink.put(
                key.line,
                key.column,
                Kind::Field,
                "patch:",
                Judgement::fine(scope.source),
            );
            let applies = item
                .get("applyTo")
                .and_then(Node::as_str)
                .unwrap_or_default();
            self::patch(sink, scope, &patch, applies);
        }
    }
}

fn patch(sink: &mut Sink, scope: &Scope<'_>, patch: &Node, applies: &str) {
    let Value::Map(entries) = &patch.kind else {
        return;
    };
    let shape = shapes()
        .named("EnvoyFilter.networking.istio.io")
        .and_then(|shape| shape.at("spec.configPatches[].patch"));
    let (value, rest): (Vec<_>, Vec<_>) = entries
        .iter()
        .cloned()
        .partition(|(key, _)| key.text == "value");
    if let Some(shape) = shape {
        let rest = Node {
            kind: Value::Map(rest),
            ..patch.clone()
        };
        fields::walk(sink, scope, &rest, shape, "spec.configPatches[].patch");
    }
    for (key, value) in value {
        sink.put(
            key.line,
            key.column,
            Kind::Field,
            "value:",
            Judgement::fine(scope.source),
        );
        let message = match applies {
            "CLUSTER" => "Cluster",
            "LISTENER" => "Listener",
            "VIRTUAL_HOST" => "VirtualHost",
            "HTTP_ROUTE" => "Route",
            _ => "",
        };
        self::message(sink, &value, message, 0);
    }
}

/// Names of filters under `match`.
fn names(sink: &mut Sink, node: &Node) {
    match &node.kind {
        Value::Map(entries) => {
            for (key, value) in entries {
                if key.text == "name" {
                    filter_name(sink, value);
                }
                names(sink, value);
            }
        }
        Value::List(items) => items.iter().for_each(|item| names(sink, item)),
        _ => {}
    }
}

fn filter_name(sink: &mut Sink, value: &Node) -> bool {
    let Some(name) = value.as_str() else {
        return false;
    };
    let Some(row) = FILTERS.find("name", name) else {
        return false;
    };
    let why = sink.say(
        format!("no filter goes by the name {name} any more: the patch selects nothing"),
        format!("已没有名为 {name} 的过滤器：该补丁不会选中任何东西"),
    );
    let judgement =
        Judgement::new(Verdict::CannotMatch, why, row.get("source")).fix(row.get("instead"));
    sink.put(
        value.line,
        value.column,
        Kind::Field,
        &format!("name: {name}"),
        judgement,
    );
    true
}

/// The fields of a message, by the short or the full name.
fn fields_of(message: &str) -> Option<Vec<(&'static str, &'static str)>> {
    if message.is_empty() {
        return None;
    }
    let row = ENVOY_FIELDS.rows().find(|row| {
        let name = row.get("message");
        name == message || name.rsplit('.').next() == Some(message)
    })?;
    Some(
        row.get("fields")
            .split(' ')
            .filter_map(|field| field.split_once(':'))
            .collect(),
    )
}

fn message(sink: &mut Sink, node: &Node, name: &str, depth: usize) {
    let entries = match &node.kind {
        Value::Map(entries) if depth < 30 => entries,
        Value::List(items) => {
            items
                .iter()
                .for_each(|item| message(sink, item, name, depth + 1));
            return;
        }
        _ => return,
    };
    let typed = node.get("@type").and_then(Node::as_str);
    let full = typed.and_then(|url| url.rsplit('/').next());
    let known = fields_of(full.unwrap_or(name));
    for (key, value) in entries {
        let text = match values::text_of(value) {
            Some(text) => format!("{}: {text}", key.text),
            None => format!("{}:", key.text),
        };
        if key.text == "@type" {
            let judgement = type_url(sink, value.as_str().unwrap_or_default());
            sink.put(key.line, key.column, Kind::Field, &text, judgement);
            continue;
        }
        if key.text == "name" && filter_name(sink, value) {
            continue;
        }
        let camel = fields::snake(&key.text);
        let field = known.as_ref().map(|known| {
            known
                .iter()
                .find(|(field, _)| *field == key.text || *field == camel)
        });
        let judgement = match field {
            Some(None) => unknown(
                sink,
                &key.text,
                full.unwrap_or(name),
                known.as_deref().unwrap_or_default(),
            ),
            _ => Judgement::fine(API),
        };
        let wrong = judgement.is_wrong();
        sink.put(key.line, key.column, Kind::Field, &text, judgement);
        if !wrong {
            let ty = field.flatten().map_or("", |(_, ty)| *ty);
            message(sink, value, ty, depth + 1);
        }
    }
}

fn unknown(sink: &Sink, field: &str, message: &str, known: &[(&str, &str)]) -> Judgement {
    let short = message.rsplit('.').next().unwrap_or(message);
    let near = nearest(field, known.iter().map(|(name, _)| *name));
    let other = ENVOY_FIELDS.rows().find(|row| {
        row.get("fields")
            .split(' ')
            .any(|known| known.split(':').next() == Some(field))
    });
    if let (None, Some(other)) = (near, other) {
        let place = other.get("message").rsplit('.').next().unwrap_or_default();
        let why = sink.say(
            format!("{field} is a field of {place}, not of {short}: Envoy refuses the update"),
            format!("{field} 是 {place} 的字段，不是 {short} 的：Envoy 会拒绝更新"),
        );
        return Judgement::new(Verdict::Misplaced, why, API).fix(format!("{place}.{field}"));
    }
    let why = sink.say(
        format!("{short} has no field {field}: the patch is refused"),
        format!("{short} 没有字段 {field}：补丁会被拒绝"),
    );
    Judgement::new(Verdict::Unknown, why, API).fix(near.unwrap_or_default())
}

fn type_url(sink: &Sink, url: &str) -> Judgement {
    let name = url.rsplit('/').next().unwrap_or(url);
    let old = name.split('.').any(|part| {
        matches!(
            part,
            "v2" | "v2alpha" | "v2alpha1" | "v2alpha2" | "v2alpha3"
        )
    }) || name.starts_with("envoy.api.v2");
    if old {
        let why = sink.say(
            "Envoy has no v2 API any more (since 1.18, Istio 1.9): the update is refused",
            "Envoy 已没有 v2 API（1.18 起，Istio 1.9）：更新会被拒绝",
        );
        let class = name.rsplit('.').next().unwrap_or_default();
        let instead = ENVOY_FIELDS
            .rows()
            .find(|row| row.get("message").rsplit('.').next() == Some(class))
            .map_or("", |row| row.get("message"));
        return Judgement::new(Verdict::Refused, why, "Envoy 1.18 version history").fix(instead);
    }
    if !url.starts_with("type.googleapis.com/")
        && !values::is_placeholder(url)
        && url.starts_with("envoy.")
    {
        let why = sink.say(
            "a type URL begins with type.googleapis.com/",
            "类型 URL 以 type.googleapis.com/ 开头",
        );
        return Judgement::new(Verdict::Refused, why, API)
            .fix(format!("type.googleapis.com/{url}"));
    }
    Judgement::fine(API)
}

/// A fragment that is Envoy's, by the names of its fields. False if it is not.
pub(crate) fn fragment(sink: &mut Sink, node: &Node) -> bool {
    let Value::Map(entries) = &node.kind else {
        return false;
    };
    let best = ENVOY_FIELDS
        .rows()
        .map(|row| {
            let hits = entries
                .iter()
                .filter(|(key, _)| {
                    row.get("fields")
                        .split(' ')
                        .any(|field| field.split(':').next() == Some(&key.text))
                })
                .count();
            (hits, row.get("message"))
        })
        .max_by_key(|(hits, _)| *hits);
    match best {
        Some((hits, name)) if hits * 2 > entries.len() || node.get("@type").is_some() => {
            message(sink, node, name, 0);
            true
        }
        _ => false,
    }
}
