//! Prose: what it names in backticks and out of them, and what it claims of defaults and ports.

mod assignments;
mod attributes;
mod claims;
mod commands;
mod meanings;
mod placement;
mod ports;
mod spans;
mod words;

use super::blocks::{Block, Format, Piece};
use super::items::{self, Kind, Sink};
use super::verdict::Verdict;
use super::{command, manifest, promql, shell};

pub(crate) use self::assignments::{
    judge as judge_setting, judge_lines as judge_settings, of_line as setting_by_path,
};
pub(crate) use self::words::{env, env_judgement, flag, operators, statistic};
use crate::knowledge::{self, REMOVED_COMMANDS};

/// Judges what a paragraph, a heading or a table names.
pub(crate) fn judge(sink: &mut Sink, block: &Block) {
    let paragraph: String = block
        .pieces
        .iter()
        .map(|piece| piece.text.to_lowercase())
        .collect::<Vec<_>>()
        .join(" ");
    let context = format!("{}\n{paragraph}", block.context);
    for (index, piece) in block.pieces.iter().enumerate() {
        let (spans, outside) = spans::split(&piece.text);
        for (at, text) in &spans {
            let column = piece.column.saturating_add(*at);
            let sentence = sentence(&block.pieces, index, *at as usize);
            let near = format!("{}\n{sentence}", block.context);
            spans::judge(sink, piece.line, column, text, &piece.text, &near);
            attributes::judge(sink, piece, text, *at, &sentence);
        }
        if !negated(&piece.text) || !promql::names(&outside).iter().any(|name| !name.selector) {
            promql::judge_text(
                sink,
                piece.line,
                piece.column,
                &outside,
                outside.contains('{'),
            );
        }
        commands_in_sentences(sink, &block.pieces, index, &outside, &context);
        attributes::judge(sink, piece, &outside, 0, &piece.text.to_lowercase());
        for (at, text) in assignments::find(&outside) {
            let at = outside[..at].chars().count();
            let sentence = sentence(&block.pieces, index, at);
            if !negated(&sentence) {
                let column = piece.column.saturating_add(u32::try_from(at).unwrap_or(0));
                let near = format!("{}\n{sentence}", block.context);
                assignments::judge(sink, piece.line, column, &text, &near);
            }
        }
        placement::judge(sink, piece, &spans, &outside);
        meanings::judge(sink, piece, &spans);
        words::outside(sink, piece, &outside);
        claims::defaults(sink, piece);
        claims::column(sink, &block.pieces, index);
        ports::judge(sink, piece);
    }
}

/// Lines and characters to either side in which the ends of a sentence are looked for.
const REACH: (usize, usize) = (6, 600);

/// The sentence, lower case, in which the character at `at` of a line stands. Items of a list and rows of a table are
/// sentences, too.
fn sentence(pieces: &[Piece], index: usize, at: usize) -> String {
    let begins = |piece: &Piece| {
        let text = piece.text.trim_start();
        super::blocks::is_item(text)
            || text.starts_with(['|', '['])
            || assignments::of_line(text).is_some()
    };
    let least = index.saturating_sub(REACH.0);
    let most = pieces.len().min(index + 1 + REACH.0);
    let first = (least..=index)
        .rev()
        .find(|i| begins(&pieces[*i]))
        .unwrap_or(least);
    let last = (index + 1..most)
        .find(|i| begins(&pieces[*i]))
        .unwrap_or(most);
    let (mut chars, mut from) = (Vec::new(), 0);
    for (number, piece) in pieces[first..last].iter().enumerate() {
        let own = first + number == index;
        let skip = if own { at.saturating_sub(REACH.1) } else { 0 };
        if own {
            from = chars.len() + at - skip;
        }
        let near = piece.text.chars().skip(skip).take(2 * REACH.1);
        chars.extend(near.map(|c| c.to_ascii_lowercase()));
        chars.push(' ');
    }
    let row = pieces[index].text.trim_start().starts_with('|');
    let header = (least..index)
        .rev()
        .take_while(|i| row && pieces[*i].text.trim_start().starts_with('|'))
        .last();
    let ends = |at: usize| match chars[at] {
        '。' | '；' | '！' | '？' => true,
        '.' | ';' | '!' | '?' => chars.get(at + 1).is_none_or(|next| *next == ' '),
        _ => false,
    };
    let from = from.min(chars.len().saturating_sub(1));
    let start = (0..from).rev().find(|at| ends(*at)).map_or(0, |at| at + 1);
    let end = (from..chars.len())
        .find(|at| ends(*at))
        .unwrap_or(chars.len());
    let own: String = chars[start..end].iter().collect();
    match header {
        Some(header) => {
            let head: String = pieces[header].text.chars().take(REACH.1).collect();
            format!("{} {own}", head.to_lowercase())
        }
        None => own,
    }
}

/// Commands in the middle of a sentence.
fn commands_in_sentences(
    sink: &mut Sink,
    pieces: &[Piece],
    number: usize,
    outside: &str,
    context: &str,
) {
    let piece = &pieces[number];
    for (at, text) in commands::find(outside) {
        let before = outside[..at].chars().count();
        if !negated(&sentence(pieces, number, before)) {
            let column = piece
                .column
                .saturating_add(u32::try_from(before).unwrap_or(0));
            command_text(sink, piece.line, column, &text, context);
        }
    }
}

/// Code of which nothing is known: metrics, annotations and operators in it are judged all the same.
pub(crate) fn judge_code(sink: &mut Sink, pieces: &[Piece]) {
    for piece in pieces {
        promql::judge_text(sink, piece.line, piece.column, &piece.text, true);
        operators(
            sink,
            piece.line,
            piece.column,
            &piece.text,
            Verdict::Unknown,
        );
        words::annotations(sink, piece, &piece.text);
    }
}

/// Words of sentences that speak of what is not, or no longer.
const HINTS: &[&str] = &[
    "does not exist",
    "doesn't exist",
    "do not exist",
    "no longer",
    "removed",
    "there is no",
    "no such",
    "never ",
    "instead of",
    "do not use",
    "don't use",
    "deprecated",
    "renamed",
    "was called",
    "were called",
    "formerly",
    "is ignored",
    "are ignored",
    "wrong",
    "is not a",
    "is no ",
    "not exist",
    "old name",
    "older",
    "used to be",
    "obsolete",
    "legacy name",
    "legacy field",
    "legacy metric",
    "legacy annotation",
    "not valid",
    "invalid",
    "unlike",
    "rather than",
    "avoid",
    "replaced",
    "cannot",
    "won't",
    "will not",
    "has no ",
    "have no ",
    "not a real",
    "mistake",
    "不存在",
    "已移除",
    "已删除",
    "已废弃",
    "废弃",
    "弃用",
    "不要使用",
    "不要用",
    "没有",
    "改名",
    "错误",
    "不是",
    "旧名",
    "旧称",
    "旧版",
    "旧的",
    "旧写法",
    "旧指标",
    "旧字段",
    "旧参数",
    "旧注解",
    "不再",
    "无效",
    "替代",
    "取代",
    "而非",
    "请勿",
    "别用",
    "误",
    "不能",
];

/// Whether the text speaks of what is not, or no longer: then names in it are no advice.
pub(crate) fn negated(text: &str) -> bool {
    // An old revision is no old name.
    let lower = text.to_lowercase().replace("旧版本", "");
    HINTS.iter().any(|hint| lower.contains(hint))
}

/// Takes commands and YAML that stand in prose without a fence out of it and judges them; gives back the rest.
pub(crate) fn unfenced(sink: &mut Sink, block: &Block, format: Format) -> Block {
    let mut rest = Vec::new();
    let mut index = 0;
    let pieces = &block.pieces;
    while index < pieces.len() {
        let piece = &pieces[index];
        if let Some(line) = command_line(piece) {
            let mut lines = vec![line];
            while lines
                .last()
                .is_some_and(|line| line.text.trim_end().ends_with('\\'))
                && index + 1 < pieces.len()
            {
                index += 1;
                lines.push(pieces[index].clone());
            }
            command::judge(sink, &lines, &block.context);
            index += 1;
            continue;
        }
        let run = yaml_run(&pieces[index..], format);
        if run > 0 {
            let mark = sink.mark();
            let before = index
                .checked_sub(1)
                .map_or("", |before| &pieces[before].text);
            let context = format!("{}\n{}", block.context, before.to_lowercase());
            manifest::judge(sink, &pieces[index..index + run], &context, None);
            if sink.mark() > mark {
                index += run;
                continue;
            }
        }
        rest.push(piece.clone());
        index += 1;
    }
    Block {
        kind: block.kind.clone(),
        pieces: rest,
        context: block.context.clone(),
    }
}

/// A line that is a command, behind a prompt or a bullet perhaps.
fn command_line(piece: &Piece) -> Option<Piece> {
    let mut text = piece.text.as_str();
    let mut cut = 0;
    loop {
        let trimmed = text.trim_start();
        let before = text.len() - trimmed.len();
        let mark = ["$ ", "% ", "- ", "* ", "# ", "> "]
            .iter()
            .find(|mark| trimmed.starts_with(**mark));
        cut += before;
        text = trimmed;
        let Some(mark) = mark else { break };
        cut += mark.len();
        text = &text[mark.len()..];
    }
    let prompted = piece.text.trim_start().starts_with(['$', '%']);
    let numbered = text.split_once([')', '.']).filter(|(number, _)| {
        number.len() < 3 && number.chars().all(|c| c.is_ascii_digit()) && !number.is_empty()
    });
    if let Some((number, tail)) = numbered {
        let blanks = tail.len() - tail.trim_start().len();
        cut += number.len() + 1 + blanks;
        text = tail.trim_start();
    }
    let mut words = text.split_whitespace();
    let mut first = words.next()?;
    if first == "sudo" {
        first = words.next()?;
    }
    let tool = items::tool_of(first)?;
    let second = words.next()?;
    if !(prompted || is_typed(tool, second, text)) {
        return None;
    }
    Some(Piece {
        line: piece.line,
        column: piece
            .column
            .saturating_add(u32::try_from(piece.text[..cut].chars().count()).unwrap_or(0)),
        text: text.to_owned(),
    })
}

/// Whether the line is meant to be typed: the second word is a sub-command or a flag, and it is no sentence.
fn is_typed(tool: &str, second: &str, line: &str) -> bool {
    let sub = knowledge::commands().of(tool).iter().any(|sub| {
        sub.path
            .first()
            .is_some_and(|names| names.contains(&second))
    }) || REMOVED_COMMANDS
        .rows()
        .any(|row| row.get("tool") == tool && row.get("sub").split(' ').next() == Some(second));
    let plain = second.chars().all(|c| c.is_ascii_lowercase() || c == '-');
    let flagged = plain && line.split_whitespace().any(|word| word.starts_with("--"));
    let flag = second.starts_with('-') || second.starts_with('–') || flagged;
    let target = tool == "curl"
        && (second.contains("://")
            || second.starts_with("localhost")
            || second.starts_with(|c: char| c.is_ascii_digit())
            || second.starts_with(['"', '\'', '$']));
    let aws = tool == "aws"
        && second
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    let lower = line.to_lowercase();
    let sentence = line
        .trim_end()
        .ends_with(['.', '。', ':', '：', ',', '，', '!', '?'])
        || [
            " is ",
            " the ",
            " are ",
            " shows ",
            " prints ",
            " will ",
            " and then ",
            " which ",
            " that ",
            " can ",
            " does ",
            " you ",
            " your ",
        ]
        .iter()
        .any(|word| lower.contains(word));
    let chinese = line.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c))
        && !line.contains('#')
        && !line.contains('<');
    (sub || flag || target || aws) && !sentence && !chinese && !matches!(tool, "jq" | "grep")
}

/// How many lines from here on are YAML.
fn yaml_run(pieces: &[Piece], format: Format) -> usize {
    let shaped = |piece: &&Piece| {
        items::is_yaml_line(&piece.text)
            && !piece.text.contains('`')
            && assignments::of_line(&piece.text).is_none()
    };
    let run = pieces.iter().take_while(shaped).count();
    let single = pieces.first().is_some_and(|piece| {
        let key = piece
            .text
            .trim_start()
            .trim_start_matches("- ")
            .split(':')
            .next()
            .unwrap_or_default();
        let setting = piece.text.starts_with("  ")
            && key.len() > 8
            && key.chars().any(|c| c.is_ascii_uppercase())
            && !super::fragment::places(key).is_empty();
        run == 1
            && (setting
                || super::metadata::is_known_prefix(key)
                || knowledge::settings()
                    .config_keys()
                    .iter()
                    .any(|row| row.key == key && key.contains('-')))
    });
    let first_is_item = pieces
        .first()
        .is_some_and(|piece| piece.text.trim_start().starts_with("- "));
    if single || (run > 1 && !(format == Format::Markdown && first_is_item)) {
        run
    } else {
        0
    }
}

/// Judges a command that stands in one line.
pub(crate) fn command_text(sink: &mut Sink, line: u32, column: u32, text: &str, context: &str) {
    let pieces = [Piece {
        line,
        column,
        text: text.to_owned(),
    }];
    for pipeline in shell::parse(&pieces) {
        command::judge_pipeline(sink, &pipeline, context);
    }
}

/// Puts an item, unless the text speaks of what is not and the item is wrong.
pub(crate) fn mention(
    sink: &mut Sink,
    line: u32,
    column: u32,
    kind: Kind,
    text: &str,
    around: &str,
    judgement: super::Judgement,
) {
    if judgement.is_wrong() && negated(around) {
        return;
    }
    sink.put(line, column, kind, text, judgement);
}
