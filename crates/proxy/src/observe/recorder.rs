//! The flight recorder: the last failures that the proxy itself caused or saw, found by request id.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};

/// Failures kept; the oldest go first.
const CAPACITY: usize = 4096;

/// One failure.
#[derive(Debug, Clone, PartialEq)]
pub struct Failure {
    pub request_id: String,
    /// Milliseconds since 1970.
    pub at_ms: u64,
    pub listener: String,
    pub authority: String,
    pub method: String,
    /// Without its query, which may hold secrets.
    pub path: String,
    pub status: u16,
    pub flags: String,
    pub details: String,
    /// Stable word.
    pub cause: String,
    /// A sentence.
    pub text: String,
    pub cluster: String,
    pub upstream: String,
    pub attempts: u32,
    pub duration_ms: u64,
}

impl Failure {
    /// The form in which the admin interface shows it.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({
            "request_id": self.request_id, "at_ms": self.at_ms, "listener": self.listener,
            "authority": self.authority, "method": self.method, "path": self.path,
            "status": self.status, "response_flags": self.flags, "response_code_details": self.details,
            "cause": self.cause, "text": self.text, "cluster": self.cluster, "upstream": self.upstream,
            "attempts": self.attempts, "duration_ms": self.duration_ms,
        })
    }
}

/// A bounded record of failures.
#[derive(Debug, Default)]
pub struct Recorder(Mutex<VecDeque<Failure>>);

impl Recorder {
    /// Keeps a failure. Failures are rare: a lock is cheaper here than its absence elsewhere.
    pub fn keep(&self, failure: Failure) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() == CAPACITY {
            kept.pop_front();
        }
        kept.push_back(failure);
    }

    /// The newest failures first; `id` selects a request.
    #[must_use]
    pub fn find(&self, id: Option<&str>, limit: usize) -> Vec<Failure> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let wanted = |failure: &&Failure| id.is_none_or(|id| failure.request_id == id);
        kept.iter()
            .rev()
            .filter(wanted)
            .take(limit)
            .cloned()
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(id: usize) -> Failure {
        Failure {
            request_id: id.to_string(),
            at_ms: 0,
            listener: String::new(),
            authority: String::new(),
            method: String::new(),
            path: String::new(),
            status: 503,
            flags: "UC".into(),
            details: String::new(),
            cause: String::new(),
            text: String::new(),
            cluster: String::new(),
            upstream: String::new(),
            attempts: 1,
            duration_ms: 0,
        }
    }

    #[test]
    fn keeps_the_newest_and_finds_by_id() {
        let recorder = Recorder::default();
        (0..CAPACITY + 10).for_each(|id| recorder.keep(failure(id)));
        assert!(recorder.find(Some("5"), 10).is_empty());
        assert_eq!(recorder.find(Some("100"), 10).len(), 1);
        assert_eq!(
            recorder.find(None, 2)[0].request_id,
            (CAPACITY + 9).to_string()
        );
    }
}
