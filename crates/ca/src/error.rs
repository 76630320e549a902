//! Why the authority cannot do its work. No text quotes key material.

use api::store::StoreError;

/// A failure of the authority itself; a caller's fault is a `CsrError` or an `AuthError`.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CaError {
    #[error("cannot reach the authority's state: {0}")]
    Store(#[from] StoreError),
    #[error("Secret {secret}: {problem}")]
    Unusable { secret: String, problem: String },
    #[error("signing failed: {0}")]
    Crypto(String),
    #[error("a lifetime of {asked} s was asked for; at most {max} s are issued")]
    TooLong { asked: u64, max: u64 },
}

impl From<rcgen::Error> for CaError {
    fn from(error: rcgen::Error) -> Self {
        Self::Crypto(error.to_string())
    }
}
