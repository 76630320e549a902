//! Messages as everything above the codecs sees them, and what is done to each.

mod head;
mod header_id;
mod headers;

pub use head::{RequestHead, ResponseHead, Scheme, Version};
pub(crate) use head::{has_token, is_grpc_content_type};
pub use header_id::HeaderId;
pub use headers::{HeaderList, Span};
