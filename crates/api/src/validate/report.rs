//! Collects what the rules find, and the checks that many rules share.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::fields;
use crate::path::Path;
use crate::{Diagnostic, Duration};

/// The findings so far.
#[derive(Debug, Default)]
pub(crate) struct Report {
    found: Vec<Diagnostic>,
}

impl Report {
    pub(super) fn finish(self) -> Vec<Diagnostic> {
        self.found
    }

    pub(super) fn error(&mut self, at: &Path<'_>, message: impl Into<String>) -> &mut Diagnostic {
        self.push(Diagnostic::error(at.to_string(), message))
    }

    pub(super) fn warning(&mut self, at: &Path<'_>, message: impl Into<String>) -> &mut Diagnostic {
        self.push(Diagnostic::warning(at.to_string(), message))
    }

    /// An error with what to write instead.
    pub(super) fn fix(
        &mut self,
        at: &Path<'_>,
        message: impl Into<String>,
        suggestion: impl Into<String>,
    ) {
        self.error(at, message).suggestion = Some(suggestion.into());
    }

    fn push(&mut self, diagnostic: Diagnostic) -> &mut Diagnostic {
        let index = self.found.len();
        self.found.push(diagnostic);
        &mut self.found[index]
    }

    /// Reports the message of a check that failed.
    pub(super) fn check(&mut self, at: &Path<'_>, outcome: Result<(), String>) {
        if let Err(message) = outcome {
            self.error(at, message);
        }
    }

    /// `istio.io/dry-run` belongs to AuthorizationPolicy alone.
    pub(super) fn metadata(&mut self, metadata: &ObjectMeta) {
        let annotations = metadata.annotations.as_ref();
        for name in [
            "istio.io/dry-run",
            "internal.istio.io/webhook-always-reject",
        ] {
            if annotations.is_some_and(|annotations| annotations.contains_key(name)) {
                let (metadata, annotations) = (Path::Root.key("metadata"), "annotations");
                let at = metadata.key(annotations);
                self.fix(
                    &at.key(name),
                    format!("annotation {name} is not allowed on this kind"),
                    "remove the annotation",
                );
            }
        }
    }

    pub(super) fn port(&mut self, at: &Path<'_>, port: u32) {
        if !(1..=65535).contains(&port) {
            self.error(at, format!("port {port} is not between 1 and 65535"));
        }
    }

    pub(super) fn dns_label(&mut self, at: &Path<'_>, what: &str, name: &str) {
        if !fields::is_dns_label(name) {
            let message = format!(
                "{what} {name:?} is not a DNS label: letters, digits and '-', at most 63 characters"
            );
            self.error(at, message);
        }
    }

    /// Istio: at least 1 ms, whole milliseconds.
    pub(super) fn duration(&mut self, at: &Path<'_>, duration: Option<Duration>) {
        let Some(duration) = duration else { return };
        if duration.as_nanos() < 1_000_000 {
            self.error(at, format!("duration {duration} is shorter than 1ms"));
        } else if duration.subsec_nanos() % 1_000_000 != 0 {
            self.error(
                at,
                format!("duration {duration} is finer than a millisecond"),
            );
        }
    }

    pub(super) fn not_negative(&mut self, at: &Path<'_>, value: i32) {
        if value < 0 {
            self.error(at, format!("{value} is negative"));
        }
    }

    pub(super) fn percent(&mut self, at: &Path<'_>, value: i32) {
        if !(0..=100).contains(&value) {
            self.error(at, format!("{value} is not between 0 and 100"));
        }
    }

    /// At most one member of a one-of group.
    pub(super) fn one_of(&mut self, at: &Path<'_>, members: &[(&str, bool)]) -> usize {
        let set: Vec<&str> = members
            .iter()
            .filter(|(_, set)| *set)
            .map(|(name, _)| *name)
            .collect();
        if set.len() > 1 {
            let last = set[set.len() - 1];
            let message = format!("{} cannot stand together", set.join(" and "));
            self.fix(&at.key(last), message, "keep one of them");
        }
        set.len()
    }
}
