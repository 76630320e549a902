//! Messages as everything above the codecs sees them, and what is done to each.

pub(crate) mod buf;
pub(crate) mod h1conn;
pub(crate) mod h2ping;
pub(crate) mod h2stream;
pub(crate) mod hcm;
mod head;
mod header_id;
mod headers;
pub(crate) mod router;
pub(crate) mod stream;
pub(crate) mod timer;
pub(crate) mod transport;

pub(crate) use head::has_token;
pub use head::{RequestHead, ResponseHead, Scheme, Version};
pub use header_id::HeaderId;
pub use headers::{HeaderList, Span};

/// The cause that a refused message leaves behind.
pub(crate) fn cause_of(error: &crate::codec::h1::ParseError) -> crate::observe::record::Cause {
    crate::observe::record::Cause {
        code: error.fault.code(),
        text: error.to_string().into(),
    }
}
