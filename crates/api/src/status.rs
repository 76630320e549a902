//! What is said of an object: the conditions in its status, and the last revision of it that resolved.

use serde_json::Value;

/// One condition of an object, without its times: who writes it knows those.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// `Live`, `Accepted`, `Quarantined`, `Resolved` or `Warning`.
    pub kind: &'static str,
    pub status: bool,
    /// One word in CamelCase.
    pub reason: String,
    pub message: String,
}

impl Condition {
    #[must_use]
    pub fn new(kind: &'static str, status: bool, reason: &str, message: impl Into<String>) -> Self {
        Self {
            kind,
            status,
            reason: reason.into(),
            message: message.into(),
        }
    }

    /// Of `wanted` proxies whose resources derive from the object, `acknowledged` have this generation.
    #[must_use]
    pub fn live(acknowledged: usize, wanted: usize) -> Self {
        let all = acknowledged >= wanted;
        let reason = if all { "Acknowledged" } else { "Pending" };
        Self::new("Live", all, reason, format!("{acknowledged}/{wanted}"))
    }

    /// The object is in force.
    #[must_use]
    pub fn accepted() -> Self {
        Self::new("Accepted", true, "Valid", "the object is valid")
    }

    /// The object is refused whole.
    #[must_use]
    pub fn quarantined(message: impl Into<String>) -> [Self; 2] {
        let message = message.into();
        [
            Self::new("Accepted", false, "Invalid", message.clone()),
            Self::new("Quarantined", true, "Invalid", message),
        ]
    }

    /// Whether everything that the object refers to exists; if not, what is missing and what is used instead.
    #[must_use]
    pub fn resolved(missing: Option<String>) -> Self {
        match missing {
            None => Self::new(
                "Resolved",
                true,
                "ReferencesResolved",
                "all references exist",
            ),
            Some(message) => Self::new("Resolved", false, "ReferencesMissing", message),
        }
    }

    /// Accepted, but probably not what was meant.
    #[must_use]
    pub fn warning(reason: &str, message: impl Into<String>) -> Self {
        Self::new("Warning", true, reason, message)
    }
}

/// A revision of an object whose references resolved.
#[derive(Debug, Clone, PartialEq)]
pub struct Revision {
    /// Of the object; another uid is another object.
    pub uid: String,
    pub generation: i64,
    /// `metadata` (name, namespace, uid, labels, annotations), `created` and `spec`.
    pub object: Value,
}
