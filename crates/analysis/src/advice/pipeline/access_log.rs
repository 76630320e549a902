//! Searches in Istio's access log, whose default JSON has the keys of `explain`.

use super::super::fields::snake;
use super::super::items::Sink;
use super::super::verdict::{Judgement, Verdict};
use crate::explain::JSON_KEYS;
use crate::knowledge::nearest;

const SOURCE: &str = "Istio access log, default format";

/// Keys that hold numbers.
const NUMBERS: &[&str] = &["response_code", "bytes_received", "bytes_sent", "duration"];

/// A jq program that asks for keys that are not there, or compares a number with a text.
pub(super) fn jq(sink: &Sink, program: &str) -> Option<Judgement> {
    let mut rest = program;
    while let Some(at) = rest.find('.') {
        rest = &rest[at + 1..];
        let end = rest
            .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .unwrap_or(rest.len());
        let (name, tail) = rest.split_at(end);
        if name.is_empty() {
            continue;
        }
        let folded = snake(name);
        if folded != name && JSON_KEYS.contains(&&*folded) {
            let why = sink.say(
                format!("the log has the key {folded}, never {name}"),
                format!("日志中的键是 {folded}，不会有 {name}"),
            );
            return Some(
                Judgement::new(Verdict::CannotMatch, why, SOURCE)
                    .fix(program.replace(name, &folded)),
            );
        }
        let compared = tail.trim_start().strip_prefix("==").map(str::trim_start);
        let text = compared.and_then(|value| value.strip_prefix('"')?.split('"').next());
        if let (true, Some(text)) = (NUMBERS.contains(&name), text) {
            let why = sink.say(
                format!("{name} is a number in the log: it never equals the text {text:?}"),
                format!("日志中的 {name} 是数字：不会等于字符串 {text:?}"),
            );
            return Some(
                Judgement::new(Verdict::CannotMatch, why, SOURCE)
                    .fix(program.replace(&format!("\"{text}\""), text)),
            );
        }
    }
    None
}

/// `status=503`: neither of the formats writes pairs this way.
pub(super) fn pair(sink: &Sink, literal: &str) -> Option<Judgement> {
    const NAMES: &[&str] = &[
        "status",
        "code",
        "response_code",
        "response_flags",
        "flags",
        "upstream_cluster",
        "duration",
        "method",
    ];
    let (name, _) = literal.split_once('=')?;
    let name = name.trim_matches(['"', '\'', ' ']);
    if !NAMES.contains(&name) {
        return None;
    }
    let why = sink.say(
        format!("no line of the log has {name}=…: the text format writes values alone, JSON writes \"key\":value"),
        format!("日志中没有 {name}=…：TEXT 格式只有值，JSON 是 \"key\":value"),
    );
    let key = nearest(name, JSON_KEYS.iter().copied()).unwrap_or("response_code");
    Some(Judgement::new(Verdict::CannotMatch, why, SOURCE).fix(format!("grep '\"{key}\":'")))
}
