//! Commands in the middle of a sentence: a tool, then a sub-command or a flag of it, up to where the sentence goes on.

use super::super::items;
use crate::knowledge::{REMOVED_COMMANDS, commands};

/// Words with which a sentence goes on behind a command.
const STOPS: &[&str] = &[
    "and", "or", "to", "then", "which", "that", "is", "the", "will", "for", "with", "in", "on",
    "from", "shows", "prints", "again", "first", "before", "after", "if", "you", "as", "when",
    "but", "so", "does", "can", "also", "it", "gives", "works",
];

/// A word with its offset, quotes and all.
#[derive(Debug, Clone, Copy)]
struct Word<'a> {
    at: usize,
    text: &'a str,
}

/// Where commands begin, and how they read.
pub(super) fn find(text: &str) -> Vec<(usize, String)> {
    let words = words(text);
    let mut out = Vec::new();
    let mut index = 0;
    while index + 1 < words.len() {
        let end = match items::tool_of(words[index].text) {
            Some(tool) if begins(tool, words[index + 1].text) => end(text, &words, index),
            _ => index,
        };
        if end > index + 1 {
            let start = words[index].at;
            let last = words[end - 1];
            let whole = text[start..last.at].to_owned() + trimmed(last.text);
            out.push((start, whole));
        }
        index = end.max(index + 1);
    }
    out
}

/// The number of the word behind the command that begins at one.
fn end(text: &str, words: &[Word<'_>], start: usize) -> usize {
    let mut index = start;
    while let Some(word) = words.get(index) {
        let before = index.checked_sub(1).map(|before| words[before]);
        let gap = before.map_or("", |before| &text[before.at + before.text.len()..word.at]);
        if index > start && !gap.trim().is_empty() {
            break;
        }
        if word.text == "|" {
            let next = words
                .get(index + 1)
                .and_then(|next| items::tool_of(next.text));
            let passes = words.get(index + 1).is_some_and(|next| {
                matches!(
                    next.text,
                    "awk" | "head" | "tail" | "sort" | "wc" | "uniq" | "sed" | "cut"
                )
            });
            if next.is_none() && !passes {
                break;
            }
            index += 2;
            continue;
        }
        let bare = trimmed(word.text);
        let piped = before.is_some_and(|before| before.text == "|");
        if bare.is_empty() || index > start + 1 && !piped && STOPS.contains(&bare) {
            break;
        }
        index += 1;
        if bare.len() < word.text.len() {
            break;
        }
    }
    index
}

fn trimmed(word: &str) -> &str {
    word.trim_end_matches([',', '.', ';', ':', '!', '?', ')'])
}

/// Words, quoted ones whole; what is not ASCII parts them, and so does a parenthesis out of quotes.
fn words(text: &str) -> Vec<Word<'_>> {
    let mut out = Vec::new();
    let mut start = None;
    let mut quote: Option<char> = None;
    for (at, c) in text.char_indices().chain([(text.len(), ' ')]) {
        if let Some(mark) = quote {
            if c == mark {
                quote = None;
            }
            if at < text.len() {
                continue;
            }
        } else if matches!(c, '"' | '\'') && start.is_none() && text[at + 1..].contains(c) {
            (quote, start) = (Some(c), Some(at));
            continue;
        }
        let inside = c.is_ascii() && !c.is_whitespace() && c != '(';
        match (inside, start) {
            (true, None) => start = Some(at),
            (false, Some(from)) => {
                out.push(Word {
                    at: from,
                    text: &text[from..at],
                });
                start = None;
            }
            _ => {}
        }
    }
    out
}

/// Whether a word begins a command of the tool: a flag or a sub-command of it.
fn begins(tool: &str, word: &str) -> bool {
    if tool == "curl" {
        let local = word.starts_with("localhost:") || word.starts_with("127.0.0.1:");
        return word.starts_with('-') && word.len() > 1 || word.contains("://") || local;
    }
    if matches!(tool, "jq" | "grep") {
        return false;
    }
    let word = word.trim_end_matches([',', '.', ';', ':', ')']);
    (word.starts_with('-') && word.len() > 1)
        || commands()
            .of(tool)
            .iter()
            .any(|sub| sub.path.first().is_some_and(|names| names.contains(&word)))
        || REMOVED_COMMANDS
            .rows()
            .any(|row| row.get("tool") == tool && row.get("sub").split(' ').next() == Some(word))
}
