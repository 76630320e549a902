//! What analysis says: a code, where it saw what, why it matters, what to type and how to check.

use std::fmt;

/// How bad a finding is, the worst first as `istioctl analyze` sorts them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Traffic or policy does not do what the configuration says.
    Error,
    /// Probably not what was meant.
    Warning,
    /// Worth knowing.
    Info,
}

impl Level {
    /// All of them, the worst first.
    pub const ALL: [Self; 3] = [Self::Error, Self::Warning, Self::Info];

    /// The name in every output.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "Error",
            Self::Warning => "Warning",
            Self::Info => "Info",
        }
    }

    /// Reads a name, whatever its case.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|level| level.as_str().eq_ignore_ascii_case(text))
    }

    /// Whether this is at least as bad as `threshold`.
    #[must_use]
    pub fn reaches(self, threshold: Self) -> bool {
        self <= threshold
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The object that a finding is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// Its kind, such as `VirtualService`.
    pub kind: String,
    /// Its namespace; empty for cluster-wide kinds.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The file it was read from; empty if it came from a cluster.
    pub file: String,
    /// 1-based line that the finding points at; 0 without a file.
    pub line: u32,
}

impl Origin {
    /// `file:line`, if the object came from a file.
    #[must_use]
    pub fn reference(&self) -> Option<String> {
        (!self.file.is_empty()).then(|| format!("{}:{}", self.file, self.line))
    }
}

impl fmt::Display for Origin {
    /// As istioctl names objects: `VirtualService ns/name`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.namespace.is_empty() {
            write!(f, "{} {}", self.kind, self.name)
        } else {
            write!(f, "{} {}/{}", self.kind, self.namespace, self.name)
        }
    }
}

/// Something that was seen and that the conclusion rests on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// The object, as [`Origin`] prints it.
    pub object: String,
    /// Path of the field, such as `spec.http[0].route[0].destination.host`.
    pub path: String,
    /// The file; empty if the object came from a cluster.
    pub file: String,
    /// 1-based; 0 where there is no text.
    pub line: u32,
    /// 1-based; 0 where there is no text.
    pub column: u32,
    /// What stands there, in short. Never the value of a secret.
    pub text: String,
}

/// What to do about a finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fix {
    /// The change.
    pub change: Change,
    /// What may go wrong when it is made.
    pub risk: String,
}

/// A change, as exact as it can be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Edits of the object's own text; `--fix` makes them.
    Patch(Vec<Edit>),
    /// A command to type.
    Command(String),
    /// What to write, where no exact text can be given.
    Advice(String),
}

/// One edit of an object, by path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// The object, as [`Origin`] prints it.
    pub object: String,
    /// Its file.
    pub file: String,
    /// Line and column where the object begins.
    pub at: (u32, u32),
    /// The field.
    pub path: String,
    /// What happens to it.
    pub action: EditAction,
}

/// What happens to a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EditAction {
    /// The scalar gets this text.
    Set(String),
    /// The key gets this name; the value stays.
    Rename(String),
    /// The field goes, with its value.
    Remove,
}

/// A fact that a rule would have needed and did not have. It is neither zero nor absent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotObservable {
    /// What could not be seen.
    pub what: String,
    /// Why not.
    pub because: String,
}

/// One conclusion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Stable identifier: `IST…` as istioctl has it, `FM…` for our own.
    pub code: &'static str,
    /// How bad it is.
    pub level: Level,
    /// What is wrong, in one line; for `IST` codes istioctl's text.
    pub message: String,
    /// The object it is about; none where no single object is at fault.
    pub origin: Option<Origin>,
    /// What was seen.
    pub evidence: Vec<Evidence>,
    /// Why it matters, in one sentence; empty if the code's page says all.
    pub cause: String,
    /// What to do; none if the code's page says all.
    pub fix: Option<Fix>,
    /// How to check that it is gone; empty if the code's page says all.
    pub verify: String,
}

impl Finding {
    /// A finding with what every finding has; the rest is added.
    pub(crate) fn new(code: &'static str, level: Level, message: impl Into<String>) -> Self {
        Self {
            code,
            level,
            message: message.into(),
            origin: None,
            evidence: Vec::new(),
            cause: String::new(),
            fix: None,
            verify: String::new(),
        }
    }
}
