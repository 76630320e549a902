//! What Istio's admission refuses or warns of in AuthorizationPolicy, RequestAuthentication, Sidecar and EnvoyFilter,
//! as `pkg/config/validation` of istio/istio decides it. The other kinds are judged where they are read, in `api`.

mod authorization;
mod envoy_filter;
mod selectors;
mod sidecar;

use super::report::reportable;
use super::schema::{INVALID, WARNED};
use super::{Report, Rule};
use crate::facts::{Facts, Kind, Resource};

pub(super) const RULE: Rule = Rule {
    name: "admission",
    analyzer: "schema.ValidationAnalyzer",
    summary: "Applies the rules of Istio's admission to policies, Sidecars and EnvoyFilters",
    codes: &[INVALID, WARNED],
    check,
};

fn check(facts: &Facts, report: &mut Report) {
    let kinds: [(Kind, fn(&mut Verdicts<'_>)); 4] = [
        (Kind::AuthorizationPolicy, authorization::policy),
        (Kind::RequestAuthentication, authorization::request),
        (Kind::Sidecar, sidecar::judge),
        (Kind::EnvoyFilter, envoy_filter::judge),
    ];
    for (kind, judge) in kinds {
        for resource in facts.all(kind).filter(|resource| reportable(resource)) {
            // A value of another type has its finding already, and what depends on it cannot be judged.
            if resource.diagnostics.iter().any(|found| found.is_error()) {
                continue;
            }
            judge(&mut Verdicts { report, resource });
        }
    }
}

/// Takes what admission says of one object.
struct Verdicts<'a> {
    report: &'a mut Report,
    resource: &'a Resource,
}

impl Verdicts<'_> {
    /// The webhook refuses the object.
    fn refuse(&mut self, path: &str, text: &str, advice: &str) {
        self.put("IST0106", "error", path, text, advice);
    }

    /// The webhook accepts the object and warns.
    fn warn(&mut self, path: &str, text: &str, advice: &str) {
        self.put("IST0133", "warning", path, text, advice);
    }

    fn put(&mut self, code: &'static str, level: &str, path: &str, text: &str, advice: &str) {
        let message = format!("Schema validation {level}: {path}: {text}");
        let finding = self.report.find(code, self.resource, "", message);
        finding.evidence[0] = self.resource.evidence(path, "");
        finding.advise(advice);
    }
}
