//! Names out of backticks and the small vocabularies: flags, operators, environment variables, statistics.

use std::sync::LazyLock;

use regex::Regex;

use super::super::blocks::Piece;
use super::super::command::cloudwatch;
use super::super::items::{Kind, Sink};
use super::super::verdict::{Judgement, Verdict};
use super::super::{manifest, metadata, yaml};
use crate::knowledge::{DETAILS, ENV, OPERATORS, PREFIXES, RESPONSE_FLAGS, nearest, settings};

static OPERATOR: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r"%([A-Z][A-Z0-9_]{3,})(\([^)%]*\))?(:[0-9]+)?%|%(REQ|RESP|CEL)\([^)%]*\)(:[0-9]+)?%",
    )
    .ok()
});

/// Whether a text has an access-log operator that exists.
pub(super) fn has_operator(text: &str) -> bool {
    let Some(expression) = &*OPERATOR else {
        return false;
    };
    expression.captures_iter(text).any(|found| {
        found.get(1).or(found.get(4)).is_some_and(|name| {
            OPERATORS.find("name", name.as_str()).is_some() || name.as_str().contains('_')
        })
    })
}

/// Judges the operators of an access-log format; `verdict` is that of one that does not exist.
pub(crate) fn operators(sink: &mut Sink, line: u32, column: u32, text: &str, verdict: Verdict) {
    let Some(expression) = &*OPERATOR else {
        return;
    };
    if verdict != Verdict::Refused && !has_operator(text) {
        return;
    }
    for found in expression.captures_iter(text) {
        let (Some(whole), Some(name)) = (found.get(0), found.get(1).or(found.get(4))) else {
            continue;
        };
        let offset = text[..whole.start()].chars().count();
        let newlines = text[..whole.start()].matches('\n').count();
        let place = (
            line + u32::try_from(newlines).unwrap_or(0),
            column.saturating_add(u32::try_from(offset).unwrap_or(0)),
        );
        let judgement = match OPERATORS.find("name", name.as_str()) {
            Some(row)
                if row.get("parameter") == "yes"
                    && found.get(2).is_none()
                    && found.get(4).is_none() =>
            {
                let why = sink.say(
                    format!(
                        "{} needs a parameter: the listener is refused",
                        name.as_str()
                    ),
                    format!("{} 需要参数：监听器会被拒绝", name.as_str()),
                );
                Judgement::new(Verdict::Refused, why, row.get("source"))
                    .fix(format!("%{}(NAME)%", name.as_str()))
            }
            Some(row) => Judgement::fine(row.get("source")),
            None => {
                let near = nearest(name.as_str(), OPERATORS.column("name")).unwrap_or_default();
                let why = sink.say(
                    format!("Envoy has no operator {}: it refuses the listener, and with it the whole update", name.as_str()),
                    format!("Envoy 没有操作符 {}：会拒绝该监听器及整个更新", name.as_str()),
                );
                let fix = if near.is_empty() {
                    String::new()
                } else {
                    format!("%{near}%")
                };
                Judgement::new(verdict, why, "Envoy access log docs").fix(fix)
            }
        };
        sink.put(place.0, place.1, Kind::Operator, whole.as_str(), judgement);
    }
}

/// Judges an environment variable where one is set.
pub(crate) fn env(sink: &mut Sink, line: u32, column: u32, name: &str, value: Option<&str>) {
    let judgement = env_judgement(sink, name).unwrap_or_else(|| Judgement::fine(""));
    let text = value.map_or_else(|| name.to_owned(), |value| format!("{name}: {value}"));
    sink.put(line, column, Kind::Env, &text, judgement);
}

/// Judges an environment variable of istiod or the proxy by name. `None` if it is none of theirs.
pub(crate) fn env_judgement(sink: &Sink, name: &str) -> Option<Judgement> {
    let shaped = name.len() > 6
        && name
            .chars()
            .all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
    if !shaped {
        return None;
    }
    let note = settings().notes().iter().find(|note| {
        note.scope == "env"
            && note.path == name
            && sink.options.istio.within(note.since, note.until)
    });
    if let Some(note) = note {
        let verdict = Verdict::of(note.verdict)?;
        return Some(
            Judgement::new(verdict, sink.say(note.why.0, note.why.1), note.source).fix(note.fix),
        );
    }
    if let Some(row) = ENV.find("name", name) {
        if sink
            .options
            .istio
            .within(row.get("since"), row.get("until"))
        {
            return Some(Judgement::fine(row.get("source")));
        }
        let why = sink.say(
            format!("nothing reads {name} since {}", row.get("until")),
            format!("自 {} 起没有组件读取 {name}", row.get("until")),
        );
        return Some(
            Judgement::new(Verdict::Ignored, why, row.get("source")).fix(row.get("instead")),
        );
    }
    let abridged = abridged(name);
    if abridged.is_none() && !name.starts_with("PILOT_") && !name.starts_with("ISTIO_META_DNS_") {
        return None;
    }
    let near = abridged
        .or_else(|| nearest(name, ENV.column("name")))
        .unwrap_or_default();
    let why = sink.say(
        format!("istiod and the proxy read no variable {name}"),
        format!("istiod 与代理都不读取变量 {name}"),
    );
    Some(Judgement::new(Verdict::Unknown, why, "istio/istio env variables").fix(near))
}

/// The variable of which a name of three words or more leaves one or two words out.
fn abridged(name: &str) -> Option<&'static str> {
    let words: Vec<&str> = name.split('_').collect();
    if words.len() < 3 {
        return None;
    }
    ENV.column("name").find(|known| {
        let mut rest = known.split('_');
        let count = known.split('_').count();
        (words.len() + 1..=words.len() + 2).contains(&count)
            && words.iter().all(|word| rest.any(|other| other == *word))
    })
}

/// Abbreviations that are no response flags, though they look like some.
const OTHER: &[&str] = &[
    "AWS", "NLB", "ALB", "ELB", "CLB", "TLS", "SSL", "TCP", "UDP", "HTTP", "GRPC", "DNS", "IP",
    "VPC", "EKS", "EC", "AZ", "SG", "CRD", "CR", "RBAC", "JWT", "CA", "API", "CPU", "OOM", "URL",
    "URI", "YAML", "JSON", "VS", "DR", "SE", "GW", "PA", "EF", "OK", "GET", "POST", "PUT", "HPA",
    "KPA", "PDB", "SNI", "SAN", "CSR", "XDS", "ADS", "EDS", "CDS", "LDS", "RDS", "SDS", "ECDS",
    "NDS", "RST", "FIN", "SYN", "ACK", "ALLOW", "DENY", "TRUE", "FALSE", "NONE", "STALE", "SYNCED",
    "LB", "OS", "VM", "ENI", "NAT", "IAM", "ARN", "QPS", "RPS", "SKS", "TTL", "MTU", "ALPN", "HCM",
    "CLI", "UI", "ID", "CN", "NACL", "DROP", "ACCEPT", "EOF", "PROXY", "NOTE", "TODO", "WARN",
    "INFO", "ERROR", "DEBUG", "STRICT", "AND", "OR", "NOT", "PATH", "HOST", "PORT", "NS", "POD",
    "ON", "OFF", "NO", "YES", "MB", "KB", "GB", "ANY", "ALL", "SAN", "PEM", "MTLS", "CIDR", "HA",
    "GC", "CC", "WAF", "ACM", "CNI", "FQDN", "ISTIO",
];

fn is_flag_shaped(text: &str) -> bool {
    (2..=5).contains(&text.len()) && text.chars().all(|c| c.is_ascii_uppercase())
}

/// Whether a text speaks of response flags.
fn speaks_of_flags(text: &str) -> bool {
    let lower = text.to_lowercase();
    ["flag", "response_flags", "标志", "标识位", "响应标记"]
        .iter()
        .any(|word| lower.contains(word))
}

/// A response flag in backticks, if it is one or claims to be.
pub(super) fn flag_span(sink: &Sink, text: &str, around: &str, context: &str) -> Option<Judgement> {
    let bare = text
        .trim_start_matches("503 ")
        .trim_start_matches("response_flags=")
        .trim_matches(['"', '\'', ' ']);
    if !is_flag_shaped(bare) {
        return None;
    }
    let known = RESPONSE_FLAGS.find("flag", bare).is_some();
    let speaks = speaks_of_flags(around) || speaks_of_flags(context);
    let code = text.starts_with("503 ");
    if known {
        return Some(flag(sink, bare));
    }
    let other = OTHER.contains(&bare) && bare != "CC";
    ((speaks || code) && !other).then(|| flag(sink, bare))
}

/// Judges a response flag.
pub(crate) fn flag(sink: &Sink, name: &str) -> Judgement {
    if let Some(row) = RESPONSE_FLAGS.find("flag", name) {
        return Judgement::works(
            sink.say(row.get("meaning"), row.get("meaning_zh")),
            row.get("source"),
        );
    }
    let fix = match name {
        "CC" | "CB" | "CBO" | "OF" | "UOF" => "UO",
        "UX" | "URL" | "RX" | "RL_EXCEEDED" => "URX",
        "UTO" | "TO" | "TMO" | "RT" => "UT",
        "NH" | "NHU" | "UHU" => "UH",
        "CT" | "UCT" | "CX" => "UC",
        "UFC" | "CF" => "UF",
        _ => nearest(name, RESPONSE_FLAGS.column("flag")).unwrap_or_default(),
    };
    let why = sink.say(
        format!("Envoy has no response flag {name}"),
        format!("Envoy 没有响应标志 {name}"),
    );
    Judgement::new(
        Verdict::Unknown,
        why,
        "Envoy source/common/stream_info/utility.h",
    )
    .fix(fix)
}

/// A word that a line calls a response code detail, and that Envoy never writes though it is nearly one that it does.
pub(super) fn unknown_detail(sink: &Sink, text: &str, around: &str) -> Option<Judgement> {
    let lower = around.to_lowercase();
    let speaks = [
        "code detail",
        "code_details",
        "response_code_detail",
        "details",
        "响应详情",
        "响应码详情",
    ]
    .iter()
    .any(|words| lower.contains(words));
    let bare = text.split('{').next().unwrap_or(text);
    let shaped = bare.contains('_')
        && bare.len() > 8
        && bare.chars().all(|c| c.is_ascii_lowercase() || c == '_');
    let column = || DETAILS.column("detail");
    let known = column().any(|known| known.split(['{', '[']).next() == Some(bare));
    if !speaks || !shaped || known || bare.ends_with("_details") || statistic(sink, text).is_some()
    {
        return None;
    }
    // The name of another detail cut short, or nearly it.
    let near = nearest(bare, column()).or_else(|| {
        column().find(|known| {
            known.ends_with(&format!("_{bare}")) || known.starts_with(&format!("{bare}_"))
        })
    })?;
    let why = sink.say(
        format!("Envoy writes no detail {bare}"),
        format!("Envoy 不会写出详情 {bare}"),
    );
    Some(Judgement::new(Verdict::Unknown, why, "Envoy response code details").fix(near))
}

/// Judges a statistic of Envoy by the end of its name. `None` if the name is none of theirs.
pub(crate) fn statistic(sink: &Sink, text: &str) -> Option<Judgement> {
    let word = text
        .rsplit('.')
        .next()
        .unwrap_or(text)
        .trim_matches(['*', '"']);
    let plain = word.len() > 8
        && word.len() < 90
        && word
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    const FAMILIES: &[&str] = &[
        "upstream_rq",
        "upstream_cx",
        "downstream_rq",
        "downstream_cx",
        "ejections_",
        "membership_",
        "outlier_detection_",
        "remaining_",
    ];
    if !plain || !FAMILIES.iter().any(|family| word.starts_with(family)) {
        return None;
    }
    let digits = word
        .rsplit('_')
        .next()
        .is_some_and(|tail| tail.len() == 3 && tail.starts_with(|c: char| c.is_ascii_digit()));
    let source = "Envoy statistics";
    let mut names = settings()
        .metrics()
        .filter(|metric| metric.name.starts_with("envoy_"))
        .map(|metric| metric.name);
    if digits || names.any(|name| name.contains(word)) {
        let say = sink.say(
            "a sidecar of Istio has it only where proxyStatsMatcher admits it; absent is not zero",
            "Istio 的 sidecar 只在 proxyStatsMatcher 放行时有此统计；没有不等于零",
        );
        return Some(Judgement::works(say, source));
    }
    let stems: Vec<&str> = settings()
        .metrics()
        .filter_map(|metric| {
            let at = metric.name.find("stream_").map(|at| {
                at.saturating_sub(if metric.name.contains("downstream_") {
                    4
                } else {
                    2
                })
            });
            at.map(|at| &metric.name[at..])
        })
        .collect();
    let near = nearest(word, stems.iter().copied()).unwrap_or_default();
    let why = sink.say(
        format!("Envoy has no statistic {word}"),
        format!("Envoy 没有统计 {word}"),
    );
    Some(Judgement::new(Verdict::Unknown, why, source).fix(near))
}

/// Names out of backticks: annotations, and response flags where the line speaks of them.
pub(super) fn outside(sink: &mut Sink, piece: &Piece, text: &str) {
    annotations(sink, piece, text);
    load_balancer_metrics(sink, piece, text);
    operators(sink, piece.line, piece.column, text, Verdict::Unknown);
    if !speaks_of_flags(&piece.text) {
        return;
    }
    let mut column = piece.column;
    let mut word = String::new();
    for c in text.chars().chain([' ']) {
        if c.is_ascii_alphanumeric() || c == '_' || c == '-' {
            word.push(c);
        } else if !word.is_empty() {
            let found = std::mem::take(&mut word);
            let known = RESPONSE_FLAGS.find("flag", &found).is_some();
            let start = column.saturating_sub(u32::try_from(found.chars().count()).unwrap_or(0));
            if is_flag_shaped(&found) && (known || (found == "CC" && !super::negated(&piece.text)))
            {
                let judgement = flag(sink, &found);
                sink.put(piece.line, start, Kind::ResponseFlag, &found, judgement);
            }
        }
        column = column.saturating_add(1);
    }
}

/// Metrics that CloudWatch has of another kind of load balancer than the one that the line names.
fn load_balancer_metrics(sink: &mut Sink, piece: &Piece, text: &str) {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut offset = 0;
    for part in text.split_inclusive(|c| !word(c)) {
        let name = part.trim_end_matches(|c| !word(c));
        if let Some(judgement) = cloudwatch::in_sentence(sink, name, &piece.text) {
            let before = text[..offset].chars().count();
            let column = piece
                .column
                .saturating_add(u32::try_from(before).unwrap_or(0));
            super::mention(
                sink,
                piece.line,
                column,
                Kind::Metric,
                name,
                &piece.text,
                judgement,
            );
        }
        offset += part.len();
    }
}

/// Annotations by their prefixes, wherever they stand.
pub(super) fn annotations(sink: &mut Sink, piece: &Piece, text: &str) {
    let mut from = 0;
    while let Some((at, prefix)) = next_prefix(&text[from..]) {
        let start = from + at;
        let end = text[start..]
            .find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '/' | '-' | '_')))
            .map_or(text.len(), |end| start + end);
        let key = text[start..end].trim_end_matches(['.', '-', '/']);
        let boundary = text[..start]
            .chars()
            .next_back()
            .is_none_or(|c| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '/')));
        from = end.max(start + prefix.len());
        if boundary
            && key.len() > prefix.len()
            && !text[end..].starts_with('*')
            && !text[end..].starts_with('<')
        {
            let judgement = metadata::one(sink, key, None, "", None);
            let column = piece
                .column
                .saturating_add(u32::try_from(text[..start].chars().count()).unwrap_or(0));
            super::mention(
                sink,
                piece.line,
                column,
                Kind::Annotation,
                key,
                &piece.text,
                judgement,
            );
            if key == "proxy.istio.io/config" {
                proxy_config(sink, piece, column, &text[end..]);
            }
        }
    }
}

/// What stands behind `proxy.istio.io/config` in a line: JSON in quotes.
fn proxy_config(sink: &mut Sink, piece: &Piece, column: u32, rest: &str) {
    let value = rest.trim_start_matches([':', '=', ' ', '\'', '"', '`']);
    let Some(end) = value.rfind('}').filter(|_| value.starts_with('{')) else {
        return;
    };
    let pieces = [Piece {
        line: piece.line,
        column,
        text: value[..=end].to_owned(),
    }];
    for document in yaml::read(&pieces) {
        manifest::proxy_config(sink, &document.node, "", &pieces);
    }
}

fn next_prefix(text: &str) -> Option<(usize, &'static str)> {
    PREFIXES
        .column("prefix")
        .filter_map(|prefix| Some((text.find(prefix)?, prefix)))
        .min_by_key(|(at, prefix)| (*at, std::cmp::Reverse(prefix.len())))
}
