//! String, header and query matchers.

use xds::envoy::config::route::v3 as route;
use xds::envoy::r#type::matcher::v3 as pb;

use super::{At, Result};
use crate::config::matcher::{
    HeaderMatcher, HeaderSource, HeaderTest, QueryMatcher, Regex, StringMatcher, Substitution, Text,
};

pub(super) fn regex(at: &At<'_>, matcher: &pb::RegexMatcher) -> Result<Regex> {
    Regex::full_match(&matcher.regex).map_err(|error| at.field("regex").error(error))
}

pub(super) fn substitution(
    at: &At<'_>,
    value: &pb::RegexMatchAndSubstitute,
) -> Result<Substitution> {
    let pattern = value
        .pattern
        .as_ref()
        .ok_or_else(|| at.field("pattern").missing())?;
    Substitution::new(&pattern.regex, &value.substitution).map_err(|error| at.error(error))
}

pub(super) fn string(at: &At<'_>, matcher: &pb::StringMatcher) -> Result<StringMatcher> {
    use pb::string_matcher::MatchPattern;
    let text = |value: &str| Text::new(value, matcher.ignore_case);
    Ok(match &matcher.match_pattern {
        Some(MatchPattern::Exact(value)) => StringMatcher::Exact(text(value)),
        Some(MatchPattern::Prefix(value)) => StringMatcher::Prefix(text(value)),
        Some(MatchPattern::Suffix(value)) => StringMatcher::Suffix(text(value)),
        Some(MatchPattern::Contains(value)) => StringMatcher::Contains(text(value)),
        Some(MatchPattern::SafeRegex(value)) => {
            if matcher.ignore_case {
                return Err(at
                    .field("ignore_case")
                    .error("has no effect on a regex; write (?i) in it"));
            }
            StringMatcher::Regex(regex(&at.field("safe_regex"), value)?)
        }
        Some(MatchPattern::Custom(_)) => return Err(at.field("custom").unsupported()),
        None => return Err(at.error("no pattern set")),
    })
}

pub(super) fn strings(
    at: &At<'_>,
    name: &str,
    list: &[pb::StringMatcher],
) -> Result<Box<[StringMatcher]>> {
    list.iter()
        .enumerate()
        .map(|(i, matcher)| string(&at.item(name, i), matcher))
        .collect()
}

#[expect(deprecated, reason = "Envoy still honours the older forms")]
pub(super) fn header(at: &At<'_>, matcher: &route::HeaderMatcher) -> Result<HeaderMatcher> {
    use route::header_matcher::HeaderMatchSpecifier as Spec;
    let plain = |value: &str| Text::new(value, false);
    if matcher.name.is_empty() {
        return Err(at.field("name").missing());
    }
    let test = match &matcher.header_match_specifier {
        None => HeaderTest::Present(true),
        Some(Spec::PresentMatch(present)) => HeaderTest::Present(*present),
        Some(Spec::StringMatch(matcher)) => {
            HeaderTest::String(string(&at.field("string_match"), matcher)?)
        }
        Some(Spec::ExactMatch(text)) => HeaderTest::String(StringMatcher::Exact(plain(text))),
        Some(Spec::PrefixMatch(text)) => HeaderTest::String(StringMatcher::Prefix(plain(text))),
        Some(Spec::SuffixMatch(text)) => HeaderTest::String(StringMatcher::Suffix(plain(text))),
        Some(Spec::ContainsMatch(text)) => HeaderTest::String(StringMatcher::Contains(plain(text))),
        Some(Spec::SafeRegexMatch(value)) => HeaderTest::String(StringMatcher::Regex(regex(
            &at.field("safe_regex_match"),
            value,
        )?)),
        Some(Spec::RangeMatch(range)) => HeaderTest::Range {
            start: range.start,
            end: range.end,
        },
    };
    Ok(HeaderMatcher {
        source: HeaderSource::new(&matcher.name),
        test,
        invert: matcher.invert_match,
        treat_missing_as_empty: matcher.treat_missing_header_as_empty,
    })
}

pub(super) fn headers(
    at: &At<'_>,
    name: &str,
    list: &[route::HeaderMatcher],
) -> Result<Box<[HeaderMatcher]>> {
    list.iter()
        .enumerate()
        .map(|(i, matcher)| header(&at.item(name, i), matcher))
        .collect()
}

pub(super) fn query(at: &At<'_>, matcher: &route::QueryParameterMatcher) -> Result<QueryMatcher> {
    use route::query_parameter_matcher::QueryParameterMatchSpecifier as Spec;
    if matcher.name.is_empty() {
        return Err(at.field("name").missing());
    }
    let (value, present) = match &matcher.query_parameter_match_specifier {
        None => (None, true),
        Some(Spec::PresentMatch(present)) => (None, *present),
        Some(Spec::StringMatch(matcher)) => {
            (Some(string(&at.field("string_match"), matcher)?), true)
        }
    };
    Ok(QueryMatcher {
        name: matcher.name.clone().into_bytes().into(),
        value,
        present,
    })
}
