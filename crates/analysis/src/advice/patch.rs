//! `kubectl patch`: what the payload would do to the object.

use api::parse::{Kind as Value, Node};

use super::blocks::Piece;
use super::command::{Parsed, kubectl};
use super::fields::{self, Scope};
use super::items::{Kind, Sink};
use super::values;
use super::verdict::{Judgement, Verdict};
use super::yaml;
use super::{config_map, manifest};
use crate::knowledge::{Shape, kinds};

/// Judges the payload of a patch; what it does weighs on the command.
pub(crate) fn judge(sink: &mut Sink, parsed: &Parsed<'_>, context: &str) -> Option<Judgement> {
    let (_, value, word) = parsed.flags.iter().find(|(flag, _, _)| flag == "--patch")?;
    let payload = value.as_deref()?;
    if values::is_placeholder(payload) && !payload.contains(':') {
        return None;
    }
    let words = &parsed.positional;
    let first = words.first()?.text.clone();
    let (kind, name) = match first.split_once('/') {
        Some((kind, name)) => (kind.to_owned(), name.to_owned()),
        None => (
            first.clone(),
            words
                .get(1)
                .map(|word| word.text.clone())
                .unwrap_or_default(),
        ),
    };
    let at = (word.line, word.column);
    let pieces: Vec<Piece> = payload
        .lines()
        .zip(0..)
        .map(|(text, offset)| Piece {
            line: at.0 + offset,
            column: if offset == 0 { at.1 } else { 1 },
            text: text.to_owned(),
        })
        .collect();
    let mark = sink.mark();
    let mut judgement: Option<Judgement> = strategic(sink, parsed, &kind);
    for document in yaml::read(&pieces) {
        if let Value::List(operations) = &document.node.kind {
            judgement = judgement.or(operations.iter().find_map(|operation| {
                wipes_all(sink, operation).or_else(|| self::operation(sink, &kind, operation))
            }));
            continue;
        }
        judgement = judgement
            .or_else(|| nulled(sink, &document.node))
            .or_else(|| containers(sink, parsed, &document.node))
            .or_else(|| adds(sink, parsed, &kind, &document.node, context))
            .or_else(|| example(sink, &kind, &name, &document.node));
        let mesh = mesh_of(&document.node, &kind, &name);
        if mesh.is_some_and(|mesh| manifest::mesh_is_short(&mesh)) {
            judgement = Some(manifest::wipes(sink));
        }
        body(sink, &kind, &name, &document.node, context, &pieces);
    }
    let worst = sink
        .worst_since(mark)
        .filter(|item| item.verdict != Verdict::Works)
        .map(|item| Judgement {
            verdict: item.verdict,
            reason: item.reason.clone(),
            fix: item.fix.clone(),
            source: item.source.clone(),
        });
    match (judgement, worst) {
        (Some(judgement), Some(worst)) => Some(judgement.worse(worst)),
        (judgement, worst) => judgement.or(worst),
    }
}

fn is_custom(kind: &str) -> bool {
    let known = kinds().by_resource(kind);
    known.first().is_some_and(|known| known.is_of_mesh())
}

/// Without `--type` the patch is a strategic merge, which no custom resource takes.
fn strategic(sink: &Sink, parsed: &Parsed<'_>, kind: &str) -> Option<Judgement> {
    let ty = parsed.flag("--type").unwrap_or("strategic");
    if ty != "strategic" || !is_custom(kind) {
        return None;
    }
    let why = sink.say(
        "custom resources take no strategic merge patch, which is the default: 415 UnsupportedMediaType",
        "自定义资源不支持默认的 strategic merge patch：返回 415 UnsupportedMediaType",
    );
    Some(
        Judgement::new(
            Verdict::Refused,
            why,
            "kubectl patch, Kubernetes custom resources",
        )
        .fix("--type merge"),
    )
}

/// A merge patch of a list that is meant to add to it: a merge puts the new list in the place of the old one.
fn adds(
    sink: &Sink,
    parsed: &Parsed<'_>,
    kind: &str,
    node: &Node,
    context: &str,
) -> Option<Judgement> {
    const LISTS: &[&str] = &[
        "subsets",
        "http",
        "tcp",
        "tls",
        "hosts",
        "servers",
        "rules",
        "traffic",
        "endpoints",
        "egress",
    ];
    const WORDS: &[&str] = &[
        "add ",
        "adds ",
        "append",
        "beside",
        "another",
        "additional",
        "one more",
        "as well",
        "添加",
        "追加",
        "增加",
        "新增",
        "再加",
    ];
    if parsed.flag("--type") != Some("merge") || !is_custom(kind) {
        return None;
    }
    let spec = node.get("spec")?;
    let list = LISTS.iter().find(|name| {
        spec.get(name)
            .is_some_and(|list| matches!(list.kind, Value::List(_)))
    })?;
    if !WORDS.iter().any(|word| context.contains(word)) {
        return None;
    }
    let why = sink.say(
        format!("a merge patch replaces the whole list {list}: what stood in it is gone"),
        format!("merge patch 会替换整个列表 {list}：原有内容会丢失"),
    );
    Some(
        Judgement::new(Verdict::Destructive, why, "RFC 7396").fix(format!(
            "--type json -p '[{{\"op\":\"add\",\"path\":\"/spec/{list}/-\",\"value\":…}}]'"
        )),
    )
}

/// A merge patch of containers that says little of each: what it leaves out is gone.
fn containers(sink: &Sink, parsed: &Parsed<'_>, node: &Node) -> Option<Judgement> {
    if parsed.flag("--type") != Some("merge") {
        return None;
    }
    let list = node
        .value_of("spec.template.spec.containers")
        .or_else(|| node.value_of("spec.containers"))?;
    let Value::List(items) = &list.kind else {
        return None;
    };
    let short = |item: &Node| match &item.kind {
        Value::Map(entries) => {
            let bare = |name: &str| matches!(name, "name" | "image" | "env" | "resources" | "args");
            entries.len() < 3 && entries.iter().all(|(key, _)| bare(&key.text))
        }
        _ => false,
    };
    if !items.iter().any(short) {
        return None;
    }
    let why = sink.say(
        "a merge patch replaces the whole list of containers: environment, ports, resources and probes that are not named here are gone",
        "merge patch 会替换整个 containers 列表：未写出的环境变量、端口、资源与探针都会丢失",
    );
    Some(
        Judgement::new(Verdict::Destructive, why, "RFC 7396").fix(
            "--type json -p '[{\"op\":\"replace\",\"path\":\"/spec/template/spec/containers/0/image\",\"value\":\"IMAGE\"}]'",
        ),
    )
}

/// A JSON patch that puts one value in the place of everything.
fn wipes_all(sink: &Sink, operation: &Node) -> Option<Judgement> {
    let text = |field| operation.get(field).and_then(Node::as_str);
    let (op, path) = (text("op")?, text("path")?);
    let everything = matches!(
        path,
        "/data" | "/spec" | "/metadata/annotations" | "/metadata/labels"
    );
    // `add` makes the map where there is none, and replaces it where there is one.
    if !everything || !matches!(op, "replace" | "remove" | "add") {
        return None;
    }
    Some(wiped(sink, path))
}

fn wiped(sink: &Sink, what: &str) -> Judgement {
    let why = sink.say(
        format!("all that stands in {what} is gone, not only what you name"),
        format!("{what} 中的全部内容都会丢失，而不只是你写的键"),
    );
    Judgement::new(Verdict::Destructive, why, "RFC 6902, RFC 7396")
        .fix("--type merge -p '{\"data\":{\"KEY\":\"VALUE\"}}'")
}

/// A merge patch whose null removes everything.
fn nulled(sink: &Sink, node: &Node) -> Option<Judgement> {
    ["data", "spec"].into_iter().find_map(|field| {
        let null = matches!(node.get(field)?.kind, Value::Null);
        null.then(|| wiped(sink, field))
    })
}

fn is_config_map(kind: &str) -> bool {
    matches!(kind, "cm" | "configmap" | "configmaps")
}

/// Knative guards the documentation in its ConfigMaps by a checksum.
fn example(sink: &Sink, kind: &str, name: &str, node: &Node) -> Option<Judgement> {
    if !is_config_map(kind) || !name.starts_with("config-") {
        return None;
    }
    node.get("data")?.get("_example")?;
    let why = sink.say(
        "_example is documentation under a checksum: the webhook refuses the change; keys stand beside it",
        "_example 只是带校验和的文档：Webhook 会拒绝修改；键应与它并列",
    );
    Some(
        Judgement::new(
            Verdict::Refused,
            why,
            "knative/pkg configmap example checksum",
        )
        .fix("-p '{\"data\":{\"KEY\":\"VALUE\"}}'"),
    )
}

fn mesh_of(node: &Node, kind: &str, name: &str) -> Option<String> {
    if !is_config_map(kind) || name != "istio" {
        return None;
    }
    node.get("data")?.get("mesh")?.as_str().map(str::to_owned)
}

fn body(sink: &mut Sink, kind: &str, name: &str, node: &Node, context: &str, pieces: &[Piece]) {
    let Some((known, shape)) = kubectl::shapes_of(kind).into_iter().next() else {
        return;
    };
    let key = known.key();
    let scope = Scope {
        name: &key,
        root: shape,
        source: known.source,
        context,
        pieces,
        whole: true,
        load_balancer: true,
        both_spellings: false,
    };
    if key == "ConfigMap." {
        if let Some(data) = node.get("data") {
            config_map::judge(sink, &scope, name, data);
        }
        return;
    }
    fields::walk(sink, &scope, node, shape, "");
}

/// One operation of a JSON patch.
fn operation(sink: &mut Sink, kind: &str, operation: &Node) -> Option<Judgement> {
    let path = operation.get("path").and_then(Node::as_str)?;
    let op = operation
        .get("op")
        .and_then(Node::as_str)
        .unwrap_or_default();
    if !matches!(op, "add" | "remove" | "replace" | "move" | "copy" | "test")
        && !values::is_placeholder(op)
    {
        let why = sink.say(
            format!("no operation {op:?} in a JSON patch"),
            format!("JSON Patch 没有操作 {op:?}"),
        );
        return Some(Judgement::new(Verdict::Refused, why, "RFC 6902").fix("add, remove, replace"));
    }
    let mut found = None;
    for (known, root) in kubectl::shapes_of(kind) {
        let mut shape = root;
        let mut missing = None;
        for step in path.split('/').skip(1) {
            let step = step.replace("~1", "/").replace("~0", "~");
            match shape {
                Shape::Object(fields) if !fields.is_empty() => match fields.get(&step) {
                    Some(next) => shape = next,
                    None => {
                        missing = Some(step);
                        break;
                    }
                },
                Shape::Map(next) | Shape::List(next) => shape = next,
                _ => break,
            }
        }
        let step = missing?;
        let place = root.places_of(&step).into_iter().next();
        let why = sink.say(
            format!("{} has no {path}: the patch is refused", known.kind),
            format!("{} 没有 {path}：补丁会被拒绝", known.kind),
        );
        let verdict = if place.is_some() {
            Verdict::Misplaced
        } else {
            Verdict::Unknown
        };
        let fix = place
            .map(|place| format!("/{}", place.replace("[]", "/0").replace('.', "/")))
            .unwrap_or_default();
        found = Some(Judgement::new(verdict, why, known.source).fix(fix));
    }
    if let Some(judgement) = &found {
        sink.put(
            operation.line,
            operation.column,
            Kind::Patch,
            path,
            judgement.clone(),
        );
    }
    found
}
