//! Searches in what istioctl and Envoy print.

use super::super::fields::snake;
use super::super::items::Sink;
use super::super::verdict::{Judgement, Verdict};
use super::super::{path, printed};
use crate::knowledge::{ENVOY_FIELDS, RESPONSE_FLAGS, settings};

/// Headings of the tables of `istioctl proxy-config`, and the words in them.
pub(super) fn in_proxy_table(sink: &Sink, sub: &str, word: &str, fold: bool) -> Option<Judgement> {
    let columns = match sub {
        "cluster" => "SERVICE FQDN, PORT, SUBSET, DIRECTION, TYPE, DESTINATION RULE",
        "listener" => "ADDRESSES, PORT, MATCH, DESTINATION",
        "route" => "NAME, VHOST NAME, DOMAINS, MATCH, VIRTUAL SERVICE",
        "endpoint" | "eds" => "ENDPOINT, STATUS, OUTLIER CHECK, CLUSTER",
        "secret" => "RESOURCE NAME, TYPE, STATUS, VALID CERT, SERIAL NUMBER, NOT AFTER, NOT BEFORE",
        _ => return None,
    };
    let fields = |name: &str| {
        ENVOY_FIELDS.rows().any(|row| {
            row.get("fields")
                .split(' ')
                .any(|known| known.split(':').next() == Some(name))
        })
    };
    let snake = if word.contains('_') {
        word.to_lowercase()
    } else {
        snake(word)
    };
    let folded = word.to_lowercase().replace('_', "");
    let istio = settings()
        .defaults()
        .iter()
        .any(|row| row.names.iter().any(|name| name.to_lowercase() == folded));
    let shaped = word.contains('_')
        || word.chars().skip(1).any(|c| c.is_ascii_uppercase())
            && word.chars().any(|c| c.is_ascii_lowercase());
    let named = fields(&snake) && snake.contains('_') || istio;
    let partial = matches!(
        folded.as_str(),
        "circuit"
            | "circuitbreaker"
            | "circuitbreakers"
            | "timeout"
            | "retries"
            | "retry"
            | "outlierdetection"
            | "maxrequests"
            | "keepalive"
            | "idletimeout"
    );
    if !(partial || (named && (shaped || fold)))
        || columns.to_lowercase().contains(&word.to_lowercase())
    {
        return None;
    }
    let why = sink.say(
        format!("the table prints {columns}; settings stand in -o json alone"),
        format!("表格只有 {columns}；设置只在 -o json 中"),
    );
    Some(
        Judgement::new(Verdict::CannotMatch, why, "istioctl proxy-config")
            .fix(format!("istioctl proxy-config {sub} POD -o json")),
    )
}

pub(super) fn in_admin(sink: &Sink, path: &str, word: &str, fold: bool) -> Option<Judgement> {
    let plain = path.split('?').next().unwrap_or(path);
    match plain {
        "config_dump" if !fold => {
            let right = path::other_spelling(word, false)?;
            let why = sink.say(
                format!("config_dump prints snake_case: {right}, never {word}"),
                format!("config_dump 输出下划线命名：{right}，不会有 {word}"),
            );
            Some(
                Judgement::new(Verdict::CannotMatch, why, "Envoy admin /config_dump")
                    .fix(format!("grep {right}")),
            )
        }
        "clusters" if !path.contains("json") => printed::elsewhere(sink, "admin", plain, word),
        "stats" if !path.contains("prometheus") => super::super::prose::statistic(sink, word)
            .filter(|judgement| judgement.is_wrong())
            .map(|judgement| Judgement {
                verdict: Verdict::CannotMatch,
                ..judgement
            }),
        "stats/prometheus" => super::super::promql::metric(sink, word, false)
            .filter(|judgement| judgement.verdict == Verdict::Unknown)
            .map(|judgement| Judgement {
                verdict: Verdict::CannotMatch,
                ..judgement
            }),
        _ => None,
    }
}

/// A response flag that Envoy never writes.
pub(super) fn in_logs(sink: &Sink, word: &str) -> Option<Judgement> {
    let shaped = (2..=5).contains(&word.len()) && word.chars().all(|c| c.is_ascii_uppercase());
    let looks = matches!(
        word,
        "CC" | "CB"
            | "UX"
            | "CT"
            | "NU"
            | "TO"
            | "UL"
            | "OF"
            | "UE"
            | "HC"
            | "LC"
            | "UPF"
            | "URT"
            | "UCE"
            | "NH"
            | "NHU"
            | "RT"
    );
    if !shaped || !looks || RESPONSE_FLAGS.find("flag", word).is_some() {
        return None;
    }
    let judgement = super::super::prose::flag(sink, word);
    judgement.is_wrong().then_some(Judgement {
        verdict: Verdict::CannotMatch,
        ..judgement
    })
}
