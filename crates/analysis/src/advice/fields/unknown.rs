//! A key that the shape does not have: what was meant, and where it belongs.

use std::collections::BTreeMap;

use super::super::items::Sink;
use super::super::verdict::{Judgement, Verdict};
use super::Scope;
use crate::knowledge::{Shape, meant_fields, nearest, shapes};

/// A key that the shape does not have.
pub(super) fn judge(
    sink: &Sink,
    scope: &Scope<'_>,
    name: &str,
    path: &str,
    shape: &Shape,
) -> Judgement {
    let Shape::Object(fields) = shape else {
        return Judgement::fine(scope.source);
    };
    if fields.is_empty() {
        return Judgement::fine(scope.source);
    }
    let siblings = fields.keys().map(String::as_str);
    if let Some(near) = nearest(name, siblings).filter(|near| similar(near, name)) {
        let why = sink.say(
            format!("{} has no field {name}", scope.kind()),
            format!("{} 没有字段 {name}", scope.kind()),
        );
        return Judgement::new(Verdict::Unknown, why, scope.source).fix(near);
    }
    if let Some(place) = meant_place(scope.root, name, path) {
        let place = place.replace("[]", "");
        let why = sink.say(
            format!(
                "{name} does not belong here: {} has it at {place}",
                scope.kind()
            ),
            format!("{name} 的位置不对：{} 的该字段在 {place}", scope.kind()),
        );
        return Judgement::new(Verdict::Misplaced, why, scope.source).fix(place);
    }
    let meant = meant(scope.root, name, path, fields);
    let other = elsewhere(scope, name);
    if let (None, Some(place), true) = (&meant, &other, is_telling(name)) {
        let why = sink.say(
            format!("{} has no field {name}: {place} has it", scope.kind()),
            format!("{} 没有字段 {name}：它属于 {place}", scope.kind()),
        );
        return Judgement::new(Verdict::Misplaced, why, scope.source).fix(place);
    }
    let why = sink.say(
        format!("{} has no field {name}", scope.kind()),
        format!("{} 没有字段 {name}", scope.kind()),
    );
    let fix = meant.or(other).unwrap_or_else(|| {
        let known: Vec<&str> = fields.keys().map(String::as_str).take(30).collect();
        known.join(", ")
    });
    Judgement::new(Verdict::Unknown, why, scope.source).fix(fix)
}

/// Whether a name is of one thing alone: of several words, and long.
fn is_telling(name: &str) -> bool {
    name.len() >= 10 && name.chars().any(|c| c.is_ascii_uppercase()) && !GENERIC.contains(&name)
}

/// The field that was meant: a neighbour, or one nearby in the kind.
fn meant(root: &Shape, name: &str, path: &str, fields: &BTreeMap<String, Shape>) -> Option<String> {
    let siblings = meant_fields(name, fields.keys().map(String::as_str));
    if !siblings.is_empty() {
        return Some(siblings.join(" or "));
    }
    let mut near: Vec<(String, &str)> = Vec::new();
    root.visit("", &mut |place, field, _| {
        let status = place.starts_with("status") || place.starts_with("metadata");
        if !status && distance(path, place) <= NEAR {
            near.push((place.to_owned(), field));
        }
    });
    let found = meant_fields(name, near.iter().map(|(_, field)| *field));
    let [field] = found.as_slice() else {
        return None;
    };
    near.iter()
        .filter(|(_, name)| name == field)
        .min_by_key(|(place, _)| (distance(path, place), place.len()))
        .map(|(place, _)| place.replace("[]", ""))
}

/// Farthest that a field may stand from where a name of the same words was written, in steps up and down.
const NEAR: usize = 3;

/// Steps from a mapping up and down to the one that holds a field.
fn distance(path: &str, place: &str) -> usize {
    let here: Vec<&str> = path.split('.').collect();
    let steps: Vec<&str> = place.split('.').collect();
    let parent = &steps[..steps.len() - 1];
    let common = parent.iter().zip(&here).take_while(|(a, b)| a == b).count();
    (parent.len() - common) + (here.len() - common)
}

/// Names that differ in spelling alone, or by a letter or two of many.
fn similar(a: &str, b: &str) -> bool {
    strsim::damerau_levenshtein(&a.to_lowercase(), &b.to_lowercase()) <= 1 + a.len() / 6
        || a.eq_ignore_ascii_case(&b.replace(['_', '-'], ""))
}

/// Fields whose name says little: they are in the wrong place only where the right one is near.
const GENERIC: &[&str] = &[
    "name",
    "protocol",
    "mode",
    "host",
    "hosts",
    "port",
    "ports",
    "type",
    "labels",
    "metadata",
    "value",
    "namespace",
    "path",
    "key",
    "kind",
    "timeout",
    "interval",
    "enabled",
    "image",
    "number",
    "spec",
    "annotations",
    "selector",
    "percent",
    "service",
    "headers",
    "match",
    "uri",
    "version",
    "env",
    "replicas",
    "target",
    "http",
    "tcp",
];

/// Where the kind really has the field, if that is what was meant.
fn meant_place(root: &Shape, name: &str, path: &str) -> Option<String> {
    let place = root
        .places_of(name)
        .into_iter()
        .filter(|place| !place.starts_with("status") && !place.starts_with("metadata"))
        .min_by_key(|place| (distance(path, place), place.len()))?;
    let limit = if GENERIC.contains(&name) { 1 } else { 12 };
    (distance(path, &place) <= limit).then_some(place)
}

/// A setting of another place altogether, such as a field of MeshConfig in a values file.
fn elsewhere(scope: &Scope<'_>, name: &str) -> Option<String> {
    if name.len() < 8 {
        return None;
    }
    let all = shapes();
    let others = [
        ("MeshConfig", all.mesh_config().clone()),
        (
            "DestinationRule",
            all.named("DestinationRule.networking.istio.io")?.clone(),
        ),
        (
            "VirtualService",
            all.named("VirtualService.networking.istio.io")?.clone(),
        ),
        (
            "Telemetry",
            all.named("Telemetry.telemetry.istio.io")?.clone(),
        ),
        ("Gateway", all.named("Gateway.networking.istio.io")?.clone()),
        (
            "ServiceEntry",
            all.named("ServiceEntry.networking.istio.io")?.clone(),
        ),
        ("Sidecar", all.named("Sidecar.networking.istio.io")?.clone()),
        (
            "AuthorizationPolicy",
            all.named("AuthorizationPolicy.security.istio.io")?.clone(),
        ),
        ("ProxyConfig", all.proxy_config().clone()),
        (
            "Service (serving.knative.dev)",
            all.named("Service.serving.knative.dev")?.clone(),
        ),
    ];
    others.iter().find_map(|(kind, shape)| {
        let place = shape.places_of(name).into_iter().next()?;
        (*kind != scope.kind()).then(|| format!("{kind}: {}", place.replace("[]", "")))
    })
}
