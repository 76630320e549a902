//! Labels of metrics and the values that they can have.

use regex::Regex;

use super::super::items::Sink;
use super::super::verdict::{Judgement, Verdict};
use super::{Matcher, find};
use crate::knowledge::{COMMON_LABELS, LABEL_FIXES, LABEL_VALUES, RESPONSE_FLAGS, nearest};

pub(super) fn known_label(sink: &Sink, metric: &str, label: &str) -> bool {
    let Some(row) = find(metric) else { return true };
    if let Some(family) = ["kn_", "envoy_"]
        .into_iter()
        .find(|family| metric.starts_with(family))
    {
        return !LABEL_FIXES
            .rows()
            .any(|row| row.get("family") == family && row.get("wrong") == label);
    }
    if row.labels == "*" || !metric.starts_with("istio_") {
        return true;
    }
    row.labels.split(' ').any(|known| known == label)
        || COMMON_LABELS.find("label", label).is_some()
        || label.starts_with("__")
        // The text itself adds the label.
        || (sink.whole.contains("tagoverrides") && sink.whole.matches(&label.to_lowercase()).count() > 1)
}

pub(super) fn label(sink: &Sink, metric: &str, matcher: &Matcher) -> Judgement {
    if !known_label(sink, metric, &matcher.label) {
        return no_label(sink, metric, &matcher.label);
    }
    let rows = LABEL_VALUES
        .rows()
        .filter(|row| row.get("label") == matcher.label && metric.starts_with(row.get("family")));
    for row in rows {
        if !possible(row.get("values"), matcher) {
            return no_value(
                sink,
                &matcher.label,
                &matcher.value,
                row.get("values"),
                row.get("source"),
            );
        }
    }
    Judgement::fine("Istio standard metrics")
}

pub(super) fn no_label(sink: &Sink, metric: &str, label: &str) -> Judgement {
    let fix = LABEL_FIXES
        .rows()
        .find(|row| row.get("wrong") == label && metric.starts_with(row.get("family")))
        .map(|row| row.get("right"));
    let labels = find(metric).map_or("", |row| row.labels);
    let fix = fix
        .or_else(|| nearest(label, labels.split(' ')))
        .unwrap_or_default();
    let why = sink.say(
        format!("{metric} has no label {label}: the selector finds nothing"),
        format!("{metric} 没有标签 {label}：选择器找不到任何序列"),
    );
    Judgement::new(Verdict::CannotMatch, why, "Istio standard metrics").fix(fix)
}

fn no_value(sink: &Sink, label: &str, value: &str, values: &str, source: &str) -> Judgement {
    let (en, zh, fix) = match values {
        "http-code" => (
            format!(
                "{value:?} is no HTTP status: the label holds 0 or 100 to 599 (52 and the like are exit codes of curl)"
            ),
            format!(
                "{value:?} 不是 HTTP 状态码：该标签为 0 或 100 到 599（52 之类是 curl 的退出码）"
            ),
            "response_flags=~\"UC|DC\" or response_code=\"0\"".to_owned(),
        ),
        "response-flag" => {
            let flags: Vec<&str> = RESPONSE_FLAGS.column("flag").collect();
            let fix = if matches!(value, "CC" | "CB") {
                "UO".to_owned()
            } else {
                by_long(value).unwrap_or_default()
            };
            (
                format!(
                    "Envoy has no response flag {value:?}; it has {}",
                    flags.join(", ")
                ),
                format!("Envoy 没有响应标志 {value:?}；有 {}", flags.join(", ")),
                fix,
            )
        }
        "host" => (
            format!("{label} holds a host with its domain, never {value:?} alone"),
            format!("{label} 是带域名的主机名，不会只是 {value:?}"),
            format!("{value}.NAMESPACE.svc.cluster.local"),
        ),
        values => (
            format!(
                "{label} is never {value:?}: it is one of {}",
                values.replace('|', ", ")
            ),
            format!(
                "{label} 不会是 {value:?}：取值为 {}",
                values.replace('|', "、")
            ),
            nearest(value, values.split('|'))
                .unwrap_or_default()
                .to_owned(),
        ),
    };
    let fix = match (label, value.to_lowercase().as_str()) {
        ("connection_security_policy", _) => "mutual_tls".to_owned(),
        ("reporter", "client" | "outbound" | "upstream") => "source".to_owned(),
        ("reporter", "server" | "inbound" | "downstream") => "destination".to_owned(),
        _ => fix,
    };
    Judgement::new(Verdict::CannotMatch, sink.say(en, zh), source).fix(fix)
}

fn by_long(value: &str) -> Option<String> {
    RESPONSE_FLAGS
        .rows()
        .find(|row| row.get("long").eq_ignore_ascii_case(value))
        .map(|row| row.get("flag").to_owned())
}

/// Whether a matcher can be true for a value that occurs.
fn possible(values: &str, matcher: &Matcher) -> bool {
    if values == "response-flag" && matcher.value.is_empty() && matcher.op == "=" {
        return false;
    }
    if matcher.value.is_empty() || matcher.value.contains('$') || matcher.op.starts_with('!') {
        return true;
    }
    let universe: Vec<String> = match values {
        "http-code" => std::iter::once(0)
            .chain(100..600)
            .map(|code: u32| code.to_string())
            .collect(),
        "response-flag" => {
            let mut flags: Vec<String> = RESPONSE_FLAGS.column("flag").map(str::to_owned).collect();
            flags.push("-".into());
            flags
        }
        "host" => {
            let special = matcher.value.contains(['.', '*']) || matcher.value.ends_with("Cluster");
            return matcher.op != "=" || special || matches!(&*matcher.value, "unknown" | "");
        }
        _ if values.contains('*') => return true,
        values => values
            .split('|')
            .flat_map(|value| {
                match value
                    .strip_prefix("int:")
                    .and_then(|range| range.split_once(".."))
                {
                    Some((low, high)) => {
                        let (low, high): (u32, u32) =
                            (low.parse().unwrap_or(0), high.parse().unwrap_or(0));
                        (low..=high).map(|number| number.to_string()).collect()
                    }
                    None => vec![value.to_owned()],
                }
            })
            .collect(),
    };
    if matcher.op == "=" {
        return if values == "response-flag" {
            matcher
                .value
                .split(',')
                .all(|flag| universe.iter().any(|known| known == flag))
        } else {
            universe.contains(&matcher.value)
        };
    }
    let Ok(expression) = Regex::new(&format!("^(?:{})$", matcher.value)) else {
        return true;
    };
    let found = universe.iter().any(|value| expression.is_match(value));
    // Several flags may stand together.
    found
        || (values == "response-flag"
            && universe.iter().any(|a| {
                universe
                    .iter()
                    .any(|b| expression.is_match(&format!("{a},{b}")))
            }))
}

/// Matchers that no series meets together: a client's proxy does not know the security of a connection.
pub(super) fn together(sink: &Sink, metric: &str, matchers: &[Matcher]) -> Option<Judgement> {
    let is = |label: &str, value: &str| {
        matchers
            .iter()
            .any(|matcher| matcher.label == label && matcher.op == "=" && matcher.value == value)
    };
    let secured =
        is("connection_security_policy", "mutual_tls") || is("connection_security_policy", "none");
    if !metric.starts_with("istio_") || !is("reporter", "source") || !secured {
        return None;
    }
    let why = sink.say(
        "with reporter=\"source\" connection_security_policy is always \"unknown\": only the server’s proxy tells",
        "reporter=\"source\" 时 connection_security_policy 总是 \"unknown\"：只有服务端代理知道",
    );
    Some(
        Judgement::new(Verdict::CannotMatch, why, "Istio standard metrics")
            .fix("reporter=\"destination\""),
    )
}
