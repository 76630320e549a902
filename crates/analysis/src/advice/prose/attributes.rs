//! Attributes of load balancers with their values, in backticks or out of them: `slow_start.duration_seconds=60`.

use std::sync::LazyLock;

use regex::Regex;

use super::super::blocks::Piece;
use super::super::command::aws;
use super::super::items::{Kind, Sink};
use crate::knowledge::AWS_ATTRIBUTES;

/// `a.b=c`, where a name of the tables may stand.
static PAIR: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(?:^|[^A-Za-z0-9_.=/-])([a-z][a-z0-9_]*(?:\.[a-z0-9_]+)+)\s?=\s?([A-Za-z0-9_.-]+)")
        .ok()
});

/// Judges the attributes of a text; `line` is the whole line, `sentence` what they stand in, lower case.
pub(super) fn judge(sink: &mut Sink, piece: &Piece, text: &str, offset: u32, sentence: &str) {
    let Some(expression) = &*PAIR else { return };
    if !text.contains('=') || text.contains("aws ") || text.contains("aws-load-balancer") {
        return;
    }
    for found in expression.captures_iter(text) {
        let (Some(key), Some(value)) = (found.get(1), found.get(2)) else {
            continue;
        };
        if AWS_ATTRIBUTES.find("key", key.as_str()).is_none() {
            continue;
        }
        let kind = aws::load_balancer(sink, &piece.text);
        let value = value.as_str().trim_end_matches('.');
        let judgement = aws::pair_of_text(sink, kind, key.as_str(), value, sentence);
        let before = text[..key.start()].chars().count();
        let column = piece
            .column
            .saturating_add(offset)
            .saturating_add(u32::try_from(before).unwrap_or(0));
        let shown = format!("{}={value}", key.as_str());
        super::mention(
            sink,
            piece.line,
            column,
            Kind::Annotation,
            &shown,
            sentence,
            judgement,
        );
    }
}
