//! Regular expressions that RE2 does not accept.

use api::parse::Node;

use super::report::reportable;
use super::{Code, Report, Rule};
use crate::facts::fields::Fields;
use crate::facts::{Facts, Kind, Resource};
use crate::finding::Level;

pub(super) const RULE: Rule = Rule {
    name: "regexes",
    analyzer: "virtualservice.RegexAnalyzer",
    summary: "Checks regular expressions of VirtualServices",
    codes: &[Code {
        id: "IST0122",
        level: Level::Warning,
        name: "InvalidRegexp",
        meaning: "The proxies compile regular expressions with RE2 and refuse the whole route configuration for one \
                  that does not compile.",
        remedy: "Correct the expression; RE2 has neither look-around nor back-references.",
        verify: "ferromesh analyze",
    }],
    check,
};

fn check(facts: &Facts, report: &mut Report) {
    for service in facts.all(Kind::VirtualService).filter(|r| reportable(r)) {
        for (rule, route) in service.spec().list("http").iter().enumerate() {
            for (item, request) in route.list("match").iter().enumerate() {
                let at = format!("spec.http[{rule}].match[{item}]");
                for field in ["uri", "scheme", "method", "authority"] {
                    if let Some(node) = request.get(field) {
                        judge(report, service, node, &format!("{at}.{field}"), field);
                    }
                }
                for field in ["headers", "queryParams", "withoutHeaders"] {
                    for (key, node) in request.map(field) {
                        let path = format!("{at}.{field}[{:?}]", key.text);
                        judge(report, service, node, &path, field);
                    }
                }
            }
            let origins = route.get("corsPolicy").map_or(&[][..], |cors| cors.list("allowOrigins"));
            for (index, node) in origins.iter().enumerate() {
                let path = format!("spec.http[{rule}].corsPolicy.allowOrigins[{index}]");
                judge(report, service, node, &path, "corsPolicy.allowOrigins");
            }
        }
    }
}

fn judge(report: &mut Report, service: &Resource, node: &Node, path: &str, place: &str) {
    let text = node.text("regex");
    if text.is_empty() || text.len() > 1_024 {
        return;
    }
    // The engine shares RE2's syntax, save for a few spellings; \C is the one that only RE2 has.
    if let Err(error) = regex::RegexBuilder::new(text).size_limit(1 << 20).build()
        && let regex::Error::Syntax(detail) = &error
    {
        let problem = detail.lines().last().unwrap_or_default();
        let problem = problem.strip_prefix("error: ").unwrap_or(problem);
        let message = format!("Field {place:?} regular expression invalid: {text:?} ({problem})");
        report.find("IST0122", service, &format!("{path}.regex"), message);
    }
}
