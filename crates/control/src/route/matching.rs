//! Conditions of a VirtualService's HTTP rule as Envoy's route match
//! (`pilot/pkg/networking/core/route/route.go`, `TranslateRouteMatch`).

use std::collections::BTreeMap;

use api::istio::{HttpMatchRequest, StringMatch};

use crate::pb::{boolean, matcher_v3, regex, route_v3, string_matcher};
use matcher_v3::string_matcher::MatchPattern;
use route_v3::header_matcher::HeaderMatchSpecifier;
use route_v3::query_parameter_matcher::QueryParameterMatchSpecifier;
use route_v3::route_match::PathSpecifier;

/// A match of every request.
pub(crate) fn everything() -> route_v3::RouteMatch {
    route_v3::RouteMatch {
        path_specifier: Some(PathSpecifier::Prefix("/".to_owned())),
        ..Default::default()
    }
}

/// Whether nothing can come after a route with this match: any path and no other condition.
pub(crate) fn is_everything(matcher: &route_v3::RouteMatch) -> bool {
    let any_path = match &matcher.path_specifier {
        Some(PathSpecifier::Prefix(prefix)) => prefix == "/",
        Some(PathSpecifier::PathSeparatedPrefix(prefix)) => prefix == "/",
        Some(PathSpecifier::SafeRegex(regex)) => regex.regex == ".*" || regex.regex == "*",
        _ => false,
    };
    any_path
        && matcher.headers.is_empty()
        && matcher.query_parameters.is_empty()
        && matcher.dynamic_metadata.is_empty()
}

/// Envoy's match for a rule. Gateways, ports, source labels and namespaces are decided when the route is generated.
pub(crate) fn route_match(request: &HttpMatchRequest) -> route_v3::RouteMatch {
    let mut matcher = everything();
    matcher.headers = headers(&request.headers, &request.without_headers);
    if let Some(path) = request.uri.as_ref().and_then(pattern) {
        matcher.path_specifier = Some(match path {
            Pattern::Exact(path) => PathSpecifier::Path(path),
            Pattern::Prefix(prefix) => PathSpecifier::Prefix(prefix),
            Pattern::Regex(expression) => PathSpecifier::SafeRegex(regex(expression)),
        });
    }
    matcher.case_sensitive = boolean(!request.ignore_uri_case);
    let pseudo = [
        (":method", &request.method),
        (":authority", &request.authority),
        (":scheme", &request.scheme),
    ];
    for (name, condition) in pseudo {
        if let Some(condition) = condition {
            matcher.headers.push(header(name, condition));
        }
    }
    matcher.query_parameters = request
        .query_params
        .iter()
        .map(|(name, condition)| query_parameter(name, condition))
        .collect();
    matcher
}

fn headers(
    wanted: &BTreeMap<String, StringMatch>,
    unwanted: &BTreeMap<String, StringMatch>,
) -> Vec<route_v3::HeaderMatcher> {
    let mut matchers: Vec<_> = wanted
        .iter()
        .map(|(name, condition)| header(name, condition))
        .collect();
    matchers.extend(unwanted.iter().map(|(name, condition)| {
        let mut matcher = header(name, condition);
        matcher.invert_match = true;
        // An absent header has no value that could be unwanted.
        matcher.treat_missing_header_as_empty = !is_presence(condition);
        matcher
    }));
    matchers.sort_by(|a, b| a.name.cmp(&b.name));
    matchers
}

fn header(name: &str, condition: &StringMatch) -> route_v3::HeaderMatcher {
    let specifier = match pattern(condition) {
        Some(pattern) if !is_presence(condition) => {
            HeaderMatchSpecifier::StringMatch(pattern.into_matcher())
        }
        _ => HeaderMatchSpecifier::PresentMatch(true),
    };
    route_v3::HeaderMatcher {
        name: name.to_owned(),
        header_match_specifier: Some(specifier),
        ..Default::default()
    }
}

fn query_parameter(name: &str, condition: &StringMatch) -> route_v3::QueryParameterMatcher {
    let specifier = match pattern(condition) {
        Some(pattern) if !is_presence(condition) => {
            QueryParameterMatchSpecifier::StringMatch(pattern.into_matcher())
        }
        _ => QueryParameterMatchSpecifier::PresentMatch(true),
    };
    route_v3::QueryParameterMatcher {
        name: name.to_owned(),
        query_parameter_match_specifier: Some(specifier),
    }
}

/// A string condition.
pub(crate) fn string(condition: &StringMatch) -> Option<matcher_v3::StringMatcher> {
    pattern(condition).map(Pattern::into_matcher)
}

enum Pattern {
    Exact(String),
    Prefix(String),
    Regex(String),
}

impl Pattern {
    fn into_matcher(self) -> matcher_v3::StringMatcher {
        string_matcher(match self {
            Self::Exact(text) => MatchPattern::Exact(text),
            Self::Prefix(text) => MatchPattern::Prefix(text),
            Self::Regex(expression) => MatchPattern::SafeRegex(regex(expression)),
        })
    }
}

fn pattern(condition: &StringMatch) -> Option<Pattern> {
    let StringMatch {
        exact,
        prefix,
        regex,
    } = condition;
    if let Some(text) = exact {
        return Some(Pattern::Exact(text.clone()));
    }
    if let Some(text) = prefix {
        return Some(Pattern::Prefix(text.clone()));
    }
    regex
        .as_ref()
        .map(|expression| Pattern::Regex(expression.clone()))
}

/// An empty condition or the pseudo-expression `*` asks only for presence (istio/istio#20629).
fn is_presence(condition: &StringMatch) -> bool {
    let StringMatch {
        exact,
        prefix,
        regex,
    } = condition;
    exact.is_none()
        && prefix.is_none()
        && regex.as_deref().is_none_or(|expression| expression == "*")
}
