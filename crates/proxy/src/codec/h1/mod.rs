//! HTTP/1.0 and 1.1 for both directions: bytes in, messages out, strict where leniency would let two parsers disagree.
//!
//! Parsers are incremental: they take the unread bytes, say how many they used, and never look at a byte twice once
//! its line is complete. Nothing here reads a socket or a clock.

mod body;
mod chunked;
mod encode;
mod error;
mod fields;
mod request;
mod response;
mod tables;
#[cfg(test)]
mod tests;

pub use body::{BodyDecoder, BodyStep};
pub use chunked::ChunkDecoder;
pub use encode::{
    BodyEncoder, NameStyle, encode_fields, encode_request_line, encode_status_line, reason_phrase,
};
pub use error::{Fault, ParseError};
pub use fields::{Limits, NameCase};
pub use request::{Leniency, RequestParser};
pub use response::ResponseParser;

/// How the body of a message ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BodyLength {
    /// No body.
    #[default]
    None,
    /// So many bytes (RFC 9112 §6.2).
    Length(u64),
    /// Chunked (RFC 9112 §7.1).
    Chunked,
    /// Until the connection closes: HTTP/1.0 style responses and tunnels.
    UntilClose,
}

/// The result of offering bytes to a head parser.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// More bytes are needed.
    Partial,
    /// The head is complete and took so many bytes.
    Complete(usize),
}
