//! The role that prose gives to a port.

use super::super::blocks::Piece;
use super::super::items::{Kind, Sink};
use super::super::verdict::{Judgement, Verdict};
use crate::knowledge::{self, PORT_WORDS, PORTS, PORTS_REMOVED};

/// Judges the role that a line gives to a port of the mesh.
pub(super) fn judge(sink: &mut Sink, piece: &Piece) {
    let lower = piece.text.to_lowercase();
    if !(lower.contains("port") || lower.contains("端口") || lower.contains("listen")) {
        return;
    }
    let mut offset = 0;
    for clause in clauses(&piece.text) {
        let start = offset;
        offset += clause.len();
        let numbers = numbers(clause);
        let [(at, number)] = numbers.as_slice() else {
            continue;
        };
        let claims = clause.to_lowercase();
        let column = piece
            .column
            .saturating_add(u32::try_from(piece.text[..start + at].chars().count()).unwrap_or(0));
        if let Some(judgement) = role(sink, number, &claims) {
            super::mention(
                sink,
                piece.line,
                column,
                Kind::Port,
                number,
                &piece.text,
                judgement,
            );
        }
    }
}

/// The clauses of a line; one that names several ports is parted by the words that join them.
fn clauses(text: &str) -> Vec<&str> {
    let ends = |c: char| matches!(c, ',' | '，' | ';' | '；' | '。' | '、' | '.');
    let mut out = Vec::new();
    for clause in text.split_inclusive(ends) {
        if numbers(clause).len() < 2 {
            out.push(clause);
            continue;
        }
        let mut rest = clause;
        while let Some((at, word)) = [" and ", "和", "与", " while ", " but "]
            .iter()
            .filter_map(|word| Some((rest.find(word)?, *word)))
            .min()
        {
            let (part, tail) = rest.split_at(at + word.len());
            out.push(part);
            rest = tail;
        }
        out.push(rest);
    }
    out
}

/// Numbers of five digits that begin with 15.
fn numbers(text: &str) -> Vec<(usize, String)> {
    let mut out = Vec::new();
    let mut start = None;
    for (at, c) in text.char_indices().chain([(text.len(), ' ')]) {
        match (c.is_ascii_digit(), start) {
            (true, None) => start = Some(at),
            (false, Some(from)) => {
                let number = &text[from..at];
                if number.len() == 5 && number.starts_with("15") {
                    out.push((from, number.to_owned()));
                }
                start = None;
            }
            _ => {}
        }
    }
    out
}

fn says(row: &knowledge::Row<'_>, claims: &str) -> bool {
    row.list("words").any(|word| claims.contains(word))
}

fn role(sink: &Sink, number: &str, claims: &str) -> Option<Judgement> {
    if let Some(row) = PORTS_REMOVED.find("port", number) {
        let why = sink.say(
            format!("port {number} ({}) is not used any more", row.get("was")),
            format!("端口 {number}（{}）已不再使用", row.get("was")),
        );
        return Some(
            Judgement::new(Verdict::Unknown, why, row.get("source")).fix(row.get("instead")),
        );
    }
    let row = PORTS.find("port", number)?;
    if says(&row, claims) {
        return Some(Judgement::fine(row.get("source")));
    }
    let meant = PORT_WORDS
        .rows()
        .find(|row| claims.contains(row.get("words")) && row.get("port") != number)?;
    let right = meant.get("port");
    let why = sink.say(
        format!(
            "port {number} is the {}; what is meant is {right}",
            row.get("role")
        ),
        format!("端口 {number} 是{}；所说的是 {right}", row.get("role_zh")),
    );
    Some(Judgement::new(Verdict::Misplaced, why, row.get("source")).fix(right))
}
