//! What the outputs of `knowledge/outputs.tsv` hold: keys at the top, words in one letter case.

use super::items::Sink;
use super::verdict::{Judgement, Verdict};
use crate::knowledge::{OUTPUTS, Row, SEARCHES, nearest};

fn row(tool: &str, sub: &str) -> Option<Row<'static>> {
    OUTPUTS
        .rows()
        .find(|row| row.get("tool") == tool && row.get("sub") == sub)
}

/// A jq program whose first key is none of those at the top.
pub(super) fn top_key(sink: &Sink, tool: &str, sub: &str, program: &str) -> Option<Judgement> {
    let row = row(tool, sub)?;
    let keys: Vec<&str> = row
        .get("keys")
        .split(' ')
        .filter(|key| !key.is_empty())
        .collect();
    let first = program.trim_start().strip_prefix('.')?;
    let end = first
        .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .unwrap_or(first.len());
    let key = &first[..end];
    if key.is_empty() || keys.is_empty() || keys.contains(&key) {
        return None;
    }
    let list = keys.join(", ");
    let why = sink.say(
        format!("at the top stand {list}; there is no {key}, and jq prints null"),
        format!("顶层只有 {list}；没有 {key}，jq 会输出 null"),
    );
    let fix = nearest(key, keys.iter().copied()).or(keys.first().copied());
    let fix = fix.map(|key| format!("jq '.{key}'")).unwrap_or_default();
    Some(Judgement::new(Verdict::CannotMatch, why, row.get("source")).fix(fix))
}

/// A word that is printed in another letter case only.
pub(super) fn letter_case(sink: &Sink, tool: &str, sub: &str, word: &str) -> Option<Judgement> {
    let row = row(tool, sub)?;
    let mut words = row
        .get("words")
        .split(' ')
        .filter(|known| !known.is_empty());
    if words.clone().any(|known| known.contains(word)) {
        return None;
    }
    let right = words.find(|known| known.eq_ignore_ascii_case(word))?;
    let why = sink.say(
        format!("it prints {right}; grep minds the case of letters"),
        format!("输出的是 {right}；grep 区分大小写"),
    );
    Some(Judgement::new(Verdict::CannotMatch, why, row.get("source")).fix(format!("grep {right}")))
}

/// A word that is looked for here in vain, as `knowledge/searches.tsv` tells.
pub(super) fn elsewhere(sink: &Sink, tool: &str, sub: &str, word: &str) -> Option<Judgement> {
    let row = SEARCHES.rows().find(|row| {
        row.get("tool") == tool
            && row.get("sub") == sub
            && row.get("words").split(' ').any(|known| known == word)
    })?;
    let (prints, prints_zh) = (row.get("prints"), row.get("prints_zh"));
    let why = sink.say(
        format!("{word} never stands there: it has {prints}"),
        format!("其中不会出现 {word}：它有 {prints_zh}"),
    );
    let instead = row.get("instead");
    let fix = if instead.contains(' ') {
        format!("{instead} | grep {word}")
    } else {
        format!("grep {instead}")
    };
    Some(Judgement::new(Verdict::CannotMatch, why, row.get("source")).fix(fix))
}
