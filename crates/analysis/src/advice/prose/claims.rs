//! What prose claims: the default of a setting, the role of a port.

use std::sync::LazyLock;

use regex::Regex;

use super::super::blocks::Piece;
use super::super::items::{Kind, Sink};
use super::super::values::seconds;
use super::super::verdict::{Judgement, Verdict};
use crate::knowledge::{self, PORTS, PORTS_REMOVED, settings};

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
        if whole.start() > 48 {
            continue;
        }
        // A word is no claim about a number.
        let word = value.as_str().starts_with(|c: char| c.is_ascii_uppercase());
        let number = |text: &&str| text.starts_with(|c: char| c.is_ascii_digit());
        if word && row.values.iter().all(number) {
            continue;
        }
        let right = accepts(row, value.as_str());
        let claimed = value.as_str().trim().trim_end_matches(['.', ',']);
        let shown = format!("{name}: {claimed}");
        let judgement = if right {
            Judgement::fine(row.source)
        } else {
            let is = row.values.first().copied().unwrap_or_default();
            let why = sink.say(
                format!("the default of {name} is {is}, not {claimed}"),
                format!("{name} 的默认值是 {is}，不是 {claimed}"),
            );
            Judgement::new(Verdict::CannotMatch, why, row.source).fix(is)
        };
        let column = piece
            .column
            .saturating_add(u32::try_from(text[..*at].chars().count()).unwrap_or(0));
        sink.put(piece.line, column, Kind::Default, &shown, judgement);
    }
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

/// Judges the role that a line gives to a port of the mesh.
pub(super) fn ports(sink: &mut Sink, piece: &Piece) {
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
    // Words that one port alone can be meant by.
    const TELLING: &[(&str, &str)] = &[
        ("admin interface", "15000"),
        ("admin port", "15000"),
        ("envoy admin", "15000"),
        ("管理接口", "15000"),
        ("管理端口", "15000"),
        ("webhook", "15017"),
        ("sidecar injection", "15017"),
        ("hbone", "15008"),
        ("plaintext xds", "15010"),
        ("readiness", "15021"),
        ("health check", "15021"),
        ("健康检查", "15021"),
        ("dns proxy", "15053"),
        ("inbound traffic", "15006"),
        ("outbound traffic", "15001"),
        ("inbound port", "15006"),
        ("outbound port", "15001"),
        ("inbound listener", "15006"),
        ("outbound listener", "15001"),
        ("merged", "15020"),
        ("prometheus endpoint of envoy", "15090"),
        ("envoy's prometheus", "15090"),
        ("envoy prometheus", "15090"),
        ("入站流量", "15006"),
        ("出站流量", "15001"),
        ("xds", "15012"),
        ("controlz", "9876"),
        ("control plane metrics", "15014"),
    ];
    let (_, right) = TELLING
        .iter()
        .find(|(words, right)| claims.contains(words) && *right != number)?;
    let why = sink.say(
        format!(
            "port {number} is the {}; what is meant is {right}",
            row.get("role")
        ),
        format!("端口 {number} 是{}；所说的是 {right}", row.get("role_zh")),
    );
    Some(Judgement::new(Verdict::Misplaced, why, row.get("source")).fix(*right))
}
