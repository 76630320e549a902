//! How large an object may become, however it came to be: bodies are bounded when they are read, but patches make more
//! of little.

use serde_json::Value;

use crate::error::{ApiError, ApiResult};

/// Nesting of an object. What is stored is read again by serde_json, here and in clients, there inside of lists and watch
/// events; it gives up beyond 127.
pub(crate) const MAX_DEPTH: usize = 100;
/// Bytes of an object as JSON: kube-apiserver's bound on a body.
pub(crate) const MAX_BYTES: usize = 3 * 1024 * 1024;

/// The size of a value.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Measure {
    /// Containers in each other; 0 for a scalar.
    pub(crate) depth: usize,
    /// About the length of its JSON, without escapes.
    pub(crate) bytes: usize,
}

impl Measure {
    pub(crate) fn of(value: &Value) -> Self {
        const NUMBER: usize = 8;
        match value {
            Value::Null | Value::Bool(_) => Self { depth: 0, bytes: 5 },
            Value::Number(_) => Self {
                depth: 0,
                bytes: NUMBER,
            },
            Value::String(text) => Self {
                depth: 0,
                bytes: text.len() + 2,
            },
            Value::Array(list) => list.iter().map(Self::of).fold(EMPTY, Self::holding),
            Value::Object(map) => {
                let keys: usize = map.keys().map(|key| key.len() + 3).sum();
                let mut all = map.values().map(Self::of).fold(EMPTY, Self::holding);
                all.bytes += keys;
                all
            }
        }
    }

    fn holding(self, inner: Self) -> Self {
        Self {
            depth: self.depth.max(inner.depth + 1),
            bytes: self.bytes + inner.bytes + 1,
        }
    }
}

/// An empty container.
const EMPTY: Measure = Measure { depth: 1, bytes: 2 };

/// Refuses an object that cannot be stored.
pub(crate) fn check(object: &Value) -> ApiResult<()> {
    let Measure { depth, bytes } = Measure::of(object);
    if bytes > MAX_BYTES {
        return Err(ApiError::too_large());
    }
    check_depth(depth)
}

pub(crate) fn check_depth(depth: usize) -> ApiResult<()> {
    if depth > MAX_DEPTH {
        return Err(ApiError::bad_request(format!(
            "the object is nested {depth} deep; at most {MAX_DEPTH} are stored"
        )));
    }
    Ok(())
}
