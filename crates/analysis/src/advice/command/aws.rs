//! aws: attributes that an API refuses, queries of Logs Insights.

use super::super::blocks::Piece;
use super::super::insights;
use super::super::items::Sink;
use super::super::values;
use super::super::verdict::{Judgement, Verdict};
use super::{Parsed, cloudwatch};
use crate::knowledge::{AWS_ATTRIBUTES, nearest};

/// What the AWS API refuses.
pub(super) fn judge(sink: &mut Sink, parsed: &Parsed<'_>) -> Option<Judgement> {
    if let Some(query) = parsed.flag("--query-string") {
        let word = parsed
            .flags
            .iter()
            .find(|(flag, _, _)| flag == "--query-string")
            .map(|(_, _, word)| *word)?;
        if query.trim_start().starts_with(['$', '`']) || query.starts_with("file:") {
            return None;
        }
        let pieces = [Piece {
            line: word.line,
            column: word.column,
            text: query.replace('\n', " "),
        }];
        return insights::judge_query(sink, &pieces);
    }
    attributes(sink, parsed).or_else(|| cloudwatch::judge(sink, parsed))
}

/// `modify-*-attributes`: whether what is modified has the attribute, and takes the value.
fn attributes(sink: &Sink, parsed: &Parsed<'_>) -> Option<Judgement> {
    let of = match parsed.path.as_slice() {
        ["elbv2", "modify-listener-attributes"] => "listener",
        ["elbv2", "modify-load-balancer-attributes"] => "load-balancer",
        ["elbv2", "modify-target-group-attributes"] => "target-group",
        _ => return None,
    };
    let (_, first, _) = parsed
        .flags
        .iter()
        .find(|(flag, _, _)| flag == "--attributes")?;
    let more = parsed.positional.iter().map(|word| word.text.as_str());
    first
        .as_deref()
        .into_iter()
        .chain(more)
        .filter_map(pair)
        .find_map(|(key, value)| attribute(sink, of, "*", key, value))
}

/// `Key=a,Value=b`.
fn pair(text: &str) -> Option<(&str, &str)> {
    let text = text.trim_matches(['"', '\'']);
    let (key, value) = text.strip_prefix("Key=")?.split_once(",Value=")?;
    Some((key, value))
}

/// The value of an annotation that lists attributes, names of which are known to exist.
pub(crate) fn annotation(sink: &Sink, key: &str, value: &str) -> Option<Judgement> {
    let of = ["target-group", "listener", "load-balancer"]
        .into_iter()
        .find(|of| key.contains(&format!("{of}-attributes")))
        .or_else(|| {
            key.ends_with("aws-load-balancer-attributes")
                .then_some("load-balancer")
        })?;
    let kind = if key.starts_with("alb.") {
        "alb"
    } else {
        "nlb"
    };
    value
        .split(',')
        .filter_map(|pair| pair.split_once('='))
        .find_map(|(name, value)| attribute(sink, of, kind, name.trim(), value.trim()))
}

fn attribute(sink: &Sink, of: &str, kind: &str, key: &str, value: &str) -> Option<Judgement> {
    if values::is_placeholder(key) || values::is_placeholder(value) {
        return None;
    }
    let named: Vec<_> = AWS_ATTRIBUTES
        .rows()
        .filter(|row| row.get("key") == key)
        .collect();
    let own: Vec<_> = named.iter().filter(|row| row.get("of") == of).collect();
    if own.is_empty() {
        return no_attribute(sink, of, key, named.first().map(|row| row.get("of")));
    }
    let own = own
        .into_iter()
        .filter(|row| kind == "*" || matches!(row.get("lb"), lb if lb == "*" || lb == kind));
    let mut misfits = own.map(|row| (values::check(row.get("type"), value), row.get("source")));
    let (first, source) = misfits.next()?;
    let misfit = first?;
    if misfits.any(|(other, _)| other.is_none()) {
        return None;
    }
    let why = sink.say(
        format!("{key}: {}; the API refuses it", misfit.why.0),
        format!("{key}：{}；API 会拒绝", misfit.why.1),
    );
    Some(Judgement::new(Verdict::Refused, why, source).fix(misfit.fix.unwrap_or_default()))
}

fn no_attribute(sink: &Sink, of: &str, key: &str, other: Option<&str>) -> Option<Judgement> {
    // Listeners of an ALB have attributes for every header that they may change.
    if of == "listener" && key.starts_with("routing.http.") {
        return None;
    }
    if let Some(other) = other {
        let why = sink.say(
            format!("{key} is an attribute of a {other}, not of a {of}; the API refuses it"),
            format!("{key} 是 {other} 的属性，不是 {of} 的；API 会拒绝"),
        );
        return Some(
            Judgement::new(Verdict::Misplaced, why, "AWS ELBv2 API")
                .fix(format!("aws elbv2 modify-{other}-attributes")),
        );
    }
    let names = AWS_ATTRIBUTES.column("key");
    let why = sink.say(
        format!("a {of} has no attribute {key}"),
        format!("{of} 没有属性 {key}"),
    );
    Some(
        Judgement::new(Verdict::Unknown, why, "AWS ELBv2 API")
            .fix(nearest(key, names).unwrap_or_default()),
    )
}
