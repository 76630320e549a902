//! Logs of Knative's components: JSON with the keys of `zap-logger-config` in config-logging.

use std::sync::LazyLock;

use regex::Regex;

use super::super::items::Sink;
use super::super::verdict::{Judgement, Verdict};
use crate::knowledge::settings;

const SOURCE: &str = "knative/serving config-logging";

/// Keys of other loggers, and Knative's for the same.
const KEYS: &[(&str, &str)] = &[
    ("level", "severity"),
    ("lvl", "severity"),
    ("msg", "message"),
    ("ts", "timestamp"),
    ("time", "timestamp"),
];

/// `"key":"value"`, `key=value`.
static PAIR: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r#""?([a-z]+)"?\s*[:=]\s*"?([A-Za-z]*)"#).ok());

/// `.key == "value"`, `.key | test(…)`.
static KEY: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r#"(?:^|[^A-Za-z0-9_\])])\.([a-z]+)\b(?:\s*==\s*"([A-Za-z]*)")?"#).ok()
});

fn of_knative(name: &str) -> bool {
    settings()
        .workloads()
        .iter()
        .any(|workload| workload.namespace == "knative-serving" && workload.name == name)
        || name == "queue-proxy"
}

/// Why a literal never stands in a line of the log.
pub(super) fn line(sink: &Sink, of: &str, literal: &str) -> Option<Judgement> {
    if !of_knative(of) {
        return None;
    }
    let found = PAIR.as_ref()?.captures(literal)?;
    judge(sink, found.get(1)?.as_str(), found.get(2)?.as_str())
}

/// Why a program of jq finds nothing in the log.
pub(super) fn program(sink: &Sink, of: &str, program: &str) -> Option<Judgement> {
    if !of_knative(of) {
        return None;
    }
    KEY.as_ref()?.captures_iter(program).find_map(|found| {
        let value = found.get(2).map_or("", |value| value.as_str());
        judge(sink, found.get(1)?.as_str(), value)
    })
}

fn judge(sink: &Sink, key: &str, value: &str) -> Option<Judgement> {
    if let Some((_, right)) = KEYS.iter().find(|(wrong, _)| *wrong == key) {
        let why = sink.say(
            format!("Knative logs the key {right}, no {key}"),
            format!("Knative 日志中的键是 {right}，没有 {key}"),
        );
        return Some(
            Judgement::new(Verdict::CannotMatch, why, SOURCE)
                .fix(format!("\"{right}\":\"{}\"", value.to_uppercase())),
        );
    }
    if key != "severity" || value.is_empty() || value.chars().all(|c| c.is_ascii_uppercase()) {
        return None;
    }
    let why = sink.say(
        "the severity is written in capitals",
        "severity 的值是大写字母",
    );
    let fix = format!("\"severity\":\"{}\"", value.to_uppercase());
    Some(Judgement::new(Verdict::CannotMatch, why, SOURCE).fix(fix))
}
