//! awk in a pipe: patterns between slashes, and columns of a table compared with a word.

use std::sync::LazyLock;

use regex::Regex;

use super::super::items::Sink;
use super::super::output::Output;
use super::super::shell::Word;
use super::super::verdict::{Judgement, Verdict};
use super::{pattern, table};

/// `$3=="Ready"`.
static COLUMN: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r#"\$([0-9]+)\s*==\s*"([A-Za-z][A-Za-z]+)""#).ok());

/// `/Ready/`, not behind a `!` or a `~` that a column stands before.
static PATTERN: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"^\s*/((?:[^/\\]|\\.)+)/\s*(?:\{|$)").ok());

/// Why the program never selects a line of the output.
pub(super) fn judge(sink: &Sink, output: &Output, words: &[Word]) -> Option<Judgement> {
    let program = words.iter().skip(1).find(|word| word.quoted)?;
    if let Some(found) = PATTERN.as_ref()?.captures(&program.text) {
        let pattern = found.get(1)?.as_str().replace("\\/", "/");
        return super::search(
            sink,
            output,
            &pattern::alternatives(&pattern, true, false),
            false,
        );
    }
    let Output::Table { kind, wide } = output else {
        return None;
    };
    let mut never = None;
    for found in COLUMN.as_ref()?.captures_iter(&program.text) {
        let (column, word) = (found.get(1)?.as_str(), found.get(2)?.as_str());
        if column == "0" || column == "1" {
            return None;
        }
        never = Some(
            table::in_table(sink, kind, *wide, word, false)
                .or_else(|| letter_case(sink, kind, word))?,
        );
    }
    never
}

/// A word that the table has in another letter case.
fn letter_case(sink: &Sink, kind: &str, word: &str) -> Option<Judgement> {
    let (words, source) = table::closed(kind)?;
    let mut words = words.split(' ');
    if words.clone().any(|known| known == word) {
        return None;
    }
    let right = words.find(|known| known.eq_ignore_ascii_case(word))?;
    let why = sink.say(
        format!("the table prints {right}; awk minds the case of letters"),
        format!("表格输出的是 {right}；awk 区分大小写"),
    );
    Some(Judgement::new(Verdict::CannotMatch, why, source).fix(format!("\"{right}\"")))
}
