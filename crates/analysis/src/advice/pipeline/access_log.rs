//! Searches in Istio's access log, whose default JSON has the keys of `explain`.

use super::super::fields::snake;
use super::super::items::Sink;
use super::super::prose::flag;
use super::super::verdict::{Judgement, Verdict};
use crate::explain::JSON_KEYS;
use crate::knowledge::{RESPONSE_FLAGS, nearest};

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
        let near = nearest(name, JSON_KEYS.iter().copied());
        let longer = JSON_KEYS
            .iter()
            .find(|key| key.len() > 8 && name.starts_with(*key))
            .copied();
        if let (false, true, Some(near)) = (
            JSON_KEYS.contains(&name),
            name.contains('_'),
            longer.or(near),
        ) {
            let why = sink.say(
                format!("the log has no key {name}; {near} is one"),
                format!("日志中没有键 {name}；有 {near}"),
            );
            return Some(
                Judgement::new(Verdict::CannotMatch, why, SOURCE).fix(program.replace(name, near)),
            );
        }
        // Numbers come before texts in jq's order: one is never greater.
        let tail = tail.trim_start();
        let compared = ["==", ">=", ">"]
            .iter()
            .find_map(|sign| tail.strip_prefix(sign))
            .map(str::trim_start);
        let text = compared.and_then(|value| value.strip_prefix('"')?.split('"').next());
        if let (true, Some(text)) = (NUMBERS.contains(&name), text) {
            let why = sink.say(
                format!("{name} is a number in the log: it is never equal to the text {text:?}, nor above it"),
                format!("日志中的 {name} 是数字：不会等于或大于字符串 {text:?}"),
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

/// Alternatives that are response flags, one of which does not exist.
pub(super) fn flags(sink: &Sink, parts: &[String]) -> Option<Judgement> {
    let shaped =
        |part: &&str| (2..=4).contains(&part.len()) && part.chars().all(|c| c.is_ascii_uppercase());
    let names: Vec<&str> = parts.iter().map(|part| part.trim()).collect();
    let known = |name: &&str| RESPONSE_FLAGS.find("flag", name).is_some();
    if names.len() < 2 || !names.iter().all(shaped) || !names.iter().any(known) {
        return None;
    }
    let invented = names.iter().find(|name| !known(name))?;
    Some(flag(sink, invented))
}

/// `503 - UH`: between the code and the flag stands one blank.
pub(super) fn columns(sink: &Sink, literal: &str) -> Option<Judgement> {
    let words: Vec<&str> = literal.trim_matches(['"', ' ']).split(' ').collect();
    let [code, "-", flag] = words.as_slice() else {
        return None;
    };
    let is_code = code.len() == 3 && code.chars().all(|c| c.is_ascii_digit());
    let is_flag = (2..=5).contains(&flag.len()) && flag.chars().all(|c| c.is_ascii_uppercase());
    if !is_code || !is_flag {
        return None;
    }
    let why = sink.say(
        format!("the text format writes {code} {flag} DETAILS: the flag follows the code"),
        format!("TEXT 格式写作 {code} {flag} 详情：标志紧跟在响应码后"),
    );
    Some(Judgement::new(Verdict::CannotMatch, why, SOURCE).fix(format!("grep '{code} {flag} '")))
}
