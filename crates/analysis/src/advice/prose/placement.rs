//! Sentences that say on what an annotation is to stand.

use std::sync::LazyLock;

use regex::Regex;

use super::super::blocks::Piece;
use super::super::items::{Kind, Sink};
use super::super::metadata;
use super::super::verdict::Verdict;

/// The kind in "on the Service", "the Deployment's own metadata", "Namespace 上加注解".
static PLACES: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r"(?i)(?:\b(?:on|to) (?:the |its |each |every )?(?:[a-z-]+ )?(?P<a>service|namespace|deployment|ingress)\b(?: object| itself|'s metadata|’s metadata)?|\b(?P<b>service|namespace|deployment|ingress)(?:'s|’s)(?: own)? `?metadata|(?P<c>service|namespace|deployment|ingress)\s*(?:对象)?\s*(?:的 ?`?metadata|上加|上添加|上写|上设置))",
    )
    .ok()
});

fn place_of(kind: &str) -> &'static str {
    match kind.to_lowercase().as_str() {
        "service" => "service",
        "namespace" => "namespace",
        "ingress" => "ingress",
        _ => "workload",
    }
}

/// Judges the annotation that the line puts somewhere by name; `spans` and `outside` as [`super::spans::split`] gives them.
pub(super) fn judge(sink: &mut Sink, piece: &Piece, spans: &[(u32, String)], outside: &str) {
    let Some(expression) = &*PLACES else { return };
    let keys: Vec<_> = spans
        .iter()
        .filter_map(|(at, span)| {
            let key = span.split([':', '=', ' ']).next().unwrap_or(span);
            let known = metadata::is_known_prefix(key) && key.contains('/') && !key.ends_with('/');
            known.then_some((*at, key.to_owned()))
        })
        .collect();
    // A place in backticks is a place, too.
    let text = piece.text.replace('`', " ");
    let mut places: Vec<&str> = expression
        .captures_iter(&text)
        .filter_map(|found| {
            let kind = found.name("a").or(found.name("b")).or(found.name("c"))?;
            Some(place_of(kind.as_str()))
        })
        .collect();
    places.dedup();
    let ([(at, key)], [place]) = (keys.as_slice(), places.as_slice()) else {
        return;
    };
    if super::negated(outside) {
        return;
    }
    let judgement = metadata::one(sink, key, None, place, None);
    if matches!(judgement.verdict, Verdict::Misplaced | Verdict::Ignored) {
        let column = piece.column.saturating_add(*at);
        sink.put(piece.line, column, Kind::Annotation, key, judgement);
    }
}
