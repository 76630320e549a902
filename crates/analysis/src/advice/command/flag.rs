//! Flags that the command does not have, and values that its flags do not take.

use super::super::items::Sink;
use super::super::values;
use super::super::verdict::{Judgement, Verdict};
use super::words::single_dash;
use super::{Parsed, kubectl};
use crate::knowledge::{FLAG_VALUES, FlagSpec, nearest};

pub(super) fn unknown_flag(
    sink: &Sink,
    specs: &[FlagSpec],
    text: &str,
    parsed: &Parsed<'_>,
) -> Judgement {
    let name = text.split('=').next().unwrap_or(text);
    let command: Vec<&str> = std::iter::once(parsed.tool)
        .chain(parsed.path.iter().copied())
        .collect();
    let command = command.join(" ");
    let known = specs
        .iter()
        .flat_map(|spec| [spec.long, spec.short])
        .flatten();
    let near = nearest(
        name,
        known.filter(|known| known.len() > 2 || single_dash(parsed.tool)),
    )
    .map(str::to_owned)
    .or_else(|| meant(parsed, name))
    .unwrap_or_default();
    let why = sink.say(
        format!("{command} has no flag {name}: it stops with an error"),
        format!("{command} 没有参数 {name}：会报错退出"),
    );
    Judgement::new(Verdict::Unknown, why, parsed.source).fix(near)
}

/// Flags that other tools have for the same.
fn meant(parsed: &Parsed<'_>, name: &str) -> Option<String> {
    let right = match (parsed.tool, name.trim_start_matches('-')) {
        ("fortio", "concurrency" | "connections") | ("hey", "concurrency" | "workers") => "-c",
        ("fortio", "duration") => "-t",
        ("hey", "duration") => "-z",
        ("fortio" | "hey", "requests") => "-n",
        ("hey", "qps" | "rate") => "-q",
        ("fortio", "rate") => "-qps",
        ("hey", "timeout") => "-t",
        ("istioctl", "severity" | "level") => "--output-threshold",
        _ => return None,
    };
    Some(right.to_owned())
}

/// Values that a flag does not take.
pub(super) fn flag_values(sink: &Sink, parsed: &Parsed<'_>) -> Option<Judgement> {
    let sub = parsed.sub();
    parsed.flags.iter().find_map(|(flag, value, _)| {
        let value = value
            .as_deref()
            .filter(|value| !values::is_placeholder(value))?;
        let (wanted, value) = match (parsed.tool, flag.as_str(), value.split_once('=')) {
            ("istioctl", "--set", Some((key, value))) => (format!("--set {key}"), value),
            _ => (flag.clone(), value),
        };
        let row = FLAG_VALUES.rows().find(|row| {
            row.get("tool") == parsed.tool
                && sub.starts_with(row.get("sub"))
                && row.get("flag") == wanted
        })?;
        let misfit = match row.get("values") {
            "kubectl-output" => kubectl::output_format(value),
            levels if levels.starts_with("loglevels:") => log_level(&levels[10..], value),
            ty => values::check(ty, value),
        }?;
        let why = sink.say(misfit.why.0, misfit.why.1);
        Some(
            Judgement::new(Verdict::Refused, why, row.get("source"))
                .fix(misfit.fix.unwrap_or_default()),
        )
    })
}

/// `debug`, or `http:debug,router:trace`.
fn log_level(levels: &str, value: &str) -> Option<values::Misfit> {
    let ty = format!("enum:{levels}");
    value
        .split(',')
        .map(|part| part.rsplit(':').next().unwrap_or(part))
        .find_map(|level| values::check(&ty, level))
}
