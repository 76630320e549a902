//! Metrics of CloudWatch: whether a namespace has them.

use super::super::items::Sink;
use super::super::verdict::{Judgement, Verdict};
use super::Parsed;
use crate::knowledge::{CLOUDWATCH, Row, nearest};

fn has(row: &Row<'_>, metric: &str) -> bool {
    row.get("metric").split(' ').any(|known| known == metric)
}

/// `aws cloudwatch … --namespace N --metric-name M`.
pub(super) fn judge(sink: &Sink, parsed: &Parsed<'_>) -> Option<Judgement> {
    let (namespace, name) = (parsed.flag("--namespace")?, parsed.flag("--metric-name")?);
    metric(sink, namespace, name)
}

/// A metric that the namespace does not have. `None` where the namespace is not in the tables.
pub(crate) fn metric(sink: &Sink, namespace: &str, name: &str) -> Option<Judgement> {
    let shaped = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let row = CLOUDWATCH.find("namespace", namespace)?;
    if !shaped || has(&row, name) {
        return None;
    }
    let other = CLOUDWATCH.rows().find(|row| has(row, name));
    let elsewhere = other.map(|row| row.get("namespace"));
    let why = match elsewhere {
        Some(other) => sink.say(
            format!("{namespace} has no metric {name}: it is one of {other}"),
            format!("{namespace} 没有指标 {name}：它属于 {other}"),
        ),
        None => sink.say(
            format!("{namespace} has no metric {name}: there is no data"),
            format!("{namespace} 没有指标 {name}：不会有数据"),
        ),
    };
    let near = nearest(name, row.get("metric").split(' ')).unwrap_or_default();
    Some(Judgement::new(Verdict::CannotMatch, why, row.get("source")).fix(near))
}

/// A metric of one kind of load balancer that a sentence ascribes to another.
pub(crate) fn in_sentence(sink: &Sink, name: &str, sentence: &str) -> Option<Judgement> {
    // "Latency" is a word of every sentence.
    let shaped = name.matches(|c: char| c.is_ascii_uppercase()).count() > 1
        && name.contains(|c: char| c.is_ascii_lowercase());
    if !shaped || !CLOUDWATCH.rows().any(|row| has(&row, name)) {
        return None;
    }
    let lower = sentence.to_lowercase();
    let word = |text: &str| {
        lower
            .split(|c: char| !c.is_ascii_alphanumeric() && c != '/')
            .any(|word| word == text)
    };
    let nlb = word("nlb") || lower.contains("network load balancer") || word("aws/networkelb");
    let alb =
        word("alb") || lower.contains("application load balancer") || word("aws/applicationelb");
    match (nlb, alb) {
        (true, false) => metric(sink, "AWS/NetworkELB", name),
        (false, true) => metric(sink, "AWS/ApplicationELB", name),
        _ => None,
    }
}
