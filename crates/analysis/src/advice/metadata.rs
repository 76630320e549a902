//! Annotations and labels: whether they exist, stand where they are read, and have a value that is taken.

use api::parse::{Kind as Value, Node};

use super::command::aws;
use super::fields::{self, Scope};
use super::items::{Kind, Sink};
use super::values;
use super::verdict::{Judgement, Verdict};
use super::{manifest, yaml};
use crate::knowledge::{Annotation, PREFIXES, nearest, settings};

/// Where metadata stands, in the words of the tables. `None` if the path is not that of annotations or labels.
pub(crate) fn place(kind: &str, path: &str) -> Option<&'static str> {
    let parent = path
        .strip_suffix(".annotations")
        .or_else(|| path.strip_suffix(".labels"))?;
    let short = kind.split('.').next().unwrap_or(kind);
    match parent {
        "metadata" => Some(match (short, kind) {
            (_, "Service.serving.knative.dev") => "ksvc",
            ("Configuration", _) => "ksvc",
            ("Route", _) => "Route",
            ("Revision", _) => "Revision",
            ("PodAutoscaler", _) => "PodAutoscaler",
            ("Pod", _) => "pod",
            ("Service", _) => "service",
            ("Ingress", _) => "ingress",
            ("Namespace", _) => "namespace",
            ("Node", _) => "node",
            ("Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" | "Job" | "CronJob", _) => {
                "workload"
            }
            ("AuthorizationPolicy", _) => "AuthorizationPolicy",
            ("WorkloadEntry", _) => "WorkloadEntry",
            ("ServiceEntry", _) => "ServiceEntry",
            ("Gateway", _) => "Gateway",
            ("GatewayClass", _) => "GatewayClass",
            ("DomainMapping", _) => "DomainMapping",
            _ => "other",
        }),
        "spec.template.metadata" | "template.metadata" => {
            Some(if kind.ends_with(".serving.knative.dev") {
                "revision-template"
            } else {
                "pod"
            })
        }
        "spec.jobTemplate.spec.template.metadata" => Some("pod"),
        _ => None,
    }
}

/// Judges a mapping of annotations or labels at a place; an empty place is one that is not known.
pub(crate) fn judge(sink: &mut Sink, scope: &Scope<'_>, node: &Node, place: &str, label: bool) {
    let Value::Map(entries) = &node.kind else {
        return;
    };
    for (key, value) in entries {
        let text = values::text_of(value).unwrap_or_default();
        let mut judgement = one(sink, &key.text, Some(&text), place, Some(label));
        let bare = matches!(value.kind, Value::Bool(_) | Value::Int(_) | Value::Float(_));
        if bare && judgement.verdict <= Verdict::Deprecated && !place.is_empty() {
            let why = sink.say(
                "annotations and labels are strings: put the value in quotes",
                "注解和标签的值是字符串：请加引号",
            );
            judgement = Judgement::new(Verdict::Refused, why, "Kubernetes ObjectMeta")
                .fix(format!("{}: \"{text}\"", key.text));
        }
        let around = fields::around(scope, key.line);
        let opposed = fields::opposes(sink, "annotation", present(&key.text), &text, &around)
            .or_else(|| aws::opposed(sink, &key.text, &text, &around));
        let judgement = match opposed {
            Some(opposed) => judgement.worse(opposed),
            None => judgement,
        };
        let kind = if label { Kind::Label } else { Kind::Annotation };
        let shown = format!("{}: {}", key.text, text.lines().next().unwrap_or_default());
        sink.put(key.line, key.column, kind, &shown, judgement);
        if key.text == "proxy.istio.io/config" {
            let pieces = fields::nested(scope, key, value);
            for document in yaml::read(&pieces) {
                manifest::proxy_config(sink, &document.node, scope.context, &pieces);
            }
        }
    }
}

/// The present name of a key that is an older spelling.
fn present(key: &str) -> &str {
    let old = settings()
        .annotation(key)
        .iter()
        .find(|row| row.status == "deprecated" && !settings().annotation(row.instead).is_empty());
    old.map_or(key, |row| row.instead)
}

/// Whether a key is of a prefix of which all keys are known.
pub(crate) fn is_known_prefix(key: &str) -> bool {
    key == "istio-injection"
        || !settings().annotation(key).is_empty()
        || PREFIXES
            .rows()
            .any(|row| key.starts_with(row.get("prefix")))
        || is_invented(key)
}

/// Whether the domain of a key is Istio's, and one under which Istio has no key.
fn is_invented(key: &str) -> bool {
    const OTHERS: &[&str] = &[
        "operator.istio.io",
        "install.operator.istio.io",
        "gateway.istio.io",
        "internal.istio.io",
    ];
    let Some((domain, name)) = key.split_once('/') else {
        return false;
    };
    if domain == "istio.io" {
        let page = ["latest", "docs", "blog", "news", "v1"];
        return settings().annotation(key).is_empty()
            && !page.iter().any(|page| name.starts_with(page));
    }
    let of_istio = domain.ends_with(".istio.io") && !OTHERS.contains(&domain);
    of_istio
        && !settings().annotations().any(|row| {
            row.key
                .split_once('/')
                .is_some_and(|(known, _)| known == domain)
        })
}

/// Judges one annotation or label. An empty place is one that is not known; `label` says which it is, if known.
pub(crate) fn one(
    sink: &Sink,
    key: &str,
    value: Option<&str>,
    place: &str,
    label: Option<bool>,
) -> Judgement {
    let rows = settings().annotation(key);
    if rows.is_empty() {
        return missing(sink, key);
    }
    let of_role = label.and_then(|label| rows.iter().find(|row| row.label == label));
    let row = of_role.unwrap_or(&rows[0]);
    if let (None, Some(label)) = (of_role, label) {
        return wrong_role(sink, row, label);
    }
    if let Some(gone) = gone(sink, row) {
        return gone;
    }
    if !place.is_empty() && !stands(row, place) {
        return misplaced(sink, row, place);
    }
    if let Some(refused) = value.and_then(|value| conditional(sink, row, value)) {
        return refused;
    }
    if let Some(misfit) = value.and_then(|value| values::check(row.ty, value)) {
        let why = sink.say(misfit.why.0, misfit.why.1);
        // Labels are only read: no webhook refuses one for its value.
        let verdict = if row.label {
            Verdict::Ignored
        } else {
            Verdict::Refused
        };
        return Judgement::new(verdict, why, row.source).fix(misfit.fix.unwrap_or_default());
    }
    if let Some(refused) = value
        .filter(|_| row.ty.starts_with("map:"))
        .and_then(|value| aws::annotation(sink, key, value))
    {
        return refused;
    }
    if row.status == "deprecated" {
        let why = sink.say(
            format!("still read; the present form is {}", row.instead),
            format!("仍会读取；现在的写法是 {}", row.instead),
        );
        return Judgement::new(Verdict::Deprecated, why, row.source).fix(row.instead);
    }
    Judgement::fine(row.source)
}

/// Values that are taken only where something else, of which the text says nothing, is set.
fn conditional(sink: &Sink, row: &Annotation, value: &str) -> Option<Judgement> {
    const SOURCE: &str = "knative/serving annotation_validation.go";
    let zero = matches!(
        row.key,
        "autoscaling.knative.dev/initial-scale" | "autoscaling.knative.dev/initialScale"
    );
    if zero && value == "0" {
        let allowed = sink
            .whole
            .split("allow-zero-initial-scale")
            .skip(1)
            .any(|rest| {
                rest.trim_start_matches(['"', '\'', ':', '=', ' ', '`'])
                    .starts_with("true")
            });
        let why = sink.say(
            "the webhook refuses 0 unless allow-zero-initial-scale is true in config-autoscaler",
            "除非 config-autoscaler 中 allow-zero-initial-scale 为 true，否则 Webhook 会拒绝 0",
        );
        return (!allowed).then(|| {
            Judgement::new(Verdict::Refused, why, SOURCE)
                .fix("config-autoscaler: allow-zero-initial-scale: \"true\"")
        });
    }
    if row.key == "service.beta.kubernetes.io/aws-load-balancer-type" && value == "nlb-ip" {
        let why = sink.say(
            "still read; the present form is external with aws-load-balancer-nlb-target-type: ip",
            "仍会读取；现在的写法是 external 加 aws-load-balancer-nlb-target-type: ip",
        );
        return Some(
            Judgement::new(Verdict::Deprecated, why, row.source)
                .fix("aws-load-balancer-type: external, aws-load-balancer-nlb-target-type: ip"),
        );
    }
    let other = row.key == "autoscaling.knative.dev/metric"
        && !matches!(value, "concurrency" | "rps" | "cpu" | "memory")
        && !values::is_placeholder(value)
        && !sink.whole.contains("hpa");
    if !other {
        return None;
    }
    let why = sink.say(
        format!("the autoscaler of Knative knows concurrency and rps, no {value}: the webhook refuses it"),
        format!("Knative 自动扩缩器只有 concurrency 与 rps，没有 {value}：Webhook 会拒绝"),
    );
    let fix = if value.contains("req") || value == "qps" {
        "rps"
    } else {
        "concurrency"
    };
    Some(Judgement::new(Verdict::Refused, why, SOURCE).fix(fix))
}

fn version_ok(sink: &Sink, row: &Annotation) -> bool {
    let version = if row.key.contains("knative.dev") {
        sink.options.knative
    } else {
        sink.options.istio
    };
    version.within(row.since, row.until)
}

fn gone(sink: &Sink, row: &Annotation) -> Option<Judgement> {
    if row.status == "clb-only" {
        let why = sink.say(
            "only the in-tree provider’s Classic Load Balancer reads it; an NLB does not",
            "只有内置的 Classic Load Balancer 读取它；NLB 不读取",
        );
        return Some(Judgement::new(Verdict::Ignored, why, row.source).fix(row.instead));
    }
    if row.status != "removed" && version_ok(sink, row) {
        return None;
    }
    if row.status == "removed" && !row.until.is_empty() && version_ok(sink, row) {
        return None;
    }
    let why = sink.say(
        format!("gone since {}", row.until),
        format!("自 {} 起移除", row.until),
    );
    Some(Judgement::new(Verdict::Unknown, why, row.source).fix(row.instead))
}

fn missing(sink: &Sink, key: &str) -> Judgement {
    let prefix = PREFIXES
        .rows()
        .filter(|row| key.starts_with(row.get("prefix")))
        .max_by_key(|row| row.get("prefix").len());
    let source = match prefix {
        Some(row) => row.get("source"),
        None if is_invented(key) => "istio/api annotation, label",
        None => return Judgement::fine(""),
    };
    let known = settings().annotations().map(|row| row.key);
    let near = nearest(key, known).unwrap_or_default();
    let why = sink.say(
        format!("no such annotation or label: nothing reads {key}"),
        format!("没有这个注解或标签：没有组件读取 {key}"),
    );
    Judgement::new(Verdict::Unknown, why, source).fix(near)
}

fn wrong_role(sink: &Sink, row: &Annotation, label: bool) -> Judgement {
    let (is, was) = if label {
        ("an annotation", "a label")
    } else {
        ("a label", "an annotation")
    };
    let (is_zh, was_zh) = if label {
        ("注解", "标签")
    } else {
        ("标签", "注解")
    };
    let why = sink.say(
        format!("{} is {is}, not {was}", row.key),
        format!("{} 是{is_zh}，不是{was_zh}", row.key),
    );
    let fix = format!(
        "metadata.{}: {}",
        if label { "annotations" } else { "labels" },
        row.key
    );
    Judgement::new(Verdict::Misplaced, why, row.source).fix(fix)
}

fn stands(row: &Annotation, place: &str) -> bool {
    row.places.split(',').any(|listed| {
        listed == "any"
            || listed == place
            || (listed == "pod" && matches!(place, "revision-template" | "pod"))
            || (listed == "service" && place == "alb-backend")
            || (listed == "ksvc" && place == "Route")
    })
}

fn misplaced(sink: &Sink, row: &Annotation, place: &str) -> Judgement {
    let refused = row.elsewhere == "refused" && matches!(place, "ksvc" | "Route");
    let right = match row.places.split(',').next().unwrap_or_default() {
        "pod" => "spec.template.metadata",
        "revision-template" => "spec.template.metadata",
        "ksvc" => "metadata of the Service (serving.knative.dev)",
        "service" => "metadata of the Service",
        "ingress" => "metadata of the Ingress",
        "namespace" => "metadata of the Namespace",
        other => other,
    };
    let (verdict, en, zh) = if refused {
        (
            Verdict::Refused,
            format!("the webhook refuses it here: it belongs under {right}.annotations"),
            format!("Webhook 会拒绝：应放在 {right}.annotations 下"),
        )
    } else {
        (
            Verdict::Misplaced,
            format!("nothing reads it here: it belongs on {right}"),
            format!("此处无人读取：应放在 {right}"),
        )
    };
    let why = sink.say(en, zh);
    Judgement::new(verdict, why, row.source).fix(format!("{right}: {}", row.key))
}
