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
    if known.group != "serving.knative.dev" {
        return Vec::new();
    }
    let template = node.value_of("spec.template.metadata.annotations");
    let own = node.value_of("metadata.annotations");
    let own = own.filter(|_| known.kind == "Revision");
    traffic(sink, node)
        .into_iter()
        .chain(template.or(own).and_then(|of| metric(sink, of)))
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
