//! Collects what a rule finds, and fills in from the code's page what the rule does not say itself.

use super::{Code, Rule};
use crate::facts::{IGNORED_NAMESPACES, Resource, Source};
use crate::finding::{Change, Edit, EditAction, Evidence, Finding, Fix, Level};

/// The findings of a rule.
#[derive(Debug)]
pub(crate) struct Report {
    codes: &'static [Code],
    findings: Vec<Finding>,
}

impl Report {
    pub(super) fn new(rule: &Rule) -> Self {
        Self {
            codes: rule.codes,
            findings: Vec::new(),
        }
    }

    /// A finding about a field of an object; the empty path is the object itself.
    pub(crate) fn find(
        &mut self,
        id: &'static str,
        resource: &Resource,
        path: &str,
        message: impl Into<String>,
    ) -> &mut Finding {
        let level = self.level(id);
        let mut finding = Finding::new(id, level, message);
        finding.origin = Some(resource.origin(path));
        let text = seen(resource, path);
        finding.evidence.push(resource.evidence(path, text));
        self.push(finding)
    }

    /// A finding that is about no single object.
    pub(crate) fn find_mesh(
        &mut self,
        id: &'static str,
        message: impl Into<String>,
    ) -> &mut Finding {
        let level = self.level(id);
        self.push(Finding::new(id, level, message))
    }

    /// The finding that was added last.
    pub(crate) fn last(&mut self) -> Option<&mut Finding> {
        self.findings.last_mut()
    }

    fn push(&mut self, finding: Finding) -> &mut Finding {
        let index = self.findings.len();
        self.findings.push(finding);
        &mut self.findings[index]
    }

    fn level(&self, id: &str) -> Level {
        let code = self.codes.iter().find(|code| code.id == id);
        code.map(|code| code.level)
            .expect("a rule reports the codes it declares")
    }

    pub(super) fn finish(self) -> Vec<Finding> {
        let mut findings = self.findings;
        for finding in &mut findings {
            let Some(code) = self.codes.iter().find(|code| code.id == finding.code) else {
                continue;
            };
            if finding.cause.is_empty() {
                code.meaning.clone_into(&mut finding.cause);
            }
            if finding.verify.is_empty() {
                code.verify.clone_into(&mut finding.verify);
            }
            if finding.fix.is_none() {
                finding.fix = Some(Fix {
                    change: Change::Advice(code.remedy.to_owned()),
                    risk: String::new(),
                });
            }
        }
        findings
    }
}

/// Whether a rule may say anything about an object.
pub(crate) fn reportable(resource: &Resource) -> bool {
    resource.source != Source::Default && !IGNORED_NAMESPACES.contains(&&*resource.namespace)
}

/// What stands at a field, short; nothing of a Secret.
fn seen(resource: &Resource, path: &str) -> String {
    use crate::facts::fields::Fields;
    if path.is_empty() || &*resource.kind_name == "Secret" {
        return String::new();
    }
    let mut node = &resource.node;
    for segment in api::path::segments(path) {
        let next = match segment {
            api::path::Segment::Key(key) => node.get(&key),
            api::path::Segment::Index(index) => node.items().get(index),
        };
        match next {
            Some(next) => node = next,
            None => return String::new(),
        }
    }
    let text = node.scalar().unwrap_or_default();
    if text.chars().count() > 120 {
        text.chars().take(117).chain("...".chars()).collect()
    } else {
        text
    }
}

impl Finding {
    /// Says why it matters.
    pub(crate) fn because(&mut self, cause: impl Into<String>) -> &mut Self {
        self.cause = cause.into();
        self
    }

    /// Adds something that was seen.
    pub(crate) fn seen(&mut self, evidence: Evidence) -> &mut Self {
        self.evidence.push(evidence);
        self
    }

    /// Says what to do.
    pub(crate) fn advise(&mut self, advice: impl Into<String>) -> &mut Self {
        self.fix = Some(Fix {
            change: Change::Advice(advice.into()),
            risk: String::new(),
        });
        self
    }

    /// Says what to type.
    pub(crate) fn command(
        &mut self,
        command: impl Into<String>,
        risk: impl Into<String>,
    ) -> &mut Self {
        self.fix = Some(Fix {
            change: Change::Command(command.into()),
            risk: risk.into(),
        });
        self
    }

    /// Says how to edit a field; a second edit of one finding joins the first.
    pub(crate) fn edit(
        &mut self,
        resource: &Resource,
        path: impl Into<String>,
        action: EditAction,
        risk: impl Into<String>,
    ) -> &mut Self {
        let edit = Edit {
            object: resource.friendly_name(),
            file: resource.file.to_string(),
            at: (resource.node.line, resource.node.column),
            path: path.into(),
            action,
        };
        match &mut self.fix {
            Some(Fix {
                change: Change::Patch(edits),
                ..
            }) => edits.push(edit),
            _ => {
                self.fix = Some(Fix {
                    change: Change::Patch(vec![edit]),
                    risk: risk.into(),
                });
            }
        }
        self
    }
}
