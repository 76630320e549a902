//! kubectl: kinds, names, containers, JSONPath, patches, and who owns what is scaled.

use std::sync::LazyLock;

use regex::Regex;

use super::super::items::Sink;
use super::super::pipeline::compared;
use super::super::shell::Word;
use super::super::values::{self, Misfit};
use super::super::verdict::{Judgement, Verdict};
use super::super::{config_map, manifest, metadata, patch, path, prose};
use super::{Parsed, conditions, config_maps, field_selector, selector};
use crate::knowledge::{self, Workload, kinds, nearest, settings, shapes};

/// Judges a kubectl command beyond its flags.
pub(crate) fn judge(sink: &mut Sink, parsed: &Parsed<'_>, context: &str) -> Option<Judgement> {
    let sub = parsed.sub();
    let mut worst: Option<Judgement> = None;
    let mut add = |judgement: Option<Judgement>| {
        worst = match (worst.take(), judgement) {
            (Some(worst), Some(judgement)) => Some(worst.worse(judgement)),
            (worst, judgement) => worst.or(judgement),
        };
    };
    let words = &parsed.positional;
    match sub.as_str() {
        "get" | "describe" | "delete" | "edit" | "label" | "annotate" | "scale" | "explain"
        | "patch" | "wait" | "autoscale" | "expose" | "rollout restart" | "rollout status"
        | "rollout undo" | "rollout history" | "rollout pause" | "rollout resume" | "set env"
        | "set image" | "set resources" => {
            add(resources(sink, words));
            add(workload(sink, parsed, words));
        }
        "logs" | "exec" | "port-forward" | "attach" | "debug" => {
            add(workload(sink, parsed, words));
            add(container(sink, parsed, words));
            add(undashed(sink, parsed, words));
        }
        _ => {}
    }
    match sub.as_str() {
        "scale" | "autoscale" => add(owned(sink, parsed, words)),
        "label" | "annotate" => add(keys(sink, words, sub == "label")),
        "patch" => add(patch::judge(sink, parsed, context)),
        "set env" => add(env(sink, words)),
        "explain" => add(explain(sink, words)),
        "apply" => add(prunes_nothing(sink, parsed)),
        "create configmap" => add(created(sink, parsed, words)),
        sub if sub.starts_with("rollout ") => add(rollout(sink, words)),
        _ => {}
    }
    add(selector::judge(sink, parsed));
    add(field_selector::judge(sink, parsed));
    add(conditions::judge(sink, parsed));
    add(config_maps::name(sink, parsed, words));
    add(config_maps::keys(sink, parsed, words));
    if let Some(output) = parsed.flag("--output") {
        let kind = words
            .first()
            .map(|word| word.text.clone())
            .unwrap_or_default();
        add(path::output(sink, &kind, words.len(), output));
        let named = kind_named(words).map_or("", |known| known.kind);
        add(compared::judge(sink, "kubectl", named, output));
    }
    if let Some(by) = parsed.flag("--sort-by") {
        let kind = words
            .first()
            .map(|word| word.text.clone())
            .unwrap_or_default();
        add(path::jsonpath(sink, &kind, true, by));
    }
    if let Some(value) = parsed
        .flag("--for")
        .and_then(|value| value.strip_prefix("jsonpath="))
    {
        let kind = words
            .first()
            .map(|word| word.text.clone())
            .unwrap_or_default();
        add(path::jsonpath(
            sink,
            &kind,
            true,
            value.split("}=").next().unwrap_or(value),
        ));
    }
    worst
}

/// Formats of `kubectl get -o`.
pub(crate) fn output_format(value: &str) -> Option<Misfit> {
    const PLAIN: &[&str] = &["json", "yaml", "kyaml", "name", "wide"];
    const WITH: &[&str] = &[
        "jsonpath",
        "jsonpath-file",
        "jsonpath-as-json",
        "go-template",
        "go-template-file",
        "template",
        "templatefile",
        "custom-columns",
        "custom-columns-file",
    ];
    let name = value.split('=').next().unwrap_or(value);
    if PLAIN.contains(&name) || WITH.contains(&name) {
        return None;
    }
    let all = PLAIN.iter().chain(WITH).copied();
    Some(Misfit {
        why: (
            format!("kubectl prints no format {name:?}"),
            format!("kubectl 没有输出格式 {name:?}"),
        ),
        fix: nearest(name, all).map(str::to_owned),
    })
}

/// The kinds that the first words name: `pods`, `vs,dr`, `deployment/web`.
fn resources(sink: &Sink, words: &[&Word]) -> Option<Judgement> {
    let first = words.first()?;
    let slashed: Vec<&str> = words
        .iter()
        .map(|word| word.text.as_str())
        .filter(|text| text.contains('/'))
        .collect();
    let named: Vec<&str> = if first.text.contains('/') {
        slashed
    } else {
        vec![&first.text]
    };
    named
        .iter()
        .flat_map(|text| text.split('/').next().unwrap_or_default().split(','))
        .find_map(|kind| unknown_kind(sink, kind))
}

/// A kind that no API server has.
pub(crate) fn unknown_kind(sink: &Sink, name: &str) -> Option<Judgement> {
    let plain = name
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-'));
    if name.is_empty() || name == "all" || !plain || name.chars().all(|c| c.is_ascii_uppercase()) {
        return None;
    }
    if !kinds().by_resource(name).is_empty()
        || matches!(
            name,
            "istio-io"
                | "networking-istio-io"
                | "security-istio-io"
                | "knative"
                | "serving"
                | "gateway-api"
        )
    {
        return None;
    }
    let lower = name.to_ascii_lowercase();
    let plain = lower.split('.').next().unwrap_or_default();
    let gone = kinds()
        .removed()
        .iter()
        .find(|gone| gone.plural == plain || gone.kind.to_ascii_lowercase() == plain);
    if let Some(gone) = gone {
        let why = sink.say(
            format!("the kind {} is gone since {}", gone.kind, gone.until),
            format!("资源 {} 自 {} 起移除", gone.kind, gone.until),
        );
        return Some(Judgement::new(Verdict::Unknown, why, gone.source).fix(gone.instead));
    }
    let field = field_block(plain);
    let near = nearest(
        plain,
        kinds()
            .all()
            .iter()
            .flat_map(|kind| kind.names().iter().copied())
            .filter(|name| name.len() > 3),
    );
    let why = match &field {
        Some((kind, path)) => sink.say(
            format!("there is no kind {name}: it is a part of {kind} ({path})"),
            format!("没有资源 {name}：它是 {kind} 的一部分（{path}）"),
        ),
        None => sink.say(
            format!("no kind {name}: the server has no such resource type"),
            format!("没有资源类型 {name}"),
        ),
    };
    let fix = match (&field, near) {
        (Some((kind, path)), _) => format!(
            "kubectl get {} NAME -o jsonpath='{{.{path}}}'",
            kind.to_ascii_lowercase()
        ),
        (None, Some(near)) => format!("kubectl get {near}"),
        (None, None) => match plain {
            "meshconfig" | "meshconfigs" => {
                "kubectl get configmap istio -n istio-system -o yaml".to_owned()
            }
            _ => String::new(),
        },
    };
    Some(Judgement::new(Verdict::Unknown, why, "Kubernetes API resources").fix(fix))
}

/// A block of a kind of Istio or Knative that goes by this name.
fn field_block(name: &str) -> Option<(String, String)> {
    let all = shapes().all();
    all.iter()
        .filter(|(key, _)| key.ends_with(".istio.io") || key.ends_with(".knative.dev"))
        .find_map(|(key, shape)| {
            let mut found = None;
            shape.visit("", &mut |path, field, _| {
                let same = field.eq_ignore_ascii_case(name)
                    || field.eq_ignore_ascii_case(name.trim_end_matches('s'));
                if found.is_none() && same && field.len() > 5 && path.starts_with("spec") {
                    found = Some(path.replace("[]", "[*]"));
                }
            });
            Some((key.split('.').next()?.to_owned(), found?))
        })
}

/// `deploy/istiod`, or `deploy istiod`: the kind and the name.
pub(super) fn target(words: &[&Word]) -> Vec<(String, String)> {
    let mut out = Vec::new();
    let first = words
        .first()
        .map(|word| word.text.as_str())
        .unwrap_or_default();
    for word in words {
        if let Some((kind, name)) = word.text.split_once('/') {
            out.push((kind.to_owned(), name.to_owned()));
        }
    }
    if out.is_empty() {
        out.extend(
            words
                .iter()
                .skip(1)
                .map(|word| (first.to_owned(), word.text.clone())),
        );
    }
    out
}

fn known_workload(kind: &str, name: &str, namespace: Option<&str>) -> Option<&'static Workload> {
    let kinds = kinds().by_resource(kind);
    if !kinds
        .iter()
        .any(|kind| matches!(kind.kind, "Deployment" | "DaemonSet" | "StatefulSet"))
    {
        return None;
    }
    settings()
        .workloads()
        .iter()
        .filter(|workload| workload.name == name)
        .find(|workload| {
            namespace.is_none_or(|namespace| {
                namespace == workload.namespace || values::is_placeholder(namespace)
            })
        })
}

/// Workloads of the control planes that are gone.
fn workload(sink: &Sink, parsed: &Parsed<'_>, words: &[&Word]) -> Option<Judgement> {
    let namespace = parsed.flag("--namespace");
    target(words).iter().find_map(|(kind, name)| {
        let workload = known_workload(kind, name, namespace)?;
        if workload.status.is_empty() {
            return None;
        }
        let why = sink.say(
            format!("there is no workload {name} in {}", workload.namespace),
            format!("{} 中没有工作负载 {name}", workload.namespace),
        );
        Some(Judgement::new(Verdict::Unknown, why, workload.source).fix(workload.instead))
    })
}

/// The kind that the first word names: `pods`, `deployment/web`.
pub(super) fn kind_named(words: &[&Word]) -> Option<&'static knowledge::Kind> {
    let kind = words.first()?.text.split('/').next()?;
    kinds().by_resource(kind).into_iter().next()
}

/// `kubectl rollout` of a kind that has no rollouts.
fn rollout(sink: &Sink, words: &[&Word]) -> Option<Judgement> {
    let known = kind_named(words)?;
    if matches!(known.kind, "Deployment" | "DaemonSet" | "StatefulSet") {
        return None;
    }
    let why = sink.say(
        format!(
            "kubectl rollout knows Deployments, DaemonSets and StatefulSets, no {}",
            known.kind
        ),
        format!(
            "kubectl rollout 只支持 Deployment、DaemonSet、StatefulSet，不支持 {}",
            known.kind
        ),
    );
    Some(
        Judgement::new(Verdict::Refused, why, "kubectl rollout")
            .fix("kubectl rollout restart deployment/NAME"),
    )
}

/// Pods of revisions, as their Deployment names them.
static REVISION_POD: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"-[0-9]{5}-deployment\b").ok());

/// `-c NAME` of a workload whose containers are known; programs that the container does not have.
fn container(sink: &Sink, parsed: &Parsed<'_>, words: &[&Word]) -> Option<Judgement> {
    let container = parsed.flag("--container")?;
    if values::is_placeholder(container) {
        return None;
    }
    let namespace = parsed.flag("--namespace");
    let labelled = parsed
        .flag("--selector")
        .and_then(|selector| selector.strip_prefix("app="))
        .map(|app| ("deployment".to_owned(), app.to_owned()));
    for (kind, name) in target(words).into_iter().chain(labelled) {
        let Some(workload) = known_workload(&kind, &name, namespace) else {
            continue;
        };
        let fits = workload
            .containers
            .split(',')
            .any(|known| known == container)
            || matches!(container, "istio-proxy" | "istio-init" | "istio-validation");
        if !fits && !workload.containers.is_empty() {
            let why = sink.say(
                format!("{name} has no container {container}"),
                format!("{name} 没有容器 {container}"),
            );
            return Some(
                Judgement::new(Verdict::Unknown, why, workload.source)
                    .fix(format!("-c {}", workload.containers)),
            );
        }
    }
    let of_revision = words.iter().any(|word| {
        REVISION_POD
            .as_ref()
            .is_some_and(|pod| pod.is_match(&word.text))
    });
    if of_revision
        && matches!(
            container,
            "queue" | "queueproxy" | "user" | "activator" | "app"
        )
    {
        let why = sink.say(
            "a pod of a revision has the containers user-container (unless named) and queue-proxy",
            "Revision 的 Pod 有容器 user-container（未命名时）和 queue-proxy",
        );
        let fix = if container.starts_with("queue") {
            "-c queue-proxy"
        } else {
            "-c user-container"
        };
        return Some(Judgement::new(Verdict::Unknown, why, "knative/serving").fix(fix));
    }
    let program = parsed.inner.first().map(|word| word.text.as_str())?;
    if container == "queue-proxy" && parsed.path.first() == Some(&"exec") {
        let why = sink.say(
            format!("the image of queue-proxy holds one program alone: there is no {program}"),
            format!("queue-proxy 镜像只有一个程序：没有 {program}"),
        );
        return Some(
            Judgement::new(Verdict::Refused, why, "knative/serving, distroless image")
                .fix("kubectl debug -it POD --image=curlimages/curl --target=queue-proxy"),
        );
    }
    None
}

/// `kubectl apply --prune` without a word on what may go.
fn prunes_nothing(sink: &Sink, parsed: &Parsed<'_>) -> Option<Judgement> {
    let bounded = ["--all", "--selector", "--applyset"];
    if !parsed.has("--prune") || bounded.iter().any(|flag| parsed.has(flag)) {
        return None;
    }
    let why = sink.say(
        "--prune wants a selector or --all: all resources selected for prune without explicitly passing --all",
        "--prune 必须同时给出选择器或 --all：否则报错退出",
    );
    Some(
        Judgement::new(Verdict::Refused, why, "kubectl apply")
            .fix("kubectl apply --prune -l app=NAME -f …"),
    )
}

/// `kubectl exec POD COMMAND`, as it once was: `--` has to stand before the command.
fn undashed(sink: &Sink, parsed: &Parsed<'_>, words: &[&Word]) -> Option<Judgement> {
    let [pod, command, ..] = words else {
        return None;
    };
    let placeholder = values::is_placeholder(&command.text);
    if parsed.path != ["exec"] || !parsed.inner.is_empty() || placeholder {
        return None;
    }
    let why = sink.say(
        "kubectl exec wants -- before the command: it stops with an error",
        "kubectl exec 的命令前必须有 --：否则报错退出",
    );
    let rest: Vec<&str> = words[1..].iter().map(|word| word.text.as_str()).collect();
    let fix = format!("kubectl exec {} -- {}", pod.text, rest.join(" "));
    Some(Judgement::new(Verdict::Refused, why, "kubectl exec").fix(fix))
}

/// Replicas that somebody else writes.
fn owned(sink: &Sink, parsed: &Parsed<'_>, words: &[&Word]) -> Option<Judgement> {
    let namespace = parsed.flag("--namespace");
    let scale = parsed.path.first() == Some(&"scale");
    target(words).iter().find_map(|(kind, name)| {
        if let (Some(workload), true) = (known_workload(kind, name, namespace), scale) {
            if workload.owner.is_empty() {
                return None;
            }
            let why = sink.say(
                format!("{} sets the replicas back within a minute", workload.owner),
                format!("{} 会在一分钟内改回副本数", workload.owner),
            );
            return Some(Judgement::new(Verdict::Ignored, why, workload.source).fix(format!(
                "KnativeServing: spec.workloads: [{{name: {name}, replicas: N}}], or kubectl patch hpa {name} -n {} -p '{{\"spec\":{{\"minReplicas\":N}}}}'",
                workload.namespace
            )));
        }
        let revision = name
            .strip_suffix("-deployment")
            .and_then(|revision| revision.rsplit('-').next())
            .is_some_and(|number| number.len() == 5 && number.chars().all(|c| c.is_ascii_digit()));
        let service = matches!(kind.as_str(), "ksvc" | "kservice");
        if service {
            let why = sink.say("a Service of Knative has no scale", "Knative Service 不能 scale");
            return Some(Judgement::new(Verdict::Refused, why, "knative/serving").fix("autoscaling.knative.dev/min-scale on spec.template.metadata.annotations"));
        }
        if !revision {
            return None;
        }
        let why = sink.say(
            "the autoscaler sets the replicas of a revision’s Deployment back",
            "自动扩缩器会改回 Revision 的 Deployment 副本数",
        );
        Some(Judgement::new(Verdict::Ignored, why, "knative/serving").fix("autoscaling.knative.dev/min-scale and max-scale on spec.template.metadata.annotations"))
    })
}

/// `kubectl label ns shop istio-injection=enabled`.
fn keys(sink: &Sink, words: &[&Word], label: bool) -> Option<Judgement> {
    let kind = words.first()?.text.split('/').next()?.to_owned();
    let kinds = kinds().by_resource(&kind);
    let name = kinds.first()?.key();
    let place = metadata::place(
        &name,
        if label {
            "metadata.labels"
        } else {
            "metadata.annotations"
        },
    )?;
    let place = if matches!(kind.as_str(), "ksvc" | "kservice") {
        "ksvc"
    } else {
        place
    };
    let has = |text: &str| words.iter().any(|word| word.text.starts_with(text));
    if label && has("istio-injection=") && has("istio.io/rev=") {
        let why = sink.say(
            "istio-injection wins over istio.io/rev: the revision is not used",
            "istio-injection 优先于 istio.io/rev：该修订版不会生效",
        );
        return Some(
            Judgement::new(Verdict::Ignored, why, "istio injection webhook")
                .fix("kubectl label namespace NAME istio-injection- istio.io/rev=REVISION"),
        );
    }
    words.iter().skip(1).find_map(|word| {
        let (key, value) = match word.text.split_once('=') {
            Some((key, value)) => (key, Some(value)),
            None => (word.text.strip_suffix('-')?, None),
        };
        let judgement = metadata::one(sink, key, value, place, Some(label));
        judgement.is_wrong().then_some(judgement)
    })
}

fn env(sink: &mut Sink, words: &[&Word]) -> Option<Judgement> {
    let istiod = target(words).iter().any(|(_, name)| name == "istiod");
    words.iter().find_map(|word| {
        let (name, _) = word.text.split_once('=')?;
        let judgement = prose::env_judgement(sink, name)?;
        (istiod || name.starts_with("PILOT_") || name.starts_with("ISTIO_META_"))
            .then_some(judgement)
            .filter(Judgement::is_wrong)
    })
}

/// `kubectl explain vs.spec.http`.
fn explain(sink: &mut Sink, words: &[&Word]) -> Option<Judgement> {
    let (kind, field) = words.first()?.text.split_once('.')?;
    if field.contains("istio.io") || field.contains("knative.dev") {
        return None;
    }
    path::dotted(sink, kind, field)
}

/// `kubectl create configmap istio --from-literal=mesh=…`.
fn created(sink: &Sink, parsed: &Parsed<'_>, words: &[&Word]) -> Option<Judgement> {
    let name = words.first()?.text.clone();
    let literal = parsed.flag("--from-literal")?;
    let (key, value) = literal.split_once('=')?;
    if name == "istio" && key == "mesh" && manifest::mesh_is_short(value) {
        return Some(manifest::wipes(sink));
    }
    if !name.starts_with("config-") || settings().config_map(&name).next().is_none() {
        return None;
    }
    Some(config_map::setting(sink, &name, key, Some(value))).filter(Judgement::is_wrong)
}

/// The shapes of the kinds that kubectl may mean by a name.
pub(crate) fn shapes_of(name: &str) -> Vec<(&'static knowledge::Kind, &'static knowledge::Shape)> {
    let name = name.split('/').next().unwrap_or(name);
    kinds()
        .by_resource(name)
        .into_iter()
        .filter_map(|kind| Some((kind, &**shapes().kind(kind.kind, kind.group)?)))
        .collect()
}
