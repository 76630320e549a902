//! One object with its text's places.

use std::sync::Arc;

use api::Diagnostic;
use api::parse::{Key, Node};

use super::fields::{Fields, label};
use super::kind::Kind;
use crate::finding::{Evidence, Origin};

/// Where an object came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// A text that was given.
    Text,
    /// A cluster's API server.
    Cluster,
    /// What every installation has; never reported on.
    Default,
}

/// An object.
#[derive(Debug, Clone)]
pub struct Resource {
    /// Its kind, if a rule knows it.
    pub kind: Kind,
    /// Its `apiVersion`.
    pub api_version: Box<str>,
    /// Its kind's name.
    pub kind_name: Box<str>,
    /// Its namespace; empty for cluster-wide kinds.
    pub namespace: Arc<str>,
    /// Its name.
    pub name: Box<str>,
    /// The whole object.
    pub node: Node,
    /// The file; empty if it came from a cluster.
    pub file: Arc<str>,
    /// 1-based line where it begins; 0 without a text.
    pub line: u32,
    /// Where it came from.
    pub source: Source,
    /// What strict reading and Istio's admission find wrong with it.
    pub diagnostics: Vec<Diagnostic>,
}

impl Resource {
    /// `namespace/name`, or the name of a cluster-wide object.
    #[must_use]
    pub fn full_name(&self) -> String {
        if self.namespace.is_empty() {
            self.name.to_string()
        } else {
            format!("{}/{}", self.namespace, self.name)
        }
    }

    /// As istioctl names it: `VirtualService ns/name`.
    #[must_use]
    pub fn friendly_name(&self) -> String {
        format!("{} {}", self.kind_name, self.full_name())
    }

    pub(crate) fn spec(&self) -> &Node {
        self.node.get("spec").unwrap_or(&NOTHING)
    }

    pub(crate) fn labels(&self) -> &[(Key, Node)] {
        self.node.get("metadata").map_or(&[], |m| m.map("labels"))
    }

    pub(crate) fn annotations(&self) -> &[(Key, Node)] {
        self.node
            .get("metadata")
            .map_or(&[], |m| m.map("annotations"))
    }

    pub(crate) fn label(&self, name: &str) -> Option<&str> {
        label(self.labels(), name)
    }

    pub(crate) fn annotation(&self, name: &str) -> Option<&str> {
        label(self.annotations(), name)
    }

    /// The origin of a finding at a field; the empty path is the object itself.
    pub(crate) fn origin(&self, path: &str) -> Origin {
        let line = if path.is_empty() {
            self.line
        } else {
            self.line_of(path)
        };
        Origin {
            kind: self.kind_name.to_string(),
            namespace: self.namespace.to_string(),
            name: self.name.to_string(),
            file: self.file.to_string(),
            line,
        }
    }

    /// The line of a field; of the object where the field has none.
    pub(crate) fn line_of(&self, path: &str) -> u32 {
        let (line, _) = self.node.place_of(path);
        u32::try_from(line)
            .ok()
            .filter(|line| *line > 0)
            .unwrap_or(self.line)
    }

    /// What stands at a field.
    pub(crate) fn evidence(&self, path: &str, text: impl Into<String>) -> Evidence {
        let (line, column) = self.node.place_of(path);
        Evidence {
            object: self.friendly_name(),
            path: path.to_owned(),
            file: self.file.to_string(),
            line: u32::try_from(line).unwrap_or(0),
            column: u32::try_from(column).unwrap_or(0),
            text: text.into(),
        }
    }
}

/// What an absent mapping reads as.
pub(crate) static NOTHING: Node = Node {
    kind: api::parse::Kind::Null,
    line: 0,
    column: 0,
    source: None,
};
