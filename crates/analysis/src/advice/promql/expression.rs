//! Whole expressions of PromQL that give nothing, though every selector in them finds series.

use std::sync::LazyLock;

use regex::Regex;

use super::super::items::Sink;
use super::super::verdict::{Judgement, Verdict};

const SOURCE: &str = "Prometheus querying documentation";

/// A share of a metric in itself, compared with a number.
static SHARE: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r">=?\s*(?:bool\s+)?([0-9]+(?:\.[0-9]+)?)\s*(?:#.*)?$").ok());

/// Why the expression is always empty, and the part that makes it so.
pub(super) fn judge(sink: &Sink, text: &str) -> Option<Judgement> {
    quantile(sink, text)
        .or_else(|| share(sink, text))
        .or_else(|| switch(sink, text))
}

/// A gauge that is 0 or 1, asked for more.
static SWITCH: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r"\b(autoscaler_panic_mode|kn_revision_panic_mode|up|envoy_server_live)(?:\{[^}]*\})?\s*\)*\s*(?:>\s*[1-9]|>=\s*[2-9]|==\s*[2-9])",
    )
    .ok()
});

fn switch(sink: &Sink, text: &str) -> Option<Judgement> {
    if ["sum", "count", "*", "+"]
        .iter()
        .any(|word| text.contains(word))
    {
        return None;
    }
    let name = SWITCH.as_ref()?.captures(text)?.get(1)?.as_str();
    let why = sink.say(
        format!("{name} is 0 or 1, never more"),
        format!("{name} 只有 0 或 1"),
    );
    Some(Judgement::new(Verdict::CannotMatch, why, SOURCE).fix(format!("{name} == 1")))
}

/// `histogram_quantile` over buckets of which `le` was summed away.
fn quantile(sink: &Sink, text: &str) -> Option<Judgement> {
    let (_, rest) = text.split_once("histogram_quantile")?;
    if !rest.contains("_bucket") {
        return None;
    }
    let lacks = |word: &str| {
        let mut found = rest.match_indices(word).peekable();
        found.peek()?;
        let groups: Vec<&str> = found
            .filter_map(|(at, _)| {
                let tail = rest[at + word.len()..].trim_start().strip_prefix('(')?;
                tail.split(')').next()
            })
            .collect();
        let with = groups
            .iter()
            .any(|group| group.split(',').any(|label| label.trim() == "le"));
        (!groups.is_empty() && !with).then_some(())
    };
    // `by` with a blank before it, so that no label or metric is taken for it.
    let by = lacks(" by").or_else(|| lacks(")by"));
    by?;
    let why = sink.say(
        "le is summed away: histogram_quantile finds no buckets and gives nothing",
        "le 被聚合掉了：histogram_quantile 找不到桶，结果为空",
    );
    Some(
        Judgement::new(Verdict::CannotMatch, why, SOURCE)
            .fix("sum by (le, …) (rate(…_bucket[5m]))"),
    )
}

/// A part divided by the whole is at most 1.
fn share(sink: &Sink, text: &str) -> Option<Judgement> {
    let (left, right) = text.split_once('/')?;
    let name = |text: &str| {
        super::names(text)
            .into_iter()
            .map(|name| name.text)
            .collect::<Vec<_>>()
    };
    let (above, below) = (name(left), name(right));
    let same = above.len() == 1 && above == below;
    let counts = above
        .first()
        .is_some_and(|name| name.ends_with("_total") || name.ends_with("_count"));
    let scaled = text.contains('*') && text.contains("100") || right.contains('/');
    if !same || !counts || scaled {
        return None;
    }
    let limit: f64 = SHARE
        .as_ref()?
        .captures(right.trim_end())?
        .get(1)?
        .as_str()
        .parse()
        .ok()?;
    if limit < 1.0 {
        return None;
    }
    let why = sink.say(
        format!("a share is between 0 and 1: it is never above {limit}"),
        format!("比例在 0 与 1 之间：不会大于 {limit}"),
    );
    Some(Judgement::new(Verdict::CannotMatch, why, SOURCE).fix(format!("> {}", limit / 100.0)))
}
