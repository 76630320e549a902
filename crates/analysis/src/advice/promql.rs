//! PromQL: metrics, their labels and the values that a label can have.

mod expression;
mod labels;

use self::labels::{known_label, label, no_label};
use super::blocks::Piece;
use super::items::{Kind, Sink};
use super::verdict::{Judgement, Verdict};
use crate::knowledge::{KUBERNETES_METRICS, nearest, settings};

/// Families of which every metric is in the tables.
const FAMILIES: &[&str] = &[
    "istio_",
    "pilot_",
    "citadel_",
    "galley_",
    "envoy_cluster_",
    "envoy_http_downstream_",
    "envoy_server_",
    "envoy_listener_",
    "revision_",
    "activator_",
    "autoscaler_",
    "queue_",
    "sidecar_injection_",
    "mixer_",
    "kn_serving_",
    "kn_revision_",
    "queue_proxy_",
    "kube_hpa_",
];

/// A name in an expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Name {
    pub text: String,
    /// Characters before it.
    pub at: usize,
    /// Matchers follow.
    pub selector: bool,
    /// A range follows.
    pub range: bool,
    pub labels: Vec<Matcher>,
}

/// A label matcher.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Matcher {
    pub label: String,
    pub op: String,
    pub value: String,
    pub at: usize,
}

/// Whether a word is a metric of a family that is known whole.
pub(crate) fn is_metric(word: &str) -> bool {
    word.len() < 120
        && word
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        && (FAMILIES
            .iter()
            .any(|family| word.starts_with(family) && word.len() > family.len() + 2)
            || KUBERNETES_METRICS.find("name", word).is_some()
            || find(word).is_some())
}

fn find(word: &str) -> Option<&'static crate::knowledge::Metric> {
    let all = settings();
    all.metric(word).or_else(|| {
        ["_bucket", "_sum", "_count"]
            .iter()
            .find_map(|suffix| all.metric(word.strip_suffix(suffix)?))
    })
}

/// The names of an expression that are metrics or carry matchers.
pub(crate) fn names(text: &str) -> Vec<Name> {
    let chars: Vec<char> = text.chars().collect();
    let (mut out, mut at) = (Vec::new(), 0);
    while at < chars.len() {
        let c = chars[at];
        // An apostrophe within a word begins no string.
        let word_before = at > 0 && chars[at - 1].is_alphanumeric();
        if c == '"' || (c == '\'' && !word_before) {
            at = skip_string(&chars, at);
            continue;
        }
        if !(c.is_ascii_alphabetic() || c == '_') {
            at += 1;
            continue;
        }
        let start = at;
        while at < chars.len()
            && (chars[at].is_ascii_alphanumeric() || matches!(chars[at], '_' | ':'))
        {
            at += 1;
        }
        let word: String = chars[start..at].iter().collect();
        let word = word.trim_end_matches(':').to_owned();
        if let Some(end) = labels_end(&chars, &word, at) {
            at = end;
            continue;
        }
        let metric = is_metric(&word);
        let mut name = Name {
            text: word,
            at: start,
            selector: false,
            range: chars.get(at) == Some(&'['),
            labels: Vec::new(),
        };
        if metric && chars.get(at) == Some(&'{') {
            let (labels, end) = matchers(&chars, at + 1);
            name.selector = true;
            name.labels = labels;
            name.range = chars.get(end) == Some(&'[');
            at = end;
        }
        if metric {
            out.push(name);
        }
    }
    out
}

/// Where a list of labels ends that a word such as `by` begins.
fn labels_end(chars: &[char], word: &str, at: usize) -> Option<usize> {
    const BEFORE: &[&str] = &[
        "by",
        "without",
        "on",
        "ignoring",
        "group_left",
        "group_right",
    ];
    let open = at + chars[at..].iter().take_while(|c| **c == ' ').count();
    if !BEFORE.contains(&word) || chars.get(open) != Some(&'(') {
        return None;
    }
    let length = chars[open..].iter().position(|c| *c == ')')?;
    let plain = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '_' | ',' | ' ' | '\n' | '(');
    chars[open..open + length]
        .iter()
        .all(plain)
        .then_some(open + length)
}

fn skip_string(chars: &[char], at: usize) -> usize {
    let quote = chars[at];
    let mut end = at + 1;
    while end < chars.len() && chars[end] != quote {
        end += 1 + usize::from(chars[end] == '\\');
    }
    end + 1
}

/// Most matchers of a selector that are judged.
const MOST_MATCHERS: usize = 200;

fn matchers(chars: &[char], start: usize) -> (Vec<Matcher>, usize) {
    let (mut out, mut at) = (Vec::new(), start);
    while at < chars.len() && chars[at] != '}' {
        if !(chars[at].is_ascii_alphabetic() || chars[at] == '_') {
            at += 1;
            continue;
        }
        let begin = at;
        while at < chars.len()
            && (chars[at].is_ascii_alphanumeric() || matches!(chars[at], '_' | '.'))
        {
            at += 1;
        }
        let label: String = chars[begin..at].iter().collect();
        while at < chars.len() && chars[at] == ' ' {
            at += 1;
        }
        let from = at;
        while at < chars.len() && matches!(chars[at], '=' | '!' | '~') {
            at += 1;
        }
        let op: String = chars[from..at].iter().collect();
        while at < chars.len() && matches!(chars[at], ' ' | '\\') {
            at += 1;
        }
        let Some(quote) = chars.get(at).copied().filter(|c| matches!(c, '"' | '\'')) else {
            continue;
        };
        let from = at + 1;
        let mut end = from;
        while end < chars.len() && chars[end] != quote {
            end += 1;
        }
        let value: String = chars[from..end.min(chars.len())].iter().collect();
        at = end + 1;
        if !op.is_empty() && out.len() < MOST_MATCHERS {
            out.push(Matcher {
                label,
                op,
                value: value.trim_end_matches('\\').to_owned(),
                at: begin,
            });
        }
    }
    (out, (at + 1).min(chars.len()))
}

/// Judges a block of PromQL; an expression may go over several lines.
pub(crate) fn judge_block(sink: &mut Sink, pieces: &[Piece]) {
    let text: Vec<Piece> = pieces
        .iter()
        .filter(|piece| !piece.text.trim_start().starts_with('#'))
        .cloned()
        .collect();
    let mut start = 0;
    for end in 1..=text.len() {
        if end == text.len() || ends(&text[start..end], &text[end].text) {
            judge_pieces(sink, &text[start..end], true);
            start = end;
        }
    }
}

/// Whether an expression is whole before the next line: its brackets are closed, and neither side asks for more.
fn ends(lines: &[Piece], next: &str) -> bool {
    const MORE: &[&str] = &[
        "and",
        "or",
        "unless",
        "by",
        "without",
        "on",
        "ignoring",
        "group_left",
        "group_right",
        "offset",
        "bool",
    ];
    const SIGNS: &[char] = &[
        '+', '-', '*', '/', '%', '^', '>', '<', '=', '!', ',', '(', '{', '[',
    ];
    let next = next.trim();
    let word = |text: &str| -> String {
        text.chars()
            .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
            .collect()
    };
    let last = lines.last().map_or("", |piece| piece.text.trim());
    let mut depth = 0i64;
    for c in lines.iter().flat_map(|piece| piece.text.chars()) {
        match c {
            '(' | '{' | '[' => depth += 1,
            ')' | '}' | ']' => depth -= 1,
            _ => {}
        }
    }
    let tail: String = last
        .chars()
        .rev()
        .take_while(|c| c.is_ascii_alphabetic())
        .collect();
    let tail: String = tail.chars().rev().collect();
    next.is_empty()
        || depth <= 0
            && !last.ends_with(SIGNS)
            && !MORE.contains(&tail.as_str())
            && !next.starts_with([')', '}', ']'])
            && !next.starts_with(SIGNS)
            && !MORE.contains(&word(next).as_str())
}

/// Judges every metric of a text. `query` says that it is an expression, not a mention.
pub(crate) fn judge_text(sink: &mut Sink, line: u32, column: u32, text: &str, query: bool) {
    let piece = Piece {
        line,
        column,
        text: text.to_owned(),
    };
    judge_pieces(sink, std::slice::from_ref(&piece), query);
}

/// Where the lines of a text begin once they are joined, in characters.
struct Places<'a> {
    pieces: &'a [Piece],
    starts: Vec<usize>,
}

impl<'a> Places<'a> {
    fn new(pieces: &'a [Piece]) -> Self {
        let mut next = 0;
        let starts = pieces
            .iter()
            .map(|piece| {
                let start = next;
                next += piece.text.chars().count() + 1;
                start
            })
            .collect();
        Self { pieces, starts }
    }

    /// Line and column of a character.
    fn of(&self, at: usize) -> (u32, u32) {
        let index = self.starts.partition_point(|start| *start <= at);
        let Some(piece) = index.checked_sub(1).map(|index| &self.pieces[index]) else {
            return (1, 1);
        };
        let column = u32::try_from(at - self.starts[index - 1]).unwrap_or(0);
        (piece.line, piece.column.saturating_add(column))
    }
}

fn judge_pieces(sink: &mut Sink, pieces: &[Piece], query: bool) {
    let lines: Vec<&str> = pieces.iter().map(|piece| piece.text.as_str()).collect();
    let text = lines.join("\n");
    let places = Places::new(pieces);
    let found = names(&text);
    if let (true, Some(first)) = (query, found.first())
        && let Some(judgement) = expression::judge(sink, &text)
    {
        let (line, column) = places.of(first.at);
        sink.put(line, column, Kind::PromQl, &text, judgement);
    }
    for name in found {
        let searched = query && (name.range || name.selector);
        let mut judgement =
            metric(sink, &name.text, searched).unwrap_or_else(|| Judgement::fine(""));
        let mut worst = Judgement::fine("");
        for matcher in &name.labels {
            let found = label(sink, &name.text, matcher);
            let (line, column) = places.of(matcher.at);
            let shown = format!("{}{}\"{}\"", matcher.label, matcher.op, matcher.value);
            worst = worst.worse(found.clone());
            sink.put(line, column, Kind::MetricLabel, &shown, found);
        }
        judgement = judgement.worse(worst);
        if let Some(never) = labels::together(sink, &name.text, &name.labels) {
            judgement = judgement.worse(never);
        }
        let (kind, shown) = if name.selector {
            (Kind::PromQl, selector(&name))
        } else {
            (Kind::Metric, name.text.clone())
        };
        let (line, column) = places.of(name.at);
        sink.put(line, column, kind, &shown, judgement);
        grouping(sink, &places, &text, &name.text);
    }
}

fn selector(name: &Name) -> String {
    let labels: Vec<String> = name
        .labels
        .iter()
        .map(|matcher| format!("{}{}\"{}\"", matcher.label, matcher.op, matcher.value))
        .collect();
    format!("{}{{{}}}", name.text, labels.join(","))
}

/// Judges a metric by name. `searched` says that its series are asked for, so that a histogram needs its suffix.
pub(crate) fn metric(sink: &Sink, name: &str, searched: bool) -> Option<Judgement> {
    if let Some(row) = KUBERNETES_METRICS.find("name", name) {
        if row.get("instead").is_empty() {
            return Some(Judgement::fine(row.get("source")));
        }
        let why = sink.say(
            format!("kube-state-metrics has no {name} since 2.0"),
            format!("kube-state-metrics 自 2.0 起没有 {name}"),
        );
        return Some(
            Judgement::new(Verdict::Unknown, why, row.get("source")).fix(row.get("instead")),
        );
    }
    let all = settings();
    let direct = all.metric(name);
    let found = direct.or_else(|| find(name));
    let Some(row) = found else {
        if !is_metric(name) {
            return None;
        }
        let near = nearest(name, all.metrics().map(|metric| metric.name));
        let swapped = swap(name);
        let why = sink.say(
            format!("nothing exports a metric {name}"),
            format!("没有组件导出指标 {name}"),
        );
        let source = "istio/istio, knative/serving, Envoy statistics";
        return Some(
            Judgement::new(Verdict::Unknown, why, source)
                .fix(swapped.or(near.map(str::to_owned)).unwrap_or_default()),
        );
    };
    if !row.exists(sink.options.istio, sink.options.knative) {
        let version = if row.knative {
            sink.options.knative
        } else {
            sink.options.istio
        };
        let why = if row.until.is_empty() {
            sink.say(
                format!("{name} came with {}; this is {version}", row.since),
                format!("{name} 从 {} 起才有；当前为 {version}", row.since),
            )
        } else {
            sink.say(
                format!("{name} is gone since {}", row.until),
                format!("{name} 自 {} 起移除", row.until),
            )
        };
        return Some(Judgement::new(Verdict::Unknown, why, row.source).fix(row.instead));
    }
    let histogram = row.ty == "histogram";
    if direct.is_none() && !histogram {
        let why = sink.say(
            format!(
                "{} is a {}: it has no _bucket, _sum or _count",
                row.name, row.ty
            ),
            format!("{} 是 {}：没有 _bucket、_sum、_count", row.name, row.ty),
        );
        return Some(Judgement::new(Verdict::Unknown, why, row.source).fix(row.name));
    }
    if direct.is_some() && histogram && searched {
        let why = sink.say(
            format!("{name} is a histogram: its series end in _bucket, _sum, _count"),
            format!("{name} 是直方图：序列以 _bucket、_sum、_count 结尾"),
        );
        return Some(
            Judgement::new(Verdict::CannotMatch, why, row.source).fix(format!("{name}_bucket")),
        );
    }
    if name.starts_with("envoy_")
        && !name.starts_with("envoy_server")
        && !name.starts_with("envoy_cluster_manager")
    {
        let say = sink.say(
            "a sidecar of Istio exports it only where proxyStatsMatcher admits it; absent is not zero",
            "Istio 的 sidecar 只在 proxyStatsMatcher 放行时导出；没有不等于零",
        );
        return Some(Judgement::works(say, row.source));
    }
    Some(Judgement::fine(row.source))
}

/// `x_count` for `x_total` and the other way round.
fn swap(name: &str) -> Option<String> {
    let stem = name
        .strip_suffix("_total")
        .or_else(|| name.strip_suffix("_count"))
        .unwrap_or(name);
    ["_total", "_count", ""]
        .iter()
        .map(|suffix| format!("{stem}{suffix}"))
        .find(|other| other != name && settings().metric(other).is_some())
}

/// Labels behind `by`, `without`, `on`.
fn grouping(sink: &mut Sink, places: &Places<'_>, text: &str, metric: &str) {
    for word in ["by (", "by(", "without (", "without("] {
        for (at, _) in text.match_indices(word) {
            let rest = &text[at + word.len()..];
            let Some(end) = rest.find(')') else { continue };
            for label in rest[..end]
                .split(',')
                .map(str::trim)
                .filter(|label| !label.is_empty())
            {
                let plain = label.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
                if plain && !known_label(sink, metric, label) {
                    let offset = text[..at].chars().count();
                    let (line, column) = places.of(offset);
                    let judgement = no_label(sink, metric, label);
                    sink.put(line, column, Kind::MetricLabel, label, judgement);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_matchers_are_found() {
        let found = names(
            r#"sum(rate(istio_requests_total{reporter="source", response_code=~"5.."}[5m])) by (x)"#,
        );
        assert_eq!(found.len(), 1);
        assert!(found[0].range && found[0].selector);
        assert_eq!(found[0].labels[1].op, "=~");
        assert_eq!(found[0].labels[1].value, "5..");
    }
}
