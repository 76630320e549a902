//! Manifests, whole and in part: what the API server, the webhooks and the components make of each field.

use std::sync::Arc;

use api::Severity;
use api::parse::{Key, Kind as Value, Node};

use super::blocks::Piece;
use super::fields::{self, Scope};
use super::items::{Kind, Sink};
use super::verdict::{Judgement, Verdict};
use super::{config_map, fragment, nested, object, values, yaml};
use crate::knowledge::{Shape, VERSIONS_REMOVED, kinds, nearest, shapes};

/// How a manifest reaches the cluster, where that matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Applied {
    /// `kubectl apply`, `replace` or `create` with this text.
    Whole,
    /// Something else, such as a file that is written.
    Not,
}

/// Judges all documents of a block.
pub(crate) fn judge(sink: &mut Sink, pieces: &[Piece], context: &str, applied: Option<Applied>) {
    for document in yaml::read(pieces) {
        let inside: Vec<Piece> = pieces
            .iter()
            .filter(|piece| (document.first_line..=document.last_line).contains(&piece.line))
            .cloned()
            .collect();
        node(sink, &document.node, context, &inside, applied);
    }
}

/// Judges a manifest that stands inside something else.
pub(crate) fn judge_node(sink: &mut Sink, node: &Node, context: &str, pieces: &[Piece]) {
    self::node(sink, node, context, pieces, None);
}

fn node(sink: &mut Sink, node: &Node, context: &str, pieces: &[Piece], applied: Option<Applied>) {
    let text = |field| node.get(field).and_then(Node::as_str);
    match (text("apiVersion"), text("kind")) {
        (Some("v1"), Some("List")) => {
            if let Some(Value::List(items)) = node.get("items").map(|items| &items.kind) {
                for item in items {
                    self::node(sink, item, context, pieces, applied);
                }
            }
        }
        (Some(api_version), Some(kind)) => {
            object(sink, node, api_version, kind, context, pieces, applied)
        }
        (None, Some(kind)) if node.get("spec").is_some() => match kinds().of_name(kind).next() {
            Some(known) => {
                let api_version = known.api_version();
                object(sink, node, &api_version, kind, context, pieces, applied);
            }
            None => fragment::judge(sink, node, context, pieces),
        },
        _ => fragment::judge(sink, node, context, pieces),
    }
}

fn object(
    sink: &mut Sink,
    node: &Node,
    api_version: &str,
    kind: &str,
    context: &str,
    pieces: &[Piece],
    applied: Option<Applied>,
) {
    let mark = sink.mark();
    let (group, version) = api_version.rsplit_once('/').unwrap_or(("", api_version));
    let (at_version, at_kind) = (node.place_of("apiVersion"), node.place_of("kind"));
    let served = group_and_version(sink, group, version, kind);
    let of_kind = named(sink, group, kind);
    put(
        sink,
        at_version,
        Kind::Field,
        &format!("apiVersion: {api_version}"),
        served.clone(),
    );
    put(
        sink,
        at_kind,
        Kind::Field,
        &format!("kind: {kind}"),
        of_kind.clone(),
    );
    let known = kinds()
        .by_kind(group, kind)
        .or_else(|| kinds().of_name(kind).next());
    if let (Some(known), false) = (known, values::is_placeholder(kind)) {
        let right = of_kind.verdict != Verdict::Unknown || served.verdict != Verdict::Works;
        let shape = shapes().kind(known.kind, known.group);
        if shape.is_none() {
            nested::judge(sink, node, context, pieces);
        }
        if let (true, Some(shape)) = (right, shape) {
            let name = known.key();
            let scope = Scope {
                name: &name,
                root: shape,
                source: known.source,
                context,
                pieces,
                whole: true,
                load_balancer: load_balancer(node),
                both_spellings: false,
            };
            body(sink, &scope, node, shape);
            admission(sink, group, version, kind, node, mark);
            for fault in object::judge(sink, known, node) {
                put(sink, fault.at, Kind::Field, &fault.text, fault.judgement);
            }
        }
    } else {
        nested::judge(sink, node, context, pieces);
    }
    whole(sink, node, kind, applied, mark);
}

/// Fields of fields that are refused as a whole, not for what they lack.
const WHOLE: &[&str] = &[
    "portLevelMtls",
    "distribute",
    "failover",
    "failoverPriority",
];

/// What Istio's webhook refuses of a part of a kind's spec.
pub(crate) fn admission_of_part(sink: &mut Sink, name: &str, path: &str, part: &Node, mark: usize) {
    let (kind, group) = name.split_once('.').unwrap_or((name, ""));
    let Some(known) = kinds().by_kind(group, kind) else {
        return;
    };
    let map = |key: &str, value: Node| {
        let key = Key {
            text: key.to_owned(),
            line: part.line,
            column: part.column,
        };
        Node {
            kind: Value::Map(vec![(key, value)]),
            ..part.clone()
        }
    };
    let mut whole = part.clone();
    for step in path.split('.').rev().filter(|step| !step.is_empty()) {
        let (step, list) = match step.strip_suffix("[]") {
            Some(step) => (step, true),
            None => (step, false),
        };
        if list && !matches!(whole.kind, Value::List(_)) {
            whole = Node {
                kind: Value::List(vec![whole]),
                ..part.clone()
            };
        }
        whole = map(step, whole);
    }
    let version = known.versions.first().copied().unwrap_or_default();
    admission(sink, group, version, kind, &whole, mark);
}

/// What Istio's webhook refuses though each field exists and has a value of its type. Fields that are left out are
/// no fault of an example.
fn admission(sink: &mut Sink, group: &str, version: &str, kind: &str, node: &Node, mark: usize) {
    let api_version = format!("{group}/{version}");
    let ty = api::kinds::by_api_version(&api_version, kind);
    let Some(ty) = ty.filter(|ty| ty.group.ends_with("istio.io")) else {
        return;
    };
    // What a part says nothing of may stand beside it.
    let named = node.get("metadata").is_some();
    for diagnostic in api::validate_at(ty, node) {
        let field = diagnostic.path.rsplit('.').next().unwrap_or_default();
        let present = node
            .value_of(&diagnostic.path)
            .and_then(|value| {
                let whole = named && WHOLE.contains(&field);
                values::text_of(value).or_else(|| whole.then(String::new))
            })
            .filter(|text| !values::is_placeholder(text));
        let (Some(text), Severity::Error) = (present, diagnostic.severity) else {
            continue;
        };
        let line = u32::try_from(diagnostic.line).unwrap_or(0);
        if sink.is_wrong_at(mark, line) {
            continue;
        }
        let judgement = Judgement::new(
            Verdict::Refused,
            diagnostic.message.clone(),
            "istio pkg/config/validation",
        )
        .fix(diagnostic.suggestion.unwrap_or_default());
        put(
            sink,
            (diagnostic.line, diagnostic.column),
            Kind::Field,
            &format!("{field}: {text}"),
            judgement,
        );
    }
}

fn load_balancer(node: &Node) -> bool {
    let of = |field| {
        node.get("spec")
            .and_then(|spec| spec.get(field))
            .and_then(Node::as_str)
    };
    of("type").is_none_or(|ty| ty == "LoadBalancer") || of("loadBalancerClass").is_some()
}

fn put(sink: &mut Sink, place: (usize, usize), kind: Kind, text: &str, judgement: Judgement) {
    let number = |at: usize| u32::try_from(at).unwrap_or(u32::MAX).max(1);
    sink.put(number(place.0), number(place.1), kind, text, judgement);
}

fn body(sink: &mut Sink, scope: &Scope<'_>, node: &Node, shape: &Shape) {
    let Value::Map(entries) = &node.kind else {
        return;
    };
    if scope.name == "ConfigMap." {
        let name = node
            .get("metadata")
            .and_then(|metadata| metadata.get("name"))
            .and_then(Node::as_str)
            .unwrap_or_default();
        if let Some(data) = node.get("data") {
            config_map::judge(sink, scope, name, data);
        }
    }
    let rest: Vec<(Key, Node)> = entries
        .iter()
        .filter(|(key, _)| {
            let judged = matches!(key.text.as_str(), "apiVersion" | "kind");
            !(judged || (scope.name == "ConfigMap." && key.text == "data") || key.text == "status")
        })
        .cloned()
        .collect();
    let rest = Node {
        kind: Value::Map(rest),
        ..node.clone()
    };
    fields::walk(sink, scope, &rest, shape, "");
}

/// The entry of the object as a whole: the worst of its parts, or what applying it destroys.
fn whole(sink: &mut Sink, node: &Node, kind: &str, applied: Option<Applied>, mark: usize) {
    let name = node
        .get("metadata")
        .and_then(|metadata| metadata.get("name"))
        .and_then(Node::as_str)
        .unwrap_or_default()
        .to_owned();
    let worst = sink
        .worst_since(mark)
        .filter(|item| item.verdict != Verdict::Works);
    let mut judgement = match worst {
        Some(item) => {
            let (text, line) = (item.text.clone(), item.line);
            let (verdict, reason) = (item.verdict, item.reason.clone());
            let (fix, source) = (item.fix.clone(), item.source.clone());
            let why = sink.say(
                format!("because of line {line} ({text}): {reason}"),
                format!("由于第 {line} 行（{text}）：{reason}"),
            );
            Judgement::new(verdict, why, source).fix(fix)
        }
        None => Judgement::fine("api"),
    };
    if let Some(destroyed) = wipes_mesh(sink, node, kind, &name, applied) {
        judgement = destroyed.worse(judgement);
    }
    let (line, column) = node.place_of("apiVersion");
    let first = node.place_of(if line == 0 { "kind" } else { "apiVersion" });
    put(
        sink,
        first.min((line.max(1), column.max(1))),
        Kind::Manifest,
        format!("{kind} {name}").trim(),
        judgement,
    );
}

/// A ConfigMap `istio` with a short `mesh` replaces the whole mesh configuration.
fn wipes_mesh(
    sink: &Sink,
    node: &Node,
    kind: &str,
    name: &str,
    applied: Option<Applied>,
) -> Option<Judgement> {
    let mesh = node.get("data").and_then(|data| data.get("mesh"))?;
    if kind != "ConfigMap" || name != "istio" || applied == Some(Applied::Not) {
        return None;
    }
    let text = mesh.as_str().unwrap_or_default();
    mesh_is_short(text).then(|| wipes(sink))
}

/// Whether a text for the key `mesh` lacks what the installation wrote there.
pub(crate) fn mesh_is_short(text: &str) -> bool {
    let keeps = ["rootNamespace", "discoveryAddress", "trustDomain"];
    !values::is_placeholder(text) && !keeps.iter().any(|key| text.contains(key))
}

/// What happens to the rest of the mesh configuration.
pub(crate) fn wipes(sink: &Sink) -> Judgement {
    let why = sink.say(
        "mesh is one string: this replaces the whole mesh configuration, and what stood in it (discoveryAddress, trustDomain, providers) is gone",
        "mesh 是一整个字符串：这会替换全部网格配置，原有内容（discoveryAddress、trustDomain、提供者）会丢失",
    );
    Judgement::new(Verdict::Destructive, why, "Istio ConfigMap istio, key mesh").fix(
        "istioctl install -f mesh.yaml (or helm upgrade --reuse-values --set meshConfig.…), or kubectl edit configmap istio -n istio-system",
    )
}

/// Whether the version of a group has the kind.
fn group_and_version(sink: &Sink, group: &str, version: &str, kind: &str) -> Judgement {
    if values::is_placeholder(group) || values::is_placeholder(version) {
        return Judgement::fine("");
    }
    let gone = VERSIONS_REMOVED.rows().find(|row| {
        row.get("group") == group
            && row.get("version") == version
            && matches!(row.get("kind"), k if k == kind || k == "*")
    });
    if let Some(row) = gone {
        let why = sink.say(
            format!("{group}/{version} is not served any more"),
            format!("{group}/{version} 已不再提供"),
        );
        return Judgement::new(Verdict::Unknown, why, row.get("source"))
            .fix(format!("apiVersion: {}", row.get("instead")));
    }
    let Some(known) = kinds().by_kind(group, kind) else {
        let elsewhere = kinds()
            .of_name(kind)
            .find(|_| group.is_empty() || kinds().knows_group(group));
        return match elsewhere {
            Some(right) if !removed(group, kind) => {
                let why = sink.say(
                    format!("group {group:?} has no kind {kind}"),
                    format!("组 {group:?} 没有 {kind}"),
                );
                Judgement::new(Verdict::Unknown, why, right.source)
                    .fix(format!("apiVersion: {}", right.api_version()))
            }
            _ => Judgement::fine(""),
        };
    };
    let istio = group.ends_with(".istio.io");
    let early = istio
        && version == "v1"
        && sink.options.istio < crate::knowledge::Version(1, 22)
        && group != "security.istio.io";
    if !known.versions.contains(&version) || early {
        let served = known.versions.join(", ");
        let why = sink.say(
            format!("{kind} has no version {version}; served are {served}"),
            format!("{kind} 没有版本 {version}；提供的有 {served}"),
        );
        let fix = if early {
            format!("apiVersion: {group}/v1beta1")
        } else {
            format!("apiVersion: {}", known.api_version())
        };
        return Judgement::new(Verdict::Unknown, why, known.source).fix(fix);
    }
    Judgement::fine(known.source)
}

fn removed(group: &str, kind: &str) -> bool {
    kinds()
        .removed()
        .iter()
        .any(|gone| gone.group == group && gone.kind == kind)
}

/// Whether the kind exists.
fn named(sink: &Sink, group: &str, kind: &str) -> Judgement {
    if values::is_placeholder(kind) {
        return Judgement::fine("");
    }
    let gone = kinds()
        .removed()
        .iter()
        .find(|gone| gone.group == group && gone.kind == kind);
    if let Some(gone) = gone.filter(|gone| {
        gone.kind != "IstioOperator" && !sink.options.istio.within("", gone.until)
            || gone.until.is_empty()
    }) {
        let why = sink.say(
            format!("{kind} of {group} is gone since {}", gone.until),
            format!("{group} 的 {kind} 自 {} 起移除", gone.until),
        );
        return Judgement::new(Verdict::Unknown, why, gone.source).fix(gone.instead);
    }
    if kinds().by_kind(group, kind).is_some()
        || !kinds().knows_group(group)
        || kinds().of_name(kind).next().is_some()
    {
        return Judgement::fine("");
    }
    let of_group = kinds()
        .all()
        .iter()
        .filter(|known| known.group == group)
        .map(|known| known.kind);
    let near = nearest(kind, of_group).unwrap_or_default();
    let why = sink.say(
        format!("group {group:?} has no kind {kind}"),
        format!("组 {group:?} 没有 {kind}"),
    );
    Judgement::new(Verdict::Unknown, why, "Kubernetes API groups").fix(near)
}

/// `spec.config` of a KnativeServing: ConfigMaps by their name without `config-`.
pub(crate) fn knative_config(sink: &mut Sink, scope: &Scope<'_>, key: &Key, value: &Node) {
    sink.put(
        key.line,
        key.column,
        Kind::Field,
        "config:",
        Judgement::fine(scope.source),
    );
    let Value::Map(entries) = &value.kind else {
        return;
    };
    for (key, data) in entries {
        let name = if key.text.starts_with("config-") {
            key.text.clone()
        } else {
            format!("config-{}", key.text)
        };
        sink.put(
            key.line,
            key.column,
            Kind::Field,
            &format!("{}:", key.text),
            Judgement::fine(scope.source),
        );
        config_map::judge(sink, scope, &name, data);
    }
}

fn scope_of<'a>(
    name: &'a str,
    shape: &'a Arc<Shape>,
    source: &'a str,
    context: &'a str,
    pieces: &'a [Piece],
) -> Scope<'a> {
    Scope {
        name,
        root: shape,
        source,
        context,
        pieces,
        whole: true,
        load_balancer: false,
        both_spellings: name != "IstioValues",
    }
}

/// `meshConfig:` of a values file or an IstioOperator file.
pub(crate) fn mesh_config(sink: &mut Sink, scope: &Scope<'_>, key: &Key, value: &Node) {
    sink.put(
        key.line,
        key.column,
        Kind::Field,
        "meshConfig:",
        Judgement::fine("istio/api config.proto"),
    );
    mesh_node(sink, value, scope.context, scope.pieces);
}

/// The mesh configuration itself.
pub(crate) fn mesh_node(sink: &mut Sink, node: &Node, context: &str, pieces: &[Piece]) {
    let shape = shapes().mesh_config();
    let scope = scope_of(
        "MeshConfig",
        shape,
        "istio/api mesh/v1alpha1/config.proto",
        context,
        pieces,
    );
    let Value::Map(entries) = &node.kind else {
        return;
    };
    let (proxy, rest): (Vec<_>, Vec<_>) = entries
        .iter()
        .cloned()
        .partition(|(key, _)| matches!(key.text.as_str(), "defaultConfig" | "default_config"));
    let rest = Node {
        kind: Value::Map(rest),
        ..node.clone()
    };
    fields::walk(sink, &scope, &rest, shape, "");
    for (key, value) in proxy {
        sink.put(
            key.line,
            key.column,
            Kind::Field,
            "defaultConfig:",
            Judgement::fine("istio/api config.proto"),
        );
        proxy_config(sink, &value, context, pieces);
    }
}

/// The settings of a proxy: `defaultConfig`, or the annotation `proxy.istio.io/config`.
pub(crate) fn proxy_config(sink: &mut Sink, node: &Node, context: &str, pieces: &[Piece]) {
    let shape = shapes().proxy_config();
    let scope = scope_of(
        "ProxyConfig",
        shape,
        "istio/api mesh/v1alpha1/proxy.proto",
        context,
        pieces,
    );
    fields::walk(sink, &scope, node, shape, "");
}

/// A values file of Istio's charts.
pub(crate) fn values(sink: &mut Sink, scope: &Scope<'_>, key: &Key, value: &Node) {
    sink.put(
        key.line,
        key.column,
        Kind::Field,
        "values:",
        Judgement::fine("istio values"),
    );
    values_node(sink, value, scope.context, scope.pieces);
}

/// The values themselves.
pub(crate) fn values_node(sink: &mut Sink, node: &Node, context: &str, pieces: &[Piece]) {
    let Some(shape) = shapes().named("IstioValues") else {
        return;
    };
    let scope = scope_of(
        "IstioValues",
        shape,
        "istio/istio values_types.proto",
        context,
        pieces,
    );
    fields::walk(sink, &scope, node, shape, "");
}
