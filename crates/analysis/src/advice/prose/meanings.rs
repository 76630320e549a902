//! What a text says that a response flag means.

use super::super::blocks::Piece;
use super::super::items::{Kind, Sink};
use super::super::verdict::{Judgement, Verdict};
use crate::knowledge::{FLAG_WORDS, RESPONSE_FLAGS};

/// Words between a flag and its meaning.
const MEANS: &[&str] = &[
    "means",
    "mean",
    "is",
    "are",
    "stands for",
    "marks",
    "says",
    "tells",
    "indicates",
    "shows",
    "signals",
    "denotes",
    "for",
    "when",
    "=",
    ":",
    "：",
    "|",
    "-",
    "–",
    "—",
    "→",
    "->",
    "(",
    "（",
    "表示",
    "代表",
    "是",
    "即",
    "指",
    "意味着",
    "说明",
];

/// Longest explanation that is read, in characters.
const REACH: usize = 90;

/// Judges the meanings that a line gives to the flags in its backticks, or that stand bare where `bare` is set.
pub(super) fn judge(sink: &mut Sink, piece: &Piece, spans: &[(u32, String)]) {
    let chars: Vec<char> = piece.text.chars().collect();
    for (number, (at, span)) in spans.iter().enumerate() {
        let name = span.trim_start_matches("503 ").trim();
        if FLAG_WORDS.find("flag", name).is_none() {
            continue;
        }
        let from = (*at as usize + span.chars().count()).min(chars.len());
        let next = spans
            .get(number + 1)
            .map_or(chars.len(), |(next, _)| *next as usize);
        let until = next.clamp(from, chars.len()).min(from + REACH);
        let text: String = chars[from..until].iter().collect();
        let Some(judgement) = explained(sink, name, &text.to_lowercase()) else {
            continue;
        };
        let column = piece.column.saturating_add(*at);
        sink.put(piece.line, column, Kind::ResponseFlag, name, judgement);
    }
}

fn explained(sink: &Sink, flag: &str, text: &str) -> Option<Judgement> {
    let text = text.trim_start_matches(['`', '"', '*', ' ', ')', '）']);
    let word = MEANS
        .iter()
        .filter(|word| text.starts_with(**word))
        .max_by_key(|word| word.len())?;
    let rest = &text[word.len()..];
    if word.is_ascii() && rest.starts_with(|c: char| c.is_ascii_alphanumeric()) && word.len() > 1 {
        return None;
    }
    let said = rest
        .split(['.', ';', '。', '；', '\n', ','])
        .next()
        .unwrap_or(rest);
    if said.contains(" not ")
        || said.contains('不') && !said.contains("不存在")
        || said.contains('?')
        || said.contains(" or ")
    {
        return None;
    }
    let names = |words: &str| words.split('|').any(|word| said.contains(word));
    let own = FLAG_WORDS.find("flag", flag)?;
    if names(own.get("words")) {
        return None;
    }
    let meant = FLAG_WORDS.rows().find(|row| names(row.get("words")))?;
    let meaning = RESPONSE_FLAGS.find("flag", flag)?;
    let why = sink.say(
        format!(
            "{flag} means: {}; what is described is {}",
            meaning.get("meaning"),
            meant.get("flag")
        ),
        format!(
            "{flag} 的含义：{}；所描述的是 {}",
            meaning.get("meaning_zh"),
            meant.get("flag")
        ),
    );
    Some(Judgement::new(Verdict::CannotMatch, why, own.get("source")).fix(meant.get("flag")))
}
