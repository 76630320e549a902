//! Pipes: can this pattern ever match that output?

mod access_log;
mod awk;
pub(crate) mod compared;
mod envoy;
mod knative_log;
mod pattern;
mod table;

use super::command;
use super::fields::{camel, snake};
use super::items::{Kind, Sink, tool_of};
use super::output::{self, Format, Output};
use super::shell::{Pipeline, Word};
use super::verdict::{Judgement, Verdict};
use super::{path, printed};

/// Programs that pass lines on as they are.
const PASSES: &[&str] = &[
    "sort", "uniq", "head", "tail", "tee", "less", "more", "cat", "column", "nl",
];

/// Judges what the commands behind the first make of its output.
pub(crate) fn judge(sink: &mut Sink, pipeline: &Pipeline) {
    let Some((first, rest)) = pipeline.commands.split_first() else {
        return;
    };
    let Some(output) = output::of(sink, first) else {
        return;
    };
    let mut searched = false;
    for command in rest {
        let words = command::proper(&command.words);
        let Some(program) = words.first() else { return };
        let name = program.text.rsplit('/').next().unwrap_or_default();
        let judgement = match tool_of(&program.text) {
            Some("grep") => grep(sink, &output, name, words),
            Some("jq") => jq(sink, &output, words),
            _ if name == "yq" => jq(sink, &output, words),
            _ if matches!(name, "awk" | "gawk" | "mawk") => {
                let judged = awk::judge(sink, &output, words);
                if judged.is_none() {
                    break;
                }
                judged
            }
            _ if PASSES.contains(&name) => continue,
            _ => break,
        };
        searched = true;
        if let Some(judgement) = judgement {
            sink.put(
                pipeline.line,
                pipeline.column,
                Kind::Pipeline,
                &pipeline.text,
                judgement,
            );
            return;
        }
    }
    if searched {
        sink.put(
            pipeline.line,
            pipeline.column,
            Kind::Pipeline,
            &pipeline.text,
            Judgement::fine(""),
        );
    }
}

fn grep(sink: &Sink, output: &Output, name: &str, words: &[Word]) -> Option<Judgement> {
    let parsed = command::parse(sink, "grep", words);
    if parsed.has("--invert-match") || parsed.has("--quiet") && parsed.positional.is_empty() {
        return None;
    }
    let pattern = parsed
        .flag("--regexp")
        .map(str::to_owned)
        .or_else(|| parsed.positional.first().map(|word| word.text.clone()))?;
    if super::values::is_placeholder(&pattern) || pattern.contains('%') {
        return None;
    }
    let extended =
        name == "egrep" || parsed.has("--extended-regexp") || parsed.has("--perl-regexp");
    let fixed = name == "fgrep" || parsed.has("--fixed-strings");
    let fold = parsed.has("--ignore-case");
    let parts = pattern::alternatives(&pattern, extended, fixed);
    let flags = matches!(output, Output::Logs { of } if of == "istio-proxy");
    search(sink, output, &parts, fold)
        .or_else(|| access_log::flags(sink, &parts).filter(|_| flags && !fold))
}

/// Why none of the literals can be in the output.
fn search(sink: &Sink, output: &Output, parts: &[String], fold: bool) -> Option<Judgement> {
    let mut reason = None;
    for part in parts {
        match never(sink, output, part.trim(), fold) {
            Some(judgement) => reason = reason.or(Some(judgement)),
            None => return None,
        }
    }
    reason
}

/// Why a literal can never be in the output.
fn never(sink: &Sink, output: &Output, literal: &str, fold: bool) -> Option<Judgement> {
    if matches!(output, Output::Logs { of } if of == "istio-proxy")
        && let Some(judgement) = access_log::columns(sink, literal)
    {
        return Some(judgement);
    }
    if let Output::Logs { of } = output
        && let Some(judgement) = knative_log::line(sink, of, literal)
    {
        return Some(judgement);
    }
    let word = literal.trim_matches([':', '"', '\'', ' ', '=']);
    if word.len() < 2 || word.contains(' ') {
        return None;
    }
    match output {
        Output::Table { kind, wide } => table::in_table(sink, kind, *wide, word, fold),
        Output::Objects { kind, json, .. } => {
            table::in_objects(sink, kind, *json, literal, word, fold)
        }
        Output::ProxyConfig {
            sub,
            format: Format::Table,
        } => envoy::in_proxy_table(sink, sub, word, fold)
            .or_else(|| printed::elsewhere(sink, "proxy-config", sub, word))
            .or_else(|| printed::letter_case(sink, "proxy-config", sub, word).filter(|_| !fold)),
        Output::ProxyConfig {
            format: Format::Data,
            ..
        } if !fold => {
            let right = path::other_spelling(word, true)?;
            let why = sink.say(
                format!("istioctl prints camelCase: {right}, never {word}"),
                format!("istioctl 输出驼峰命名：{right}，不会有 {word}"),
            );
            Some(
                Judgement::new(Verdict::CannotMatch, why, "istioctl proxy-config")
                    .fix(format!("grep {right}")),
            )
        }
        Output::Admin { path } => envoy::in_admin(sink, path, word, fold)
            .or_else(|| printed::letter_case(sink, "admin", path, word).filter(|_| !fold)),
        Output::Aws { sub } if !fold => printed::letter_case(sink, "aws", sub, word),
        Output::Logs { of } => printed::elsewhere(sink, "logs", of, word).or_else(|| {
            (of == "istio-proxy")
                .then(|| envoy::in_logs(sink, word).or_else(|| access_log::pair(sink, literal)))
                .flatten()
        }),
        _ => None,
    }
}

fn jq(sink: &Sink, output: &Output, words: &[Word]) -> Option<Judgement> {
    let parsed = command::parse(sink, "jq", words);
    let program = &parsed.positional.first()?.text;
    match output {
        Output::Objects { kind, single, .. } => path::jq(sink, kind, *single, program)
            .or_else(|| compared::judge(sink, "kubectl", table::kind_of(kind), program)),
        Output::ProxyConfig {
            format: Format::Data,
            ..
        } => spelling(sink, program, true),
        Output::Admin { path } => {
            let plain = path.split('?').next().unwrap_or(path);
            let page = if path.contains("format=json") && plain != "config_dump" {
                path.split('&').next().unwrap_or(path)
            } else {
                plain
            };
            printed::top_key(sink, "admin", page, program).or_else(|| {
                (plain == "config_dump")
                    .then(|| spelling(sink, program, false))
                    .flatten()
            })
        }
        Output::Aws { sub } => printed::top_key(sink, "aws", sub, program)
            .or_else(|| compared::judge(sink, "aws", sub, program)),
        Output::Logs { of } if of == "istio-proxy" => access_log::jq(sink, program),
        Output::Logs { of } => knative_log::program(sink, of, program),
        Output::Table { kind, .. } => {
            let why = sink.say(
                "jq reads JSON; without -o json kubectl prints a table",
                "jq 读取 JSON；不加 -o json 时 kubectl 输出表格",
            );
            Some(
                Judgement::new(Verdict::CannotMatch, why, "kubectl get")
                    .fix(format!("kubectl get {kind} -o json | jq …")),
            )
        }
        Output::ProxyConfig {
            sub,
            format: Format::Table,
        } => {
            let why = sink.say(
                "jq reads JSON; without -o json istioctl prints a table",
                "jq 读取 JSON；不加 -o json 时 istioctl 输出表格",
            );
            Some(
                Judgement::new(Verdict::CannotMatch, why, "istioctl proxy-config")
                    .fix(format!("istioctl proxy-config {sub} POD -o json | jq …")),
            )
        }
        _ => None,
    }
}

/// Keys under which names are free.
const FREE: &[&str] = &[
    "metadata",
    "filter_metadata",
    "filterMetadata",
    "labels",
    "stats",
    "LABELS",
    "ANNOTATIONS",
];

/// Keys in the spelling that is not printed: protobuf's JSON is camelCase as istioctl prints it, and snake_case in
/// Envoy's dumps.
fn spelling(sink: &Sink, program: &str, printed_camel: bool) -> Option<Judgement> {
    let mut rest = program;
    let mut quoted = false;
    while let Some(at) = rest.find(['.', '"']) {
        let mark = rest.as_bytes()[at];
        rest = &rest[at + 1..];
        if mark == b'"' {
            quoted = !quoted;
            continue;
        }
        let end = rest
            .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .unwrap_or(rest.len());
        let name = &rest[..end];
        if quoted {
            continue;
        }
        if FREE.contains(&name) {
            return None;
        }
        let lower = name.starts_with(|c: char| c.is_ascii_lowercase());
        let right = path::other_spelling(name, printed_camel).or_else(|| {
            let right = if printed_camel {
                camel(name)
            } else {
                snake(name)
            };
            (lower && right != name && name.len() > 4).then_some(right)
        });
        if let Some(right) = right {
            let why = sink.say(
                format!("the JSON has {right}, never {name}"),
                format!("JSON 中是 {right}，不会有 {name}"),
            );
            return Some(
                Judgement::new(Verdict::CannotMatch, why, "Envoy, istioctl")
                    .fix(program.replace(name, &right)),
            );
        }
    }
    None
}
