//! Defaults that prose claims, in sentences and in the columns of tables.

use std::sync::LazyLock;

use regex::Regex;

use super::super::blocks::Piece;
use super::super::items::{Kind, Sink};
use super::super::values::seconds;
use super::super::verdict::{Judgement, Verdict};
use crate::knowledge::{self, settings};

/// What a default can be.
const VALUE: &str = r#"([0-9][0-9.,]*\s?(?:%|ms|minutes?|mins?|seconds?|secs?|hours?|s|m|h|秒|分钟|小时|kib|kb|k|mib|mb)?|true|false|on|off|unlimited|disabled|enabled|(?-i:[A-Z][A-Z_]{2,}|[A-Z][a-z]{4,})|不限制|关闭|开启)"#;

/// The word that claims a default, then what is claimed.
static CLAIM: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(&format!(
        r#"(?i)(?:defaults?\s+to|defaults?\s+(?:value\s+)?(?:is|of|=|:)|\(?default\b\s*[:=]?|by\s+default\s+(?:it\s+)?is|默认(?:值|模式|情况下)?\s*(?:是|为|：|:|=)?)\s*[`"'*(]*{VALUE}"#,
    ))
    .ok()
});

/// Behind "the default of NAME".
static IS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(&format!(
        r#"(?i)^[`"'*)）]*\s*(?:is|was|=|:|的默认值?(?:是|为)|默认(?:是|为)?)\s*[`"'*(]*{VALUE}"#
    ))
    .ok()
});

/// Whether a default is spoken of just before.
fn default_of(before: &str) -> bool {
    let before = before.trim_end_matches(['`', '"', '\'', '*', ' ']);
    [
        "default of",
        "default for",
        "default value of",
        "default value for",
        "the default",
    ]
    .iter()
    .any(|words| before.ends_with(words))
        // "the default connect time-out (`connectTimeout`"
        || before.strip_suffix('(').or_else(|| before.strip_suffix('（')).is_some_and(|text| {
            let at = text.rfind("default ").or_else(|| text.rfind("默认"));
            at.is_some_and(|at| text.len() - at < 48 && !text[at..].contains(['.', ',', ';', '，', '。']))
        })
}

/// Judges defaults that a line claims next to a setting.
pub(super) fn defaults(sink: &mut Sink, piece: &Piece) {
    let Some(claim) = &*CLAIM else { return };
    let text = piece.text.as_str();
    let lower = text.to_lowercase();
    if !lower.contains("default") && !lower.contains("默认") {
        return;
    }
    let mut found = mentions(text);
    found.sort_by_key(|(at, length, _, _)| (*at, std::cmp::Reverse(*length)));
    let mut end_of_last = 0;
    let mut marks: Vec<(usize, usize, &str, &knowledge::Default)> = Vec::new();
    for mention in found {
        if mention.0 >= end_of_last {
            end_of_last = mention.0 + mention.1;
            marks.push(mention);
        }
    }
    for (index, (at, length, name, row)) in marks.iter().enumerate() {
        let next = marks.get(index + 1).map_or(text.len(), |next| next.0);
        let segment = &text[at + length..next];
        let segment = segment
            .split(['。', '；', ';', '\n'])
            .next()
            .unwrap_or(segment);
        let spoken_of = default_of(&text[..*at].to_lowercase());
        let claimed = match &*IS {
            Some(is) if spoken_of => is.captures(segment),
            _ => claim.captures(segment),
        };
        let Some(captured) = claimed else {
            continue;
        };
        let (Some(whole), Some(value)) = (captured.get(0), captured.get(1)) else {
            continue;
        };
        if whole.start() <= 48 {
            claim_of(sink, piece, *at, name, row, value.as_str());
        }
    }
}

/// Judges one claimed value of the setting that stands at byte `at` of the line.
fn claim_of(
    sink: &mut Sink,
    piece: &Piece,
    at: usize,
    name: &str,
    row: &knowledge::Default,
    value: &str,
) {
    // A word is no claim about a number.
    let word = value.starts_with(|c: char| c.is_ascii_uppercase());
    let number = |text: &&str| text.starts_with(|c: char| c.is_ascii_digit());
    if word && row.values.iter().all(number) {
        return;
    }
    let claimed = value.trim().trim_end_matches(['.', ',']);
    let judgement = if accepts(row, value) {
        Judgement::fine(row.source)
    } else {
        let is = row.values.first().copied().unwrap_or_default();
        let why = sink.say(
            format!("the default of {name} is {is}, not {claimed}"),
            format!("{name} 的默认值是 {is}，不是 {claimed}"),
        );
        Judgement::new(Verdict::CannotMatch, why, row.source).fix(is)
    };
    let before = piece.text[..at].chars().count();
    let column = piece
        .column
        .saturating_add(u32::try_from(before).unwrap_or(0));
    let shown = format!("{name}: {claimed}");
    sink.put(piece.line, column, Kind::Default, &shown, judgement);
}

/// The value at the beginning of a cell.
static CELL: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(&format!(
        r#"(?i)^[`"'*(\s]*{VALUE}[`"'*)\s]*(?:$|[(（,，;；])"#
    ))
    .ok()
});

/// Judges a row of a table under a column that its heading calls the default.
pub(super) fn column(sink: &mut Sink, pieces: &[Piece], index: usize) {
    let (Some(heading), Some(cell)) = (heading(pieces, index), &*CELL) else {
        return;
    };
    let piece = &pieces[index];
    let cells = cells(&piece.text);
    let Some((_, text)) = cells.get(heading) else {
        return;
    };
    let Some(value) = cell.captures(text).and_then(|found| found.get(1)) else {
        return;
    };
    // The row is about the setting that fills one of its other cells.
    let named = cells
        .iter()
        .enumerate()
        .find_map(|(number, (start, text))| {
            let name = text.trim().trim_matches(['`', '*', '"']);
            let whole = |row: &&knowledge::Default| {
                row.names.iter().any(|known| {
                    *known == name
                        || name
                            .strip_suffix(known)
                            .is_some_and(|path| path.ends_with(['.', '/']))
                })
            };
            let row = settings().defaults().iter().find(whole)?;
            (number != heading)
                .then(|| (start + text.find(name).unwrap_or(0), name.to_owned(), row))
        });
    if let Some((at, name, row)) = named {
        claim_of(sink, piece, at, &name, row, value.as_str());
    }
}

/// The number of the column of defaults, where the line is a row of a table that has one.
fn heading(pieces: &[Piece], index: usize) -> Option<usize> {
    let is_row = |piece: &Piece| piece.text.trim_start().starts_with('|');
    let rows = pieces[..=index]
        .iter()
        .rev()
        .take_while(|piece| is_row(piece));
    let first = (index + 1).checked_sub(rows.count())?;
    if index < first + 2 {
        return None;
    }
    let ruled = pieces[first + 1]
        .text
        .chars()
        .all(|c| matches!(c, '|' | '-' | ':' | ' '));
    let of_default = |text: &str| {
        let text = text.to_lowercase();
        (text.contains("default") || text.contains("默认"))
            && !["our", "not ", "non-", "new", "我们", "非默认"]
                .iter()
                .any(|word| text.contains(word))
    };
    let cells = cells(&pieces[first].text);
    let mut columns = (0..cells.len()).filter(|number| of_default(cells[*number].1));
    let column = columns.next().filter(|_| ruled)?;
    columns.next().is_none().then_some(column)
}

/// The cells of a row, with the bytes before each.
fn cells(line: &str) -> Vec<(usize, &str)> {
    let mut out = Vec::new();
    let mut start = 0;
    for part in line.split('|') {
        out.push((start, part));
        start += part.len() + 1;
    }
    out
}

/// Settings that the text names: where, how long, by what name, which row.
fn mentions(text: &str) -> Vec<(usize, usize, &'static str, &'static knowledge::Default)> {
    let mut out = Vec::new();
    for row in settings().defaults() {
        for name in &row.names {
            for (at, _) in text.match_indices(name) {
                let before = text[..at].chars().next_back();
                let after = text[at + name.len()..].chars().next();
                let word = |c: Option<char>| {
                    c.is_some_and(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))
                };
                let ticked = before == Some('`') && after == Some('`')
                    || before == Some('.') && after == Some('`');
                let shaped = name
                    .chars()
                    .any(|c| c.is_ascii_uppercase() || matches!(c, '-' | '_' | '.'));
                if !word(before) && !word(after) && (shaped || ticked) {
                    out.push((at, name.len(), *name, row));
                }
            }
        }
    }
    out
}

fn accepts(row: &knowledge::Default, value: &str) -> bool {
    let value = value.trim().trim_end_matches(['.', ',']).to_lowercase();
    let plain = |text: &str| text.replace([' ', ','], "");
    let same = |known: &str| {
        let (a, b) = (plain(known), plain(&value));
        a == b
            || match (seconds_of(&a), seconds_of(&b)) {
                (Some(a), Some(b)) => a == b,
                _ => false,
            }
            || matches!((a.parse::<f64>(), b.trim_end_matches('%').parse::<f64>()), (Ok(a), Ok(b)) if a == b)
    };
    row.values.iter().any(|known| same(known))
}

fn seconds_of(text: &str) -> Option<f64> {
    let text = text
        .replace("seconds", "s")
        .replace("second", "s")
        .replace("secs", "s")
        .replace("minutes", "m")
        .replace("minute", "m")
        .replace("mins", "m")
        .replace("hours", "h")
        .replace("hour", "h")
        .replace('秒', "s")
        .replace("分钟", "m")
        .replace("小时", "h");
    seconds(&text)
}
