//! Names and values of headers that routes match and change.

use std::collections::BTreeMap;

use super::report::Report;
use crate::istio::{HeaderOperations, Headers, HttpRoute};
use crate::path::Path;

/// RFC 9110 §5.6.2: characters of a token beside letters and digits.
const TOKEN: &[u8] = b"!#$%&'*+-.^_`|~";

/// RFC 9113 §8.3.1.
const PSEUDO: [&str; 4] = [":method", ":scheme", ":authority", ":path"];

/// A header name that can be matched.
pub(super) fn name(report: &mut Report, at: &Path<'_>, name: &str) {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || TOKEN.contains(&byte);
    if name.is_empty() {
        report.error(at, "a header name cannot be empty");
    } else if !name.bytes().all(legal) {
        report.error(at, format!("{name:?} is not a header name (RFC 9110 §5.1)"));
    }
}

/// Whether a name sets the request's authority.
pub(super) fn is_authority(name: &str) -> bool {
    name.eq_ignore_ascii_case(":authority") || name.eq_ignore_ascii_case("host")
}

pub(super) fn operations(report: &mut Report, at: &Path<'_>, headers: Option<&Headers>) {
    let Some(Headers { request, response }) = headers else {
        return;
    };
    let at = at.key("headers");
    one_side(report, &at.key("request"), request.as_ref(), true);
    one_side(report, &at.key("response"), response.as_ref(), false);
}

fn one_side(
    report: &mut Report,
    at: &Path<'_>,
    operations: Option<&HeaderOperations>,
    request: bool,
) {
    let Some(HeaderOperations { set, add, remove }) = operations else {
        return;
    };
    for (field, map) in [("add", add), ("set", set)] {
        let at = at.key(field);
        for (name, value) in map {
            changed(report, &at.key(name), name, request);
            header_value(report, &at.key(name), value);
        }
    }
    for (index, name) in remove.iter().enumerate() {
        changed(report, &at.key("remove").index(index), name, false);
    }
}

/// A name that is added, set or removed. Only a request's authority may be set beside plain headers.
fn changed(report: &mut Report, at: &Path<'_>, name: &str, authority_allowed: bool) {
    if name.is_empty() {
        report.error(at, "a header name cannot be empty");
    } else if authority_allowed && is_authority(name) {
    } else if name.eq_ignore_ascii_case("host") {
        report.fix(
            at,
            "the Host header cannot be changed here",
            "use rewrite.authority",
        );
    } else if name.starts_with(':') {
        report.error(at, format!("pseudo header {name:?} cannot be changed"));
    }
}

/// The authority may be rewritten in one place only.
pub(super) fn authority_once(
    report: &mut Report,
    at: &Path<'_>,
    rewrite: &str,
    headers: Option<&Headers>,
) {
    let Some(request) = headers.and_then(|headers| headers.request.as_ref()) else {
        return;
    };
    let mut current = rewrite;
    for (field, map) in [("set", &request.set), ("add", &request.add)] {
        for (name, value) in map.iter().filter(|(name, _)| is_authority(name)) {
            if current.is_empty() {
                current = value;
                continue;
            }
            let headers = at.key("headers");
            let (request, message) = (
                headers.key("request"),
                format!("the authority is set twice: {current:?} and {value:?}"),
            );
            report.error(&request.key(field).key(name), message);
        }
    }
}

/// A header value: printable, and `%` only around a command operator or doubled.
pub(super) fn header_value(report: &mut Report, at: &Path<'_>, value: &str) {
    if let Some(control) = value.chars().find(|c| *c != '\t' && c.is_ascii_control()) {
        report.error(at, format!("a header value cannot contain {control:?}"));
        return;
    }
    let mut rest = value;
    while let Some(start) = rest.find('%') {
        let tail = &rest[start + 1..];
        let Some(end) = operator_end(tail) else {
            report.fix(
                at,
                "'%' begins a command operator that has no end",
                "write %% for a percent sign",
            );
            return;
        };
        rest = &tail[end + 1..];
    }
}

/// The closing `%` of an operator: `REQ(x-id):10%`; 0 for `%%`. Arguments in brackets may contain `%`.
fn operator_end(tail: &str) -> Option<usize> {
    if tail.starts_with('%') {
        return Some(0);
    }
    if !tail.starts_with(|c: char| c.is_ascii_uppercase()) {
        return None;
    }
    let mut depth = 0_usize;
    for (at, c) in tail.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            '%' if depth == 0 => return Some(at),
            _ => {}
        }
    }
    None
}

/// Names of a map of header matches.
pub(super) fn matched_names<T>(report: &mut Report, at: &Path<'_>, map: &BTreeMap<String, T>) {
    for key in map.keys() {
        if !is_claim(key) && !PSEUDO.contains(&&**key) {
            name(report, &at.key(key), key);
        }
    }
}

/// `@request.auth.claims.sub` or `@request.auth.claims[sub]`: stands for a claim of a token.
fn is_claim(name: &str) -> bool {
    const CLAIMS: &str = "@request.auth.claims";
    let Some((start, rest)) = name.split_at_checked(CLAIMS.len()) else {
        return false;
    };
    start.eq_ignore_ascii_case(CLAIMS)
        && (rest.starts_with('.') && rest.len() > 1
            || rest.starts_with('[') && rest.ends_with(']') && rest.len() > 2)
}

/// Sidecars do not route by claims.
pub(super) fn no_claims(report: &mut Report, at: &Path<'_>, route: &HttpRoute) {
    let list = at.key("match");
    for (index, request) in route.r#match.iter().enumerate() {
        let at = list.index(index);
        for (field, map) in [
            ("headers", &request.headers),
            ("withoutHeaders", &request.without_headers),
        ] {
            for name in map.keys().filter(|name| is_claim(name)) {
                report.fix(
                    &at.key(field).key(name),
                    "only gateways route by claims of a token",
                    "name gateways alone in spec.gateways",
                );
            }
        }
    }
}
