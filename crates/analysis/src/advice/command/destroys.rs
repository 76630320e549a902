//! Commands that destroy.

use super::super::items::Sink;
use super::super::shell::Word;
use super::super::verdict::{Judgement, Verdict};
use super::Parsed;
use crate::knowledge::commands;

/// Whether the command destroys.
pub(super) fn destructive(sink: &Sink, parsed: &Parsed<'_>, words: &[Word]) -> Option<Judgement> {
    let dry = parsed
        .flags
        .iter()
        .any(|(flag, value, _)| flag == "--dry-run" && value.as_deref() != Some("none"));
    if dry {
        return None;
    }
    let tool = if parsed.tool.starts_with("ip") {
        "iptables"
    } else {
        parsed.tool
    };
    let row = commands().destructive(tool).iter().find(|row| {
        let has = |wanted: &&str| *wanted == "*" || has(parsed.tool, &words[1..], wanted);
        row.words
            .iter()
            .all(|alternatives| alternatives.iter().any(has))
    })?;
    let why = sink.say(row.why.0, row.why.1);
    Some(Judgement::new(Verdict::Destructive, why, row.source).fix(row.fix))
}

/// Whether a word is among the words: itself, as the kind of `kind/name`, or as a letter of iptables' clustered flags.
fn has(tool: &str, words: &[Word], wanted: &str) -> bool {
    let letter = wanted
        .strip_prefix('-')
        .filter(|letter| letter.len() == 1 && tool.ends_with("tables"));
    words.iter().any(|word| {
        let text = word.text.as_str();
        let of_kind =
            !wanted.contains('-') && text.split_once('/').is_some_and(|(kind, _)| kind == wanted);
        let clustered = letter.is_some_and(|letter| {
            text.starts_with('-') && !text.starts_with("--") && text.contains(letter)
        });
        text == wanted || of_kind || clustered
    })
}
