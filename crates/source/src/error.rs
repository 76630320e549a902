//! What a failed call means to the caller.

use api::store::StoreError;
use kube::core::Status;

/// Sorts an error of `kube` by what can be done about it.
pub(crate) fn store_error(error: kube::Error) -> StoreError {
    match error {
        kube::Error::Api(status) => from_status(&status),
        kube::Error::SerdeError(e) => StoreError::Unavailable(format!("unreadable answer: {e}")),
        kube::Error::BuildRequest(e) => StoreError::Refused {
            code: 400,
            message: e.to_string(),
        },
        other => StoreError::Unavailable(with_sources(&other)),
    }
}

/// The error and what caused it: `kube` and `hyper` keep the reason ("connection refused") in the sources.
fn with_sources(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

pub(crate) fn from_status(status: &Status) -> StoreError {
    let message = if status.message.is_empty() {
        format!("{} {}", status.code, status.reason)
    } else {
        status.message.clone()
    };
    match (status.code, status.reason.as_str()) {
        (404, _) => StoreError::NotFound(message.trim_end_matches(" not found").into()),
        (409, "AlreadyExists") => {
            StoreError::AlreadyExists(message.trim_end_matches(" already exists").into())
        }
        (409, _) => StoreError::Conflict(message),
        (408 | 429 | 500 | 502..=504, _) => StoreError::Unavailable(message),
        (code, _) => StoreError::Refused { code, message },
    }
}

/// Whether a watch must start over with a list: its resourceVersion is too old, or unknown.
pub(crate) fn is_gone(status: &Status) -> bool {
    status.code == 410 || matches!(status.reason.as_str(), "Expired" | "Gone")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(code: u16, reason: &str, message: &str) -> StoreError {
        store_error(kube::Error::Api(Box::new(Status {
            code,
            reason: reason.into(),
            message: message.into(),
            ..Status::default()
        })))
    }

    #[test]
    fn statuses_are_sorted_by_what_the_caller_can_do() {
        assert!(matches!(
            status(404, "NotFound", "pods \"a\" not found"),
            StoreError::NotFound(m) if m == "pods \"a\""
        ));
        assert!(matches!(
            status(409, "AlreadyExists", "pods \"a\" already exists"),
            StoreError::AlreadyExists(m) if m == "pods \"a\""
        ));
        assert!(matches!(
            status(409, "Conflict", "old"),
            StoreError::Conflict(_)
        ));
        assert!(matches!(
            status(422, "Invalid", "spec.replicas"),
            StoreError::Refused { code: 422, .. }
        ));
        assert!(matches!(
            status(403, "Forbidden", "no"),
            StoreError::Refused { code: 403, .. }
        ));
        for code in [408, 429, 500, 502, 503, 504] {
            assert!(status(code, "", "later").retryable(), "{code}");
        }
    }
}
