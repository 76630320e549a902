//! A part of a manifest without its head: what it is a part of, by the fields that it has.

use std::collections::HashMap;
use std::sync::LazyLock;

use api::parse::{Kind as Value, Node};

use super::blocks::Piece;
use super::fields::{self, Scope};
use super::items::{Kind, Sink};
use super::verdict::{Judgement, Verdict};
use super::{config_map, envoy, manifest, metadata, nested, prose, values};
use crate::knowledge::{ENVOY_FIELDS, Shape, kinds, nearest, settings, shapes};

/// A place that a fragment may be from.
#[derive(Debug, Clone)]
struct Spot {
    root: usize,
    path: String,
}

struct Index {
    roots: Vec<(&'static str, &'static Shape)>,
    by_field: HashMap<&'static str, Vec<Spot>>,
}

/// Kinds in whose fragments people write; those before win where two fit.
const ROOTS: &[&str] = &[
    "DestinationRule.networking.istio.io",
    "VirtualService.networking.istio.io",
    "MeshConfig",
    "ProxyConfig",
    "Service.serving.knative.dev",
    "Gateway.networking.istio.io",
    "ServiceEntry.networking.istio.io",
    "PeerAuthentication.security.istio.io",
    "AuthorizationPolicy.security.istio.io",
    "RequestAuthentication.security.istio.io",
    "Telemetry.telemetry.istio.io",
    "Sidecar.networking.istio.io",
    "EnvoyFilter.networking.istio.io",
    "IstioOperator.install.istio.io",
    "IstioValues",
    "Deployment.apps",
    "Service.",
    "HorizontalPodAutoscaler.autoscaling",
    "KnativeServing.operator.knative.dev",
    "PodDisruptionBudget.policy",
    "WorkloadGroup.networking.istio.io",
    "WasmPlugin.extensions.istio.io",
    "HTTPRoute.gateway.networking.k8s.io",
    "Gateway.gateway.networking.k8s.io",
    "Ingress.networking.k8s.io",
    "NetworkPolicy.networking.k8s.io",
    "ConfigMap.",
];

fn root(name: &str) -> Option<&'static Shape> {
    let all = shapes();
    match name {
        "MeshConfig" => Some(all.mesh_config()),
        "ProxyConfig" => Some(all.proxy_config()),
        name => all.named(name).map(|shape| &**shape),
    }
}

fn index() -> &'static Index {
    static INDEX: LazyLock<Index> = LazyLock::new(|| {
        let roots: Vec<_> = ROOTS
            .iter()
            .filter_map(|name| Some((*name, root(name)?)))
            .collect();
        let mut by_field: HashMap<&'static str, Vec<Spot>> = HashMap::new();
        for (number, (_, shape)) in roots.iter().enumerate() {
            shape.visit("", &mut |path, field, _| {
                let parent = path.rsplit_once('.').map_or("", |(parent, _)| parent);
                if parent.starts_with("status") || parent.starts_with("metadata.managedFields") {
                    return;
                }
                by_field.entry(field).or_default().push(Spot {
                    root: number,
                    path: parent.to_owned(),
                });
            });
        }
        Index { roots, by_field }
    });
    &INDEX
}

/// Hits and misses of a node in a shape.
fn fit(node: &Node, shape: &Shape, both: bool) -> (usize, usize) {
    match (&node.kind, shape) {
        (Value::Map(entries), Shape::Object(fields)) => {
            entries.iter().fold((0, 0), |(hits, misses), (key, value)| {
                let camel = fields::camel(&key.text);
                let field = fields
                    .get(&key.text)
                    .or_else(|| both.then(|| fields.get(&camel)).flatten());
                match field {
                    Some(field) => {
                        let (more, less) = fit(value, field, both);
                        (hits + 1 + more, misses + less)
                    }
                    None => (hits, misses + 1),
                }
            })
        }
        (Value::List(items), Shape::List(item)) => {
            items.iter().fold((0, 0), |(hits, misses), value| {
                let (more, less) = fit(value, item, both);
                (hits + more, misses + less)
            })
        }
        (Value::Map(_), Shape::Scalar(_) | Shape::List(_))
        | (Value::List(_), Shape::Scalar(_) | Shape::Object(_)) => (0, 2),
        _ => (0, 0),
    }
}

/// Where the fragment fits best: root, path, shape, hits, misses.
fn best<'a>(node: &Node) -> Option<(&'a str, String, &'static Shape, usize, usize)> {
    let entries = match &node.kind {
        Value::Map(entries) => entries,
        Value::List(items) => match items.first().map(|item| &item.kind) {
            Some(Value::Map(entries)) => entries,
            _ => return None,
        },
        _ => return None,
    };
    let index = index();
    let mut tried: std::collections::HashSet<(usize, &str)> = std::collections::HashSet::new();
    let mut best: Option<(&str, String, &Shape, usize, usize)> = None;
    for (key, _) in entries.iter().take(20) {
        let camel = fields::camel(&key.text);
        let spots = index
            .by_field
            .get(key.text.as_str())
            .or_else(|| index.by_field.get(camel.as_str()));
        for spot in spots.into_iter().flatten().take(600) {
            if !tried.insert((spot.root, &spot.path)) {
                continue;
            }
            let (name, root) = index.roots[spot.root];
            let Some(shape) = root.at(&spot.path) else {
                continue;
            };
            let both = matches!(name, "MeshConfig" | "ProxyConfig");
            let (hits, misses) = match &node.kind {
                Value::List(items) => items.iter().fold((0, 0), |sum, item| {
                    let (hits, misses) = fit(item, shape, both);
                    (sum.0 + hits, sum.1 + misses)
                }),
                _ => fit(node, shape, both),
            };
            let score = |hits: usize, misses: usize| hits as i64 * 2 - misses as i64 * 3;
            let better = best
                .as_ref()
                .is_none_or(|best| score(hits, misses) > score(best.3, best.4));
            if better {
                best = Some((name, spot.path.clone(), shape, hits, misses));
            }
        }
    }
    best
}

/// Judges a fragment.
pub(crate) fn judge(sink: &mut Sink, node: &Node, context: &str, pieces: &[Piece]) {
    if by_paths(sink, node, context) {
        return;
    }
    let mark = sink.mark();
    let place = (node.line.max(1), node.column.max(1));
    let title = parts(sink, node, context, pieces);
    if sink.mark() == mark {
        return;
    }
    // What is wrong further down is said there.
    let judgement = match sink.worst_at(mark, place.0) {
        Some(item) if item.verdict != Verdict::Works => Judgement {
            verdict: item.verdict,
            reason: item.reason.clone(),
            fix: item.fix.clone(),
            source: item.source.clone(),
        },
        _ => Judgement::fine("api"),
    };
    sink.put(place.0, place.1, Kind::Fragment, &title, judgement);
}

/// Lines such as `spec.tls.mode: SIMPLE   explained`, each a setting by its path. Whether the node is made of such.
fn by_paths(sink: &mut Sink, node: &Node, context: &str) -> bool {
    let Value::Map(entries) = &node.kind else {
        return false;
    };
    let texts: Vec<_> = entries
        .iter()
        .map(|(key, value)| {
            let line = format!("{}: {}", key.text, values::text_of(value)?);
            prose::setting_by_path(&line).map(|setting| (key, setting))
        })
        .collect();
    if entries.is_empty() || texts.iter().any(Option::is_none) {
        return false;
    }
    for (key, setting) in texts.into_iter().flatten() {
        let place = (key.line.max(1), key.column.max(1));
        prose::judge_setting(sink, place.0, place.1, &setting, context);
    }
    true
}

/// Judges the parts of a fragment; gives back what it is.
fn parts(sink: &mut Sink, node: &Node, context: &str, pieces: &[Piece]) -> String {
    let keys: Vec<&str> = match &node.kind {
        Value::Map(entries) => entries.iter().map(|(key, _)| key.text.as_str()).collect(),
        _ => Vec::new(),
    };
    let sentence = context.rsplit('\n').next().unwrap_or(context);
    if let Some(name) = config_map_named(&keys, sentence).or_else(|| config_map_of(&keys)) {
        let scope = scope("ConfigMap.", index().roots[0].1, context, pieces);
        config_map::judge(sink, &scope, name, node);
        return name.to_owned();
    }
    if keys.iter().any(|key| metadata::is_known_prefix(key)) {
        let scope = unknown_scope(context, pieces);
        let label = None;
        annotations(sink, &scope, node, label);
        return "annotations".into();
    }
    if is_values(node, &keys) {
        manifest::values_node(sink, node, context, pieces);
        return "values".into();
    }
    if keys.iter().any(|key| key.contains('_')) && envoy::fragment(sink, node) {
        return "Envoy".into();
    }
    let Some((name, path, shape, hits, misses)) = best(node) else {
        typo(sink, node);
        nested::judge(sink, node, context, pieces);
        return String::new();
    };
    let leaf = if let [key] = keys[..] { key } else { "" };
    let vague = hits < 2
        && (leaf.len() < 7
            || (leaf.len() < 8 && !leaf.contains(|c: char| c.is_ascii_uppercase()))
            || index()
                .by_field
                .get(leaf)
                .is_some_and(|spots| spots.len() > 60));
    if misses * 2 > hits || vague {
        if !vague {
            typo(sink, node);
        }
        nested::judge(sink, node, context, pieces);
        return String::new();
    }
    let scope = Scope {
        both_spellings: matches!(name, "MeshConfig" | "ProxyConfig"),
        ..scope(
            name,
            index()
                .roots
                .iter()
                .find(|(root, _)| *root == name)
                .map_or(shape, |(_, root)| root),
            context,
            pieces,
        )
    };
    let mark = sink.mark();
    match &node.kind {
        Value::List(items) => items
            .iter()
            .for_each(|item| fields::walk(sink, &scope, item, shape, &path)),
        _ if name == "MeshConfig" && path.is_empty() => {
            manifest::mesh_node(sink, node, context, pieces)
        }
        _ => fields::walk(sink, &scope, node, shape, &path),
    }
    manifest::admission_of_part(sink, name, &path, node, mark);
    format!("{} {}", name.trim_end_matches('.'), path.replace("[]", ""))
        .trim_end()
        .to_owned()
}

/// The scope of what is not of any known kind.
pub(super) fn unknown_scope<'a>(context: &'a str, pieces: &'a [Piece]) -> Scope<'a> {
    scope("", index().roots[0].1, context, pieces)
}

fn scope<'a>(name: &'a str, root: &'a Shape, context: &'a str, pieces: &'a [Piece]) -> Scope<'a> {
    let (kind, group) = name.split_once('.').unwrap_or((name, ""));
    let source = match kinds().by_kind(group, kind) {
        Some(kind) => kind.source,
        None if name.starts_with("Istio") => "istio/istio values_types.proto",
        None => "istio/api mesh/v1alpha1",
    };
    Scope {
        name,
        root,
        source,
        context,
        pieces,
        whole: false,
        load_balancer: true,
        both_spellings: false,
    }
}

/// Annotations of which it is not said on what they stand.
fn annotations(sink: &mut Sink, scope: &Scope<'_>, node: &Node, label: Option<bool>) {
    let Value::Map(entries) = &node.kind else {
        return;
    };
    let known: Vec<_> = entries
        .iter()
        .filter(|(key, _)| metadata::is_known_prefix(&key.text))
        .cloned()
        .collect();
    for (key, value) in &known {
        let role = label.unwrap_or_else(|| {
            settings().annotation(&key.text).iter().all(|row| row.label)
                && !settings().annotation(&key.text).is_empty()
        });
        let alone = Node {
            kind: Value::Map(vec![(key.clone(), value.clone())]),
            ..node.clone()
        };
        metadata::judge(sink, scope, &alone, "", role);
    }
}

/// The ConfigMap that the sentence names, for keys in the spelling of its keys.
fn config_map_named(keys: &[&str], sentence: &str) -> Option<&'static str> {
    let shaped =
        |key: &&str| key.contains('-') && key.chars().all(|c| c.is_ascii_lowercase() || c == '-');
    let all = !keys.is_empty() && keys.iter().all(shaped);
    all.then(|| config_map::named_in(sentence)).flatten()
}

/// The ConfigMap that most of the keys are of.
fn config_map_of<'a>(keys: &[&str]) -> Option<&'a str> {
    let mut counts: HashMap<&'static str, usize> = HashMap::new();
    for row in settings().config_keys() {
        let named = keys.contains(&row.key) && (row.key.contains('-') || row.key.contains('.'));
        if named && row.configmap.starts_with("config-") {
            *counts.entry(row.configmap).or_default() += 1;
        }
    }
    let (name, count) = counts
        .into_iter()
        .max_by_key(|(name, count)| (*count, std::cmp::Reverse(*name)))?;
    (count * 2 >= keys.len()).then_some(name)
}

/// A values file of Istio's charts: top-level keys that only such a file has.
fn is_values(node: &Node, keys: &[&str]) -> bool {
    let Some(Shape::Object(fields)) = shapes().named("IstioValues").map(|shape| &**shape) else {
        return false;
    };
    let known = keys.iter().filter(|key| fields.contains_key(**key)).count();
    let mesh = node.get("meshConfig").is_some();
    let strong = keys.iter().any(|key| {
        matches!(
            *key,
            "global" | "pilot" | "gateways" | "sidecarInjectorWebhook"
        )
    });
    known > 0 && known * 2 >= keys.len() && (mesh || strong)
}

/// A single setting whose name no kind has, but which is nearly one of Istio's or Knative's.
fn typo(sink: &mut Sink, node: &Node) {
    let Value::Map(entries) = &node.kind else {
        return;
    };
    for (key, value) in entries.iter().take(40) {
        let name = key.text.as_str();
        let shaped = name.len() >= 8
            && name.chars().any(|c| c.is_ascii_uppercase())
            && name.chars().all(char::is_alphanumeric);
        if !shaped || index().by_field.contains_key(name) {
            continue;
        }
        let envoy = ENVOY_FIELDS
            .rows()
            .any(|row| row.get("fields").contains(&fields::snake(name)));
        let near = nearest(name, index().by_field.keys().copied());
        if let (Some(near), false) = (near, envoy) {
            let why = sink.say(
                format!("no kind has a field {name}"),
                format!("没有任何资源有字段 {name}"),
            );
            let text = format!("{name}: {}", values::text_of(value).unwrap_or_default());
            let judgement =
                Judgement::new(Verdict::Unknown, why, "istio/api, knative/serving").fix(near);
            sink.put(key.line, key.column, Kind::Field, &text, judgement);
        }
    }
}

/// Every place at which a kind of Istio or Knative has a field of this name: `Kind: path`.
#[must_use]
pub(crate) fn places(field: &str) -> Vec<(String, String)> {
    let index = index();
    index
        .by_field
        .get(field)
        .into_iter()
        .flatten()
        .map(|spot| {
            let name = index.roots[spot.root].0.trim_end_matches('.').to_owned();
            (
                name,
                format!("{}.{field}", spot.path)
                    .trim_start_matches('.')
                    .to_owned(),
            )
        })
        .collect()
}
