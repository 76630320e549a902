//! Rules of a VirtualService that can never match, because an earlier rule takes their requests.

use super::report::Report;
use crate::istio::{HttpMatchRequest, HttpRoute, StringMatch, VirtualService};
use crate::path::Path;

pub(super) fn check(report: &mut Report, spec: &Path<'_>, service: &VirtualService) {
    let http: Vec<Vec<_>> = service
        .http
        .iter()
        .map(|route| route.r#match.iter().map(nameless).collect())
        .collect();
    unreachable(report, &spec.key("http"), &http);
    let tls: Vec<_> = service
        .tls
        .iter()
        .map(|route| route.r#match.clone())
        .collect();
    unreachable(report, &spec.key("tls"), &tls);
    let tcp: Vec<_> = service
        .tcp
        .iter()
        .map(|route| route.r#match.clone())
        .collect();
    unreachable(report, &spec.key("tcp"), &tcp);
    prefixes(report, &spec.key("http"), &service.http);
}

fn nameless(request: &HttpMatchRequest) -> HttpMatchRequest {
    HttpMatchRequest {
        name: String::new(),
        ..request.clone()
    }
}

/// Equal matches: the first rule wins. A rule without a match takes everything after it.
fn unreachable<M: PartialEq>(report: &mut Report, at: &Path<'_>, rules: &[Vec<M>]) {
    let mut everything = None;
    let mut seen: Vec<(&M, usize)> = Vec::new();
    for (rule, matches) in rules.iter().enumerate() {
        if matches.is_empty() {
            if let Some(earlier) = everything {
                report.warning(&at.index(rule), format!("this rule is never reached: rule {earlier} has no match and takes everything"));
            }
            everything = everything.or(Some(rule));
            continue;
        }
        if let Some(earlier) = everything {
            report.warning(
                &at.index(rule),
                format!(
                    "this rule is never reached: rule {earlier} has no match and takes everything"
                ),
            );
            continue;
        }
        let mut duplicates = 0;
        for (index, request) in matches.iter().enumerate() {
            match seen.iter().find(|(earlier, _)| *earlier == request) {
                Some((_, earlier)) => {
                    duplicates += 1;
                    let item = at.index(rule);
                    let message =
                        format!("this match is never reached: rule {earlier} has the same");
                    report.warning(&item.key("match").index(index), message);
                }
                // A quadratic search; long rule sets keep the first thousand matches.
                None if seen.len() < 1_000 => seen.push((request, rule)),
                None => {}
            }
        }
        if duplicates == matches.len() {
            report.warning(
                &at.index(rule),
                "this rule is never reached: earlier rules have all of its matches",
            );
        }
    }
}

/// What Istio compares of two prefix matches.
struct Prefix<'a> {
    rule: usize,
    index: usize,
    prefix: &'a str,
    request: &'a HttpMatchRequest,
}

fn prefixes(report: &mut Report, at: &Path<'_>, routes: &[HttpRoute]) {
    let mut earlier: Vec<Prefix<'_>> = Vec::new();
    for (rule, route) in routes.iter().enumerate() {
        for (index, request) in route.r#match.iter().enumerate() {
            let Some(prefix) = request.uri.as_ref().and_then(|uri| uri.prefix.as_deref()) else {
                continue;
            };
            let this = Prefix {
                rule,
                index,
                prefix,
                request,
            };
            if let Some(winner) = earlier.iter().find(|winner| covers(winner, &this)) {
                let item = at.index(rule);
                let message = format!(
                    "prefix {prefix:?} is never reached: rule {} takes {:?} first",
                    winner.rule, winner.prefix
                );
                let warning = report.warning(&item.key("match").index(index), message);
                warning.suggestion = Some(format!("put this rule before rule {}", winner.rule));
            }
            if earlier.len() < 1_000 {
                earlier.push(this);
            }
        }
    }
}

/// Whether every request of `later` is taken by `winner`: a shorter prefix and no condition that `later`
/// does not have too.
fn covers(winner: &Prefix<'_>, later: &Prefix<'_>) -> bool {
    if winner.rule == later.rule && winner.index == later.index || winner.prefix == later.prefix {
        return false;
    }
    let (a, b) = (winner.request, later.request);
    let implied = |a: &Option<StringMatch>, b: &Option<StringMatch>| a.is_none() || a == b;
    later.prefix.starts_with(winner.prefix)
        && (a.port == 0 || a.port == b.port)
        && implied(&a.method, &b.method)
        && implied(&a.authority, &b.authority)
        && implied(&a.scheme, &b.scheme)
        && a.headers
            .iter()
            .all(|(name, wanted)| b.headers.get(name) == Some(wanted))
        && a.query_params
            .iter()
            .all(|(name, wanted)| b.query_params.get(name) == Some(wanted))
        && a.without_headers
            .iter()
            .all(|(name, wanted)| b.without_headers.get(name) == Some(wanted))
        && a.source_labels
            .iter()
            .all(|(name, wanted)| b.source_labels.get(name) == Some(wanted))
        && (a.gateways.is_empty() || a.gateways == b.gateways)
        && (a.source_namespace.is_empty() || a.source_namespace == b.source_namespace)
        && (!b.ignore_uri_case || a.ignore_uri_case)
}
