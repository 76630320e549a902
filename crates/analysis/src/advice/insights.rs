//! Queries of CloudWatch Logs Insights, those on VPC flow logs above all.

use super::blocks::Piece;
use super::items::{Kind, Sink};
use super::verdict::{Judgement, Verdict};
use crate::knowledge::{INSIGHTS, nearest};

const SOURCE: &str = "CloudWatch Logs Insights query syntax; VPC flow logs";

/// The most that `limit` takes.
const MOST_ROWS: u64 = 10_000;

/// One command of a query with its place.
struct Clause {
    line: u32,
    column: u32,
    text: String,
}

fn clauses(pieces: &[Piece]) -> Vec<Clause> {
    let mut out: Vec<Clause> = Vec::new();
    for piece in pieces {
        let text = piece.text.split(" #").next().unwrap_or(&piece.text);
        if text.trim_start().starts_with('#') || text.trim().is_empty() {
            continue;
        }
        let mut column = piece.column;
        for (index, part) in split(text).into_iter().enumerate() {
            let continues = index == 0 && !text.trim_start().starts_with('|') && !out.is_empty();
            let width = u32::try_from(part.chars().count()).unwrap_or(0) + 1;
            if continues {
                if let Some(last) = out.last_mut() {
                    last.text.push(' ');
                    last.text.push_str(part.trim());
                }
            } else if !part.trim().is_empty() {
                let blanks = part.chars().take_while(|c| c.is_whitespace()).count();
                out.push(Clause {
                    line: piece.line,
                    column: column + u32::try_from(blanks).unwrap_or(0),
                    text: part.trim().to_owned(),
                });
            }
            column += width;
        }
    }
    out
}

/// Splits at pipes outside of quotes and expressions.
fn split(text: &str) -> Vec<&str> {
    let (mut parts, mut start) = (Vec::new(), 0);
    let mut quote: Option<char> = None;
    let mut escaped = false;
    let mut before = ' ';
    for (at, c) in text.char_indices() {
        if std::mem::take(&mut escaped) {
            continue;
        }
        match (c, quote) {
            ('\\', _) => escaped = true,
            (c, Some(q)) if c == q => quote = None,
            ('"' | '\'' | '`', None) => quote = Some(c),
            ('/', None) if before == ' ' || before == '~' => quote = Some('/'),
            ('|', None) => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
        before = c;
    }
    parts.push(&text[start..]);
    parts
}

/// Judges a block that holds one query or several: apart by blank lines, or each in a line of its own.
pub(crate) fn judge(sink: &mut Sink, pieces: &[Piece]) {
    let mut start = 0;
    for index in 0..=pieces.len() {
        let blank = pieces
            .get(index)
            .is_none_or(|piece| piece.text.trim().is_empty());
        let anew = index > start && pieces.get(index).is_some_and(begins) && {
            let before = pieces[index - 1].text.trim_end();
            !before.ends_with(['|', ','])
        };
        if !blank && !anew {
            continue;
        }
        judge_query(sink, &pieces[start..index]);
        start = index + usize::from(blank);
    }
}

/// Whether a line begins a query: with a command, and no pipe before it.
fn begins(piece: &Piece) -> bool {
    let word = piece.text.split_whitespace().next().unwrap_or_default();
    has("command", word)
}

/// Judges one query clause by clause; gives back the worst.
pub(crate) fn judge_query(sink: &mut Sink, pieces: &[Piece]) -> Option<Judgement> {
    let clauses = clauses(pieces);
    let mut worst = Judgement::fine(SOURCE);
    let flow = is_flow(&clauses) || of_flow_logs(sink, &clauses);
    let mut named: Vec<String> = Vec::new();
    for clause in &clauses {
        named.extend(aliases(&clause.text));
    }
    for clause in &clauses {
        let judgement = self::clause(sink, clause, flow, &named);
        worst = worst.worse(judgement.clone());
        sink.put(
            clause.line,
            clause.column,
            Kind::Query,
            &clause.text,
            judgement,
        );
    }
    (!clauses.is_empty()).then_some(worst)
}

/// Whether the query is on VPC flow logs: it names their fields, in whatever spelling.
fn is_flow(clauses: &[Clause]) -> bool {
    const HINTS: &[&str] = &[
        "srcaddr",
        "dstaddr",
        "dstport",
        "srcport",
        "interfaceid",
        "src_addr",
        "dst_addr",
        "logstatus",
    ];
    let all: String = clauses
        .iter()
        .map(|clause| clause.text.to_lowercase())
        .collect();
    HINTS.iter().any(|hint| all.contains(hint))
        || (all.contains("action") && (all.contains("reject") || all.contains("accept")))
}

/// Whether the text is about flow logs, and the query compares a field that they have.
fn of_flow_logs(sink: &Sink, clauses: &[Clause]) -> bool {
    const FIELDS: &[&str] = &[
        "action",
        "protocol",
        "logStatus",
        "tcpFlags",
        "flowDirection",
    ];
    let spoken = ["flow log", "flow-log", "流日志"]
        .iter()
        .any(|words| sink.whole.contains(words));
    spoken
        && clauses.iter().any(|clause| {
            let words = tokens(&clause.text);
            clause.text.starts_with("filter")
                && FIELDS
                    .iter()
                    .any(|field| words.iter().any(|word| word == field))
        })
}

/// Names that the query itself makes.
fn aliases(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    let words: Vec<&str> = text
        .split([' ', ','])
        .filter(|word| !word.is_empty())
        .collect();
    for pair in words.windows(2) {
        if pair[0].eq_ignore_ascii_case("as") {
            out.push(pair[1].to_owned());
        }
    }
    if text.starts_with("parse") {
        out.extend(
            words
                .iter()
                .skip_while(|word| !word.eq_ignore_ascii_case("as"))
                .skip(1)
                .map(|word| (*word).to_owned()),
        );
        let mut rest = text;
        while let Some(at) = rest.find("(?<") {
            rest = &rest[at + 3..];
            if let Some(end) = rest.find('>') {
                out.push(rest[..end].trim_start_matches("P<").to_owned());
            }
        }
    }
    out
}

fn has(kind: &str, name: &str) -> bool {
    INSIGHTS
        .rows()
        .any(|row| row.get("kind") == kind && row.get("name") == name)
}

fn clause(sink: &Sink, clause: &Clause, flow: bool, named: &[String]) -> Judgement {
    let text = clause.text.as_str();
    let (command, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    if !has("command", command) {
        let fix = match command.to_lowercase().as_str() {
            "where" | "search" | "grep" => "filter",
            "select" | "project" => "fields",
            "order" | "orderby" => "sort",
            "head" | "take" | "top" => "limit",
            "summarize" | "group" => "stats",
            other => nearest(
                other,
                [
                    "fields", "filter", "stats", "sort", "limit", "parse", "display", "dedup",
                ],
            )
            .unwrap_or_default(),
        };
        let why = sink.say(
            format!("Logs Insights has no command {command}: the query is refused"),
            format!("Logs Insights 没有命令 {command}：查询会被拒绝"),
        );
        return Judgement::new(Verdict::Unknown, why, SOURCE).fix(fix);
    }
    if let Some(judgement) = functions(sink, rest).or_else(|| grouping(sink, command, text)) {
        return judgement;
    }
    if command == "limit"
        && rest
            .trim()
            .parse::<u64>()
            .is_ok_and(|limit| limit > MOST_ROWS)
    {
        let why = sink.say(
            format!("a query gives back at most {MOST_ROWS} rows: a higher limit is refused"),
            format!("查询最多返回 {MOST_ROWS} 行：更大的 limit 会被拒绝"),
        );
        return Judgement::new(Verdict::Refused, why, SOURCE).fix(format!("limit {MOST_ROWS}"));
    }
    if !flow || matches!(command, "parse" | "limit") {
        return Judgement::fine(SOURCE);
    }
    if command == "filter"
        && let Some(judgement) = comparisons(sink, rest)
    {
        return judgement;
    }
    flow_fields(sink, rest, named).unwrap_or_else(|| Judgement::fine(SOURCE))
}

/// `group by` of SQL.
fn grouping(sink: &Sink, command: &str, text: &str) -> Option<Judgement> {
    let plain = without_strings(text).to_lowercase();
    if command != "stats" || !plain.contains(" group by ") {
        return None;
    }
    let why = sink.say(
        "stats takes no group by, only by: the query is refused",
        "stats 只接受 by，没有 group by：查询会被拒绝",
    );
    let fix = text.replacen("group by", "by", 1);
    Some(Judgement::new(Verdict::Unknown, why, SOURCE).fix(fix))
}

/// Names with a parenthesis behind them.
fn functions(sink: &Sink, text: &str) -> Option<Judgement> {
    let plain = without_strings(text);
    for (at, _) in plain.match_indices('(') {
        let name: String = plain[..at]
            .chars()
            .rev()
            .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
            .collect::<Vec<_>>()
            .into_iter()
            .rev()
            .collect();
        let keyword = matches!(
            name.to_lowercase().as_str(),
            "" | "in" | "and" | "or" | "not" | "by" | "as" | "like"
        );
        if keyword || has("function", &name) || name.chars().all(|c| c.is_ascii_digit()) {
            continue;
        }
        let known = INSIGHTS
            .rows()
            .filter(|row| row.get("kind") == "function")
            .map(|row| row.get("name"));
        let fix = match name.to_lowercase().as_str() {
            "cidr_match" | "cidrmatch" | "isinsubnet" | "ip_in_subnet" => {
                "isIpv4InSubnet(srcAddr, \"10.0.0.0/16\")"
            }
            "average" => "avg",
            "percentile" => "pct(field, 99)",
            "distinct" | "countdistinct" => "count_distinct",
            "contains" => "like",
            name => nearest(name, known).unwrap_or_default(),
        };
        let why = sink.say(
            format!("Logs Insights has no function {name}: the query is refused"),
            format!("Logs Insights 没有函数 {name}：查询会被拒绝"),
        );
        return Some(Judgement::new(Verdict::Unknown, why, SOURCE).fix(fix));
    }
    None
}

/// Strings and expressions blanked out.
fn without_strings(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut quote: Option<char> = None;
    let mut escaped = false;
    let mut before = ' ';
    for c in text.chars() {
        let keep = match (c, quote) {
            _ if std::mem::take(&mut escaped) => false,
            ('\\', Some(_)) => {
                escaped = true;
                false
            }
            (c, Some(q)) => {
                if c == q {
                    quote = None;
                }
                false
            }
            ('"' | '\'', None) => {
                quote = Some(c);
                false
            }
            ('/', None) if before == ' ' || before == '~' => {
                quote = Some('/');
                false
            }
            _ => true,
        };
        out.push(if keep && c.is_ascii() { c } else { ' ' });
        before = c;
    }
    out
}

/// A field compared with a value that it never has.
fn comparisons(sink: &Sink, text: &str) -> Option<Judgement> {
    let words = tokens(text);
    for triple in words.windows(3) {
        let (field, op, value) = (triple[0].as_str(), triple[1].as_str(), triple[2].as_str());
        if let Some(judgement) = compare(sink, field, op, value) {
            return Some(judgement);
        }
    }
    None
}

fn tokens(text: &str) -> Vec<String> {
    let (mut out, mut current) = (Vec::new(), String::new());
    let mut quote: Option<char> = None;
    let mut escaped = false;
    for c in text.chars() {
        if std::mem::take(&mut escaped) {
            current.push(c);
            continue;
        }
        match (c, quote) {
            ('\\', Some(_)) => {
                escaped = true;
                current.push(c);
            }
            (c, Some(q)) => {
                current.push(c);
                if c == q {
                    quote = None;
                    out.push(std::mem::take(&mut current));
                }
            }
            ('"' | '\'', None) => {
                quote = Some(c);
                current.push(c);
            }
            ('/', None) if current.is_empty() => {
                quote = Some(c);
                current.push(c);
            }
            (c, None) if c.is_whitespace() || matches!(c, '(' | ')' | ',') => {
                if !current.is_empty() {
                    out.push(std::mem::take(&mut current));
                }
            }
            (c, None) => {
                let op = |c: char| matches!(c, '=' | '!' | '<' | '>' | '~');
                if !current.is_empty() && op(c) != current.chars().all(op) {
                    out.push(std::mem::take(&mut current));
                }
                current.push(c);
            }
        }
    }
    if !current.is_empty() {
        out.push(current);
    }
    out
}

fn compare(sink: &Sink, field: &str, op: &str, value: &str) -> Option<Judgement> {
    let bare = value.trim_matches(['"', '\'', '/']);
    let address = matches!(field, "srcAddr" | "dstAddr" | "pktSrcAddr" | "pktDstAddr");
    let searches = matches!(op, "like" | "=~");
    let cidr = bare
        .replace("\\/", "/")
        .replace("\\.", ".")
        .parse::<ipnet::IpNet>()
        .is_ok_and(|_| bare.contains('/'));
    if address && cidr && (searches || op == "=" || op == "in") {
        let why = sink.say(
            "addresses are text here: a range in CIDR form matches none of them",
            "这里的地址是文本：CIDR 网段不会匹配任何地址",
        );
        let range = bare.replace('\\', "");
        return Some(
            Judgement::new(Verdict::CannotMatch, why, SOURCE)
                .fix(format!("filter isIpv4InSubnet({field}, \"{range}\")")),
        );
    }
    if searches && value.starts_with(['"', '\'']) && bare.contains(['%', '*']) {
        let why = sink.say(
            "like takes a part of the text or an expression between slashes; % and * stand for themselves",
            "like 取子串或 / / 中的正则；% 和 * 只是普通字符",
        );
        return Some(
            Judgement::new(Verdict::CannotMatch, why, SOURCE)
                .fix(format!("{field} like \"{}\"", bare.replace(['%', '*'], ""))),
        );
    }
    const NUMBERS: &[&str] = &[
        "tcpFlags",
        "protocol",
        "srcPort",
        "dstPort",
        "bytes",
        "packets",
        "version",
        "startTime",
        "endTime",
    ];
    let row = INSIGHTS
        .rows()
        .find(|row| row.get("kind") == "flowvalue" && row.get("name") == field);
    let compared = searches || op == "=" && row.is_none();
    if compared && NUMBERS.contains(&field) && bare.chars().any(|c| c.is_ascii_alphabetic()) {
        let why = sink.say(
            format!("{field} is a number: no letters stand in it"),
            format!("{field} 是数字：其中没有字母"),
        );
        let fix = if field == "tcpFlags" {
            "tcpFlags = 4 (RST), 2 (SYN), 1 (FIN), or a sum of them"
        } else {
            ""
        };
        return Some(Judgement::new(Verdict::CannotMatch, why, SOURCE).fix(fix));
    }
    let row = row?;
    if !matches!(op, "=" | "==") {
        return None;
    }
    let fits = match row.get("note").strip_prefix("int:") {
        Some(_) => bare.parse::<u32>().is_ok_and(|number| number <= 255),
        None => row.list("note").any(|known| known == bare),
    };
    if fits || bare.contains('$') {
        return None;
    }
    let fix = match (field, bare.to_uppercase().as_str()) {
        ("protocol", "TCP") => "protocol = 6".to_owned(),
        ("protocol", "UDP") => "protocol = 17".to_owned(),
        ("protocol", "ICMP") => "protocol = 1".to_owned(),
        ("action", "ALLOW" | "ALLOWED" | "ACCEPTED") => "action = \"ACCEPT\"".to_owned(),
        ("action", _) => "action = \"REJECT\"".to_owned(),
        _ => row.get("note").replace('|', " or "),
    };
    let why = sink.say(
        format!(
            "{field} is never {bare:?}: flow logs write {}",
            row.get("note")
                .replace("int:0..255", "the number of the protocol")
        ),
        format!(
            "{field} 不会是 {bare:?}：流日志写的是 {}",
            row.get("note").replace("int:0..255", "协议号")
        ),
    );
    Some(Judgement::new(Verdict::CannotMatch, why, SOURCE).fix(fix))
}

/// Fields that flow logs do not have.
fn flow_fields(sink: &Sink, text: &str, named: &[String]) -> Option<Judgement> {
    let plain = without_strings(text);
    let words = plain
        .split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '@' | '.' | '-')))
        .filter(|word| word.starts_with(|c: char| c.is_ascii_alphabetic() || c == '@'));
    for word in words {
        let known = has("flowfield", word)
            || has("flowcustom", word)
            || has("function", word)
            || has("keyword", &word.to_lowercase())
            || named.iter().any(|name| name == word);
        let time = word.len() < 4 && word.ends_with(['m', 'h', 's', 'd', 'w']);
        if known || time {
            continue;
        }
        let fields = INSIGHTS
            .rows()
            .filter(|row| row.get("kind").starts_with("flow") && row.get("kind") != "flowvalue")
            .map(|row| row.get("name"));
        let near = nearest(word, fields);
        // No field that is found in flow logs has an underscore.
        if near.is_none() && !word.contains('_') {
            continue;
        }
        let why = sink.say(
            format!("flow logs have no field {word}; names are case-sensitive"),
            format!("流日志没有字段 {word}；字段名区分大小写"),
        );
        return Some(Judgement::new(Verdict::Unknown, why, SOURCE).fix(near.unwrap_or_default()));
    }
    None
}
