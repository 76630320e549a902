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

/// Entry points for fuzzing: they must return whatever the bytes are.
pub mod fuzz {
    use super::{ChunkDecoder, Limits, Progress, RequestParser, ResponseParser};
    use crate::http::{RequestHead, ResponseHead};

    /// Parses `data` as a request head, cut at every point that `splits` names.
    pub fn request(data: &[u8], splits: &[usize]) -> Result<Option<usize>, super::ParseError> {
        let mut parser = RequestParser::new(Limits::default());
        let mut head = RequestHead::default();
        for end in splits
            .iter()
            .copied()
            .filter(|at| *at < data.len())
            .chain([data.len()])
        {
            if let Progress::Complete(used) = parser.parse(&data[..end], &mut head)? {
                return Ok(Some(used));
            }
        }
        Ok(None)
    }

    /// Parses `data` as a response head.
    pub fn response(data: &[u8]) -> Result<Option<usize>, super::ParseError> {
        let mut head = ResponseHead::default();
        match ResponseParser::new(Limits::default()).parse(data, &mut head)? {
            Progress::Complete(used) => Ok(Some(used)),
            Progress::Partial => Ok(None),
        }
    }

    /// Decodes `data` as a chunked body; returns the payload's length.
    pub fn chunked(data: &[u8]) -> Result<u64, super::ParseError> {
        let mut decoder = ChunkDecoder::new(Limits::default());
        let (mut at, mut payload) = (0, 0_u64);
        loop {
            let step = decoder.step(&data[at..])?;
            payload += step.data.len() as u64;
            if step.used == 0 || step.end {
                return Ok(payload);
            }
            at += step.used;
        }
    }
}
