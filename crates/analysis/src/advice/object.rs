//! What webhooks refuse of an object though each of its fields is fine by itself.

use api::parse::{Kind as Value, Node};

use super::items::Sink;
use super::values;
use super::verdict::{Judgement, Verdict};
use crate::knowledge::Kind;

/// A fault with its place.
pub(crate) struct Fault {
    pub at: (usize, usize),
    pub text: String,
    pub judgement: Judgement,
}

/// Faults of an object of the kind.
pub(crate) fn judge(sink: &Sink, known: &Kind, node: &Node) -> Vec<Fault> {
    if known.kind == "DestinationRule" {
        return policies(node)
            .into_iter()
            .filter_map(|policy| policy.get("outlierDetection"))
            .flat_map(|outlier| ejection(sink, outlier))
            .collect();
    }
    if known.kind == "PeerAuthentication" {
        return ports_by_name(sink, node);
    }
    if known.group != "serving.knative.dev" {
        return Vec::new();
    }
    let template = node.value_of("spec.template.metadata.annotations");
    let own = node.value_of("metadata.annotations");
    let own = own.filter(|_| known.kind == "Revision");
    let spec = match known.kind {
        "Revision" => node.get("spec"),
        _ => node.value_of("spec.template.spec"),
    };
    traffic(sink, node)
        .into_iter()
        .chain(targets(sink, node))
        .chain(template.or(own).and_then(|of| metric(sink, of)))
        .chain(spec.into_iter().flat_map(|spec| revision(sink, spec)))
        .collect()
}

/// Ports of a PeerAuthentication are numbers (rule of the CRD).
fn ports_by_name(sink: &Sink, node: &Node) -> Vec<Fault> {
    let Some(Value::Map(entries)) = node.value_of("spec.portLevelMtls").map(|ports| &ports.kind)
    else {
        return Vec::new();
    };
    entries
        .iter()
        .filter(|(key, _)| key.text.parse::<u16>().is_err() && !values::is_placeholder(&key.text))
        .map(|(key, _)| Fault {
            at: (key.line as usize, key.column as usize),
            text: format!("{}:", key.text),
            judgement: Judgement::new(
                Verdict::Refused,
                sink.say(
                    "a port is named by the number that the workload listens on",
                    "端口要写工作负载监听的端口号",
                ),
                "istio/api peer_authentication.proto",
            )
            .fix("portLevelMtls: {8080: {mode: …}}"),
        })
        .collect()
}

const K8S: &str = "knative/serving k8s_validation.go";

/// What the webhook refuses of a revision's spec: time-outs within the time-out, a second port.
fn revision(sink: &Sink, spec: &Node) -> Vec<Fault> {
    let number = |name: &str| match spec.get(name).map(|value| &value.kind) {
        Some(Value::Int(number)) => Some(*number),
        _ => None,
    };
    let whole = number("timeoutSeconds").unwrap_or(300);
    let mut out = Vec::new();
    for name in ["responseStartTimeoutSeconds", "idleTimeoutSeconds"] {
        let Some(part) = number(name).filter(|part| *part > whole) else {
            continue;
        };
        let why = sink.say(
            format!("{name} is above timeoutSeconds, which is {whole}: the webhook refuses it"),
            format!("{name} 大于 timeoutSeconds（{whole}）：Webhook 会拒绝"),
        );
        out.push(Fault {
            at: spec.place_of(name),
            text: format!("{name}: {part}"),
            judgement: Judgement::new(Verdict::Refused, why, K8S)
                .fix(format!("timeoutSeconds: {part}")),
        });
    }
    let Some(Value::List(containers)) = spec.get("containers").map(|list| &list.kind) else {
        return out;
    };
    let ports = containers.iter().filter_map(|container| {
        match container.get("ports").map(|list| &list.kind) {
            Some(Value::List(ports)) => Some(ports),
            _ => None,
        }
    });
    if let Some(second) = ports.flatten().nth(1) {
        let port = second.get("containerPort").and_then(values::text_of);
        let why = sink.say(
            "a revision has one port alone: the webhook refuses a second one",
            "Revision 只能有一个端口：Webhook 会拒绝第二个",
        );
        out.push(Fault {
            at: second.place_of("containerPort"),
            text: format!("containerPort: {}", port.unwrap_or_default()),
            judgement: Judgement::new(Verdict::Refused, why, K8S).fix("one containerPort"),
        });
    }
    out
}

/// Targets of traffic that name a revision and the latest one at once.
fn targets(sink: &Sink, node: &Node) -> Vec<Fault> {
    let Some(Value::List(targets)) = node.value_of("spec.traffic").map(|list| &list.kind) else {
        return Vec::new();
    };
    targets
        .iter()
        .filter(|target| {
            let latest = target.get("latestRevision").map(|latest| &latest.kind);
            target.get("revisionName").is_some() && latest == Some(&Value::Bool(true))
        })
        .map(|target| Fault {
            at: target.place_of("latestRevision"),
            text: "latestRevision: true".into(),
            judgement: Judgement::new(
                Verdict::Refused,
                sink.say(
                    "a target names a revision or the latest one, not both",
                    "一个目标只能指定 revisionName 或 latestRevision 之一",
                ),
                "knative/serving route_validation.go",
            )
            .fix("remove latestRevision, or revisionName"),
        })
        .collect()
}

/// Percentages that do not sum to 100 (knative/serving pkg/apis/serving/v1 route_validation.go).
fn traffic(sink: &Sink, node: &Node) -> Option<Fault> {
    let Value::List(targets) = &node.value_of("spec.traffic")?.kind else {
        return None;
    };
    let mut sum = 0;
    let mut last = None;
    for target in targets {
        match target.get("percent").map(|percent| &percent.kind) {
            Some(Value::Int(percent)) => {
                sum += percent;
                last = Some(target);
            }
            Some(Value::Null) | None => {}
            Some(_) => return None,
        }
    }
    let target = last.filter(|_| sum != 100)?;
    let percent = target.get("percent").and_then(values::text_of)?;
    let why = sink.say(
        format!("the percentages sum to {sum}, and the webhook wants 100"),
        format!("百分比之和为 {sum}，webhook 要求 100"),
    );
    Some(Fault {
        at: target.place_of("percent"),
        text: format!("percent: {percent}"),
        judgement: Judgement::new(Verdict::Refused, why, "knative/serving route_validation.go")
            .fix("percentages that sum to 100"),
    })
}

/// A metric that the class of the autoscaler does not know (knative/serving pkg/apis/autoscaling
/// annotation_validation.go).
fn metric(sink: &Sink, annotations: &Node) -> Option<Fault> {
    const CLASS: &str = "autoscaling.knative.dev/class";
    const METRIC: &str = "autoscaling.knative.dev/metric";
    let text = |key: &str| annotations.get(key).and_then(values::text_of);
    let (class, metric) = (text(CLASS), text(METRIC)?);
    let kpa = class
        .as_deref()
        .is_none_or(|class| class == "kpa.autoscaling.knative.dev");
    if !kpa || matches!(&*metric, "concurrency" | "rps") || values::is_placeholder(&metric) {
        return None;
    }
    let Value::Map(entries) = &annotations.kind else {
        return None;
    };
    let (key, _) = entries.iter().find(|(key, _)| key.text == METRIC)?;
    let why = sink.say(
        format!("the class kpa takes concurrency or rps, not {metric}: the webhook refuses it"),
        format!("kpa 类只接受 concurrency 或 rps，不接受 {metric}：webhook 会拒绝"),
    );
    Some(Fault {
        at: (key.line as usize, key.column as usize),
        text: format!("{METRIC}: {metric}"),
        judgement: Judgement::new(
            Verdict::Refused,
            why,
            "knative/serving annotation_validation.go",
        )
        .fix(format!("{CLASS}: hpa.autoscaling.knative.dev")),
    })
}

/// The traffic policies of a DestinationRule: its own, those of subsets, those of ports.
fn policies(node: &Node) -> Vec<&Node> {
    fn list(node: Option<&Node>) -> &[Node] {
        match node.map(|node| &node.kind) {
            Some(Value::List(items)) => items,
            _ => &[],
        }
    }
    let subsets = list(node.value_of("spec.subsets"));
    let own = node.value_of("spec.trafficPolicy").into_iter();
    let of_subsets = subsets
        .iter()
        .filter_map(|subset| subset.get("trafficPolicy"));
    let policies: Vec<&Node> = own.chain(of_subsets).collect();
    let ports: Vec<&Node> = policies
        .iter()
        .flat_map(|policy| list(policy.get("portLevelSettings")))
        .collect();
    policies.into_iter().chain(ports).collect()
}

/// Counters of outlier detection that never act, for another acts first or they are not split.
fn ejection(sink: &Sink, outlier: &Node) -> Vec<Fault> {
    let number = |name: &str| match outlier.get(name).map(|value| &value.kind) {
        Some(Value::Int(number)) => Some(*number),
        _ => None,
    };
    let source = "istio/api destination_rule.proto";
    let mut out = Vec::new();
    let mut put = |name: &str, why: String, fix: &str| {
        out.push(Fault {
            at: outlier.place_of(name),
            text: format!("{name}: {}", number(name).unwrap_or_default()),
            judgement: Judgement::new(Verdict::Ignored, why, source).fix(fix),
        });
    };
    let all = number("consecutive5xxErrors");
    if let (Some(all @ 1..), Some(gateway)) = (all, number("consecutiveGatewayErrors"))
        && gateway >= all
    {
        let why = sink.say(
            format!(
                "every gateway error is a 5xx, too: consecutive5xxErrors ejects after {all} already"
            ),
            format!("网关错误也是 5xx：consecutive5xxErrors 在 {all} 次后已剔除"),
        );
        put(
            "consecutiveGatewayErrors",
            why,
            &format!("consecutiveGatewayErrors: {}", all - 1),
        );
    }
    let split = matches!(
        outlier
            .get("splitExternalLocalOriginErrors")
            .map(|value| &value.kind),
        Some(Value::Bool(true))
    );
    if number("consecutiveLocalOriginFailures").is_some() && !split {
        let why = sink.say(
            "it counts only where splitExternalLocalOriginErrors is true",
            "只有 splitExternalLocalOriginErrors 为 true 时才计数",
        );
        put(
            "consecutiveLocalOriginFailures",
            why,
            "splitExternalLocalOriginErrors: true",
        );
    }
    out
}
