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
        r"(?i)(?:\b(?:on|to) (?:the |its |each |every )?(?:[a-z-]+ )?(?P<a>service|namespace|deployment|ingress)\b(?: object| itself|'s metadata|’s metadata)?|\b(?P<b>service|namespace|deployment|ingress)(?:'s|’s)(?: own)? `?metadata|(?P<t>spec\.template\.metadata(?:\.annotations|\.labels)?|\b(?:revision )?template(?:'s|’s)? (?:metadata|annotations?|labels?)\b|\b(?:on|to|into) the (?:revision )?template\b)|(?P<c>service|namespace|deployment|ingress)\s*(?:对象)?\s*(?:的 ?`?metadata|上加|上添加|上写|上设置))",
    )
    .ok()
});

/// "as an annotation", "into labels": the role that a sentence gives to a key.
static ROLES: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r"(?i)(?:\bas (?:an )?|\b(?:in|into|under|to) (?:the |its )?(?:metadata\.)?|作为 ?|写[在进到入] ?|放[在进到入] ?)(?:(?P<annotation>annotations?\b|注解)|(?P<label>a? ?labels?\b|标签))",
    )
    .ok()
});

/// Whether the line makes a label of its key, or an annotation. `None` if it says neither, or both.
fn role_of(text: &str) -> Option<bool> {
    let mut roles: Vec<bool> = ROLES
        .as_ref()?
        .captures_iter(text)
        .map(|found| found.name("label").is_some())
        .collect();
    roles.dedup();
    match roles.as_slice() {
        [label] => Some(*label),
        _ => None,
    }
}

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
            if found.name("t").is_some() {
                return Some("revision-template");
            }
            let kind = found.name("a").or(found.name("b")).or(found.name("c"))?;
            Some(place_of(kind.as_str()))
        })
        .collect();
    places.dedup();
    let [(at, key)] = keys.as_slice() else {
        return;
    };
    if super::negated(outside) {
        return;
    }
    // "The Service" of a key of Knative is Knative's.
    let places: Vec<&str> = places
        .into_iter()
        .map(|place| match place {
            "service" if key.contains("knative.dev/") => "ksvc",
            place => place,
        })
        .collect();
    let role = role_of(&text);
    let judgement = match (places.as_slice(), role) {
        ([place], _) => metadata::one(sink, key, None, place, role),
        ([], Some(_)) => metadata::one(sink, key, None, "", role),
        _ => return,
    };
    if matches!(judgement.verdict, Verdict::Misplaced | Verdict::Ignored) {
        let column = piece.column.saturating_add(*at);
        sink.put(piece.line, column, Kind::Annotation, key, judgement);
    }
}
