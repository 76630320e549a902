//! One analysis: rules over facts, then what was suppressed or belongs to other namespaces taken away.

use crate::facts::{Facts, Kind};
use crate::finding::{Finding, Level, Origin};
use crate::rules::{self, RULES};

/// The annotation that suppresses codes on an object: codes with commas, or `*`.
const SUPPRESS: &str = "galley.istio.io/analyze-suppress";

/// A code that is not wanted for some objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suppression {
    /// The code.
    pub code: String,
    /// The object as findings name it; `*` stands for anything.
    pub resource: String,
}

impl Suppression {
    /// Reads `CODE=resource`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('=');
        let (code, resource) = (parts.next()?, parts.next()?);
        parts.next().is_none().then(|| Self {
            code: code.to_owned(),
            resource: resource.to_owned(),
        })
    }

    /// Whether some rule reports the code.
    #[must_use]
    pub fn is_known(&self) -> bool {
        rules::codes().iter().any(|code| code.id == self.code)
            || crate::coverage::IST.iter().any(|row| row.code == self.code)
    }

    fn covers(&self, code: &str, origin: &Origin) -> bool {
        self.code == code && glob(&self.resource, &origin.to_string())
    }
}

/// What to report.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Findings about objects of this namespace, and about cluster-wide ones; of all where empty.
    pub namespace: String,
    /// What is not wanted.
    pub suppressions: Vec<Suppression>,
    /// The analyzers to run, by name; all where empty.
    pub analyzers: Vec<String>,
}

/// Runs every rule. The findings are sorted as istioctl sorts them, equal ones left out.
#[must_use]
pub fn analyze(facts: &Facts, options: &Options) -> Vec<Finding> {
    let mut findings: Vec<Finding> = RULES
        .iter()
        .filter(|rule| {
            options.analyzers.is_empty()
                || options.analyzers.iter().any(|name| name == rule.analyzer)
        })
        .flat_map(|rule| rules::run(rule, facts))
        .filter(|finding| wanted(facts, options, finding))
        .collect();
    sort(&mut findings);
    findings
}

fn sort(findings: &mut Vec<Finding>) {
    findings.sort_by_cached_key(|finding| {
        let origin = finding.origin.as_ref();
        let order = origin.map(|o| (o.kind.clone(), o.name.clone(), o.namespace.clone(), o.line));
        (finding.level, finding.code, order, finding.message.clone())
    });
    findings.dedup_by(|a, b| a.code == b.code && a.origin == b.origin && a.message == b.message);
}

fn wanted(facts: &Facts, options: &Options, finding: &Finding) -> bool {
    let Some(origin) = &finding.origin else {
        return true;
    };
    // A namespace belongs to itself.
    let namespace = if origin.kind == "Namespace" {
        &origin.name
    } else {
        &origin.namespace
    };
    if !options.namespace.is_empty() && !namespace.is_empty() && *namespace != options.namespace {
        return false;
    }
    !suppressed(facts, finding, origin)
        && !options
            .suppressions
            .iter()
            .any(|suppression| suppression.covers(finding.code, origin))
}

fn suppressed(facts: &Facts, finding: &Finding, origin: &Origin) -> bool {
    let found = Kind::ALL
        .iter()
        .filter(|kind| kind.names().1 == origin.kind)
        .find_map(|kind| facts.get(*kind, &origin.namespace, &origin.name));
    let Some(list) = found.and_then(|resource| resource.annotation(SUPPRESS)) else {
        return false;
    };
    list.split(',')
        .any(|code| code == "*" || code == finding.code)
}

/// The worst level of findings.
#[must_use]
pub fn worst(findings: &[Finding]) -> Option<Level> {
    findings.iter().map(|finding| finding.level).min()
}

/// Whether a pattern with `*` matches a text whole.
pub(crate) fn glob(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else {
        return false;
    };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else {
        return rest.is_empty();
    };
    for part in middle {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_matches_whole_names() {
        for (pattern, matches) in [
            ("Pod a.b", false),
            ("Pod ns/a", true),
            ("Pod ns/*", true),
            ("* ns/a", true),
            ("*", true),
            ("Pod */a", true),
            ("Pod", false),
            ("*b", false),
        ] {
            assert_eq!(glob(pattern, "Pod ns/a"), matches, "{pattern}");
        }
    }

    #[test]
    fn a_suppression_has_one_equals_sign() {
        assert!(Suppression::parse("IST0101=Pod a").is_some());
        assert!(Suppression::parse("IST0101").is_none());
        assert!(Suppression::parse("IST0101=a=b").is_none());
    }
}
