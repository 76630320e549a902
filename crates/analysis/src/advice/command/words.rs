//! Sorts the words of a command: sub-command, flags with their values, arguments, and the command behind `--`.

use super::super::items::Sink;
use super::super::shell::Word;
use super::super::values;
use super::super::verdict::{Judgement, Verdict};
use super::{Parsed, flag, subcommand};
use crate::knowledge::{FlagSpec, SubCommand, commands};

/// Sorts the words of a command.
pub(crate) fn parse<'a>(sink: &Sink, tool: &'static str, words: &'a [Word]) -> Parsed<'a> {
    let subs = commands().of(tool);
    let mut parsed = Parsed {
        tool,
        path: Vec::new(),
        positional: Vec::new(),
        flags: Vec::new(),
        inner: &[],
        source: "",
        open: false,
        problems: Vec::new(),
    };
    let plain = positional(tool, words);
    let taken = subcommand::resolve(sink, subs, &plain, &mut parsed);
    let sub = subs.iter().find(|sub| {
        sub.path.len() == parsed.path.len()
            && sub
                .path
                .iter()
                .zip(&parsed.path)
                .all(|(names, word)| names[0] == *word)
    });
    parsed.source = sub.map_or("", |sub| sub.source);
    let open = parsed.open || sub.is_none_or(|sub| sub.open) || !parsed.problems.is_empty();
    let mut specs: Vec<FlagSpec> = global(tool).to_vec();
    for sub in subs
        .iter()
        .filter(|sub| !sub.path.is_empty() && is_prefix(sub, &parsed.path))
    {
        specs.extend(&sub.flags);
    }
    flags(sink, words, &specs, open, taken, &mut parsed);
    parsed
}

fn global(tool: &str) -> &[FlagSpec] {
    commands()
        .of(tool)
        .iter()
        .find(|sub| sub.path.is_empty())
        .map_or(&[], |sub| sub.flags.as_slice())
}

/// Go's flag package: `-name`, whatever the length.
pub(super) fn single_dash(tool: &str) -> bool {
    matches!(tool, "fortio" | "hey")
}

fn is_prefix(sub: &SubCommand, path: &[&str]) -> bool {
    sub.path.len() <= path.len()
        && sub
            .path
            .iter()
            .zip(path)
            .all(|(names, word)| names[0] == *word)
}

/// The words that are no flags and no values of flags, whatever the sub-command.
pub(super) fn positional<'a>(tool: &str, words: &'a [Word]) -> Vec<&'a Word> {
    let mut out = Vec::new();
    let mut skip = false;
    for word in &words[1..] {
        let text = word.text.as_str();
        if std::mem::take(&mut skip) {
            continue;
        }
        if text == "--" {
            break;
        }
        if text.starts_with(['-', '–', '—']) && text.len() > 1 {
            skip = commands()
                .of(tool)
                .iter()
                .flat_map(|sub| &sub.flags)
                .any(|spec| spec.value && (spec.short == Some(text) || spec.long == Some(text)));
            continue;
        }
        out.push(word);
    }
    out
}

fn flags<'a>(
    sink: &Sink,
    words: &'a [Word],
    specs: &[FlagSpec],
    open: bool,
    taken: usize,
    parsed: &mut Parsed<'a>,
) {
    let mut left = taken;
    let mut index = 1;
    while index < words.len() {
        let word = &words[index];
        let text = word.text.as_str();
        index += 1;
        if text == "--" {
            parsed.inner = &words[index..];
            break;
        }
        let next = words.get(index).map(|word| word.text.clone());
        if let Some(rest) = text.strip_prefix(['–', '—']) {
            if !word.quoted && rest.starts_with(|c: char| c.is_ascii_alphabetic() || c == '-') {
                let right = if rest.chars().count() > 2 {
                    format!("--{rest}")
                } else {
                    format!("-{rest}")
                };
                let why = sink.say(
                    format!("{text} begins with a typographic dash: the shell passes it on as an argument"),
                    format!("{text} 以排版破折号开头：会被当作普通参数"),
                );
                parsed
                    .problems
                    .push(Judgement::new(Verdict::Unknown, why, "POSIX utility syntax").fix(right));
            }
            continue;
        }
        let flag = text.starts_with('-') && text.len() > 1 && !is_number(text);
        if !flag {
            if left > 0 && !parsed.path.is_empty() {
                left -= 1;
            } else {
                parsed.positional.push(word);
            }
            continue;
        }
        let used = if text.starts_with("--") || single_dash(parsed.tool) {
            long(specs, text, next.as_deref(), word, parsed)
        } else {
            short(specs, text, next.as_deref(), word, parsed)
        };
        match used {
            Some(more) => index += more,
            None if open || values::is_placeholder(text) || word.quoted => {}
            None => {
                let problem = flag::unknown_flag(sink, specs, text, parsed);
                parsed.problems.push(problem);
            }
        }
    }
}

fn is_number(text: &str) -> bool {
    text[1..].starts_with(|c: char| c.is_ascii_digit())
}

fn spec_name(spec: &FlagSpec) -> String {
    spec.long.or(spec.short).unwrap_or_default().to_owned()
}

/// A long flag; how many further words it takes, or `None` if the command has no such flag.
fn long<'a>(
    specs: &[FlagSpec],
    text: &str,
    next: Option<&str>,
    word: &'a Word,
    parsed: &mut Parsed<'a>,
) -> Option<usize> {
    let (name, value) = match text.split_once('=') {
        Some((name, value)) => (name, Some(value.to_owned())),
        None => (text, None),
    };
    let single = format!("-{}", name.trim_start_matches('-'));
    let matching: Vec<&FlagSpec> = specs
        .iter()
        .filter(|spec| {
            spec.long == Some(name)
                || spec.short == Some(name)
                || (single_dash(parsed.tool) && spec.short == Some(&single))
        })
        .collect();
    let curl = matches!(parsed.tool, "curl" | "grep" | "aws") && matching.is_empty();
    let prefix: Vec<&FlagSpec> = if curl && name.len() > 3 {
        specs
            .iter()
            .filter(|spec| spec.long.is_some_and(|long| long.starts_with(name)))
            .collect()
    } else {
        Vec::new()
    };
    let negated = matches!(parsed.tool, "curl") && name.starts_with("--no-");
    let spec = matching
        .first()
        .or(prefix.first().filter(|_| prefix.len() == 1));
    let Some(spec) = spec else {
        return negated.then_some(0);
    };
    let boolean = matching.iter().any(|spec| !spec.value);
    let takes = spec.value && value.is_none() && !boolean;
    let value = value.or_else(|| if takes { next.map(str::to_owned) } else { None });
    parsed.flags.push((spec_name(spec), value, word));
    Some(usize::from(takes))
}

/// A cluster of short flags.
fn short<'a>(
    specs: &[FlagSpec],
    text: &str,
    next: Option<&str>,
    word: &'a Word,
    parsed: &mut Parsed<'a>,
) -> Option<usize> {
    if let Some(spec) = specs
        .iter()
        .find(|spec| spec.short == Some(text) || (spec.long == Some(text)))
    {
        let value = if spec.value {
            next.map(str::to_owned)
        } else {
            None
        };
        parsed.flags.push((spec_name(spec), value, word));
        return Some(usize::from(spec.value));
    }
    if let Some((name, value)) = text.split_once('=') {
        let spec = specs.iter().find(|spec| spec.short == Some(name))?;
        parsed
            .flags
            .push((spec_name(spec), Some(value.to_owned()), word));
        return Some(0);
    }
    let mut found = Vec::new();
    let mut rest = &text[1..];
    while let Some(c) = rest.chars().next() {
        let name = format!("-{c}");
        rest = &rest[c.len_utf8()..];
        let spec = specs
            .iter()
            .find(|spec| spec.short == Some(name.as_str()))?;
        if spec.value {
            let (value, more) = if rest.is_empty() {
                (next.map(str::to_owned), 1)
            } else {
                (Some(rest.to_owned()), 0)
            };
            found.push((spec_name(spec), value, word));
            parsed.flags.extend(found);
            return Some(more);
        }
        found.push((spec_name(spec), None, word));
    }
    parsed.flags.extend(found);
    Some(0)
}
