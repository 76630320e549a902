//! Heads and bodies as bytes.

use super::BodyLength;
use crate::http::{HeaderId, HeaderList};

/// `METHOD target HTTP/1.1`.
pub fn encode_request_line(method: &[u8], target: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(method);
    out.push(b' ');
    out.extend_from_slice(target);
    out.extend_from_slice(b" HTTP/1.1\r\n");
}

/// `HTTP/1.1 status reason`; a proxy always speaks for its own version (RFC 9110 §2.5).
pub fn encode_status_line(status: u16, out: &mut Vec<u8>) {
    if status == 200 {
        out.extend_from_slice(b"HTTP/1.1 200 OK\r\n");
        return;
    }
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(itoa::Buffer::new().format(status).as_bytes());
    out.push(b' ');
    out.extend_from_slice(reason_phrase(status).as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// All fields, without the empty line; `skip` leaves fields out.
pub fn encode_fields(
    headers: &HeaderList,
    style: NameStyle,
    skip: impl Fn(HeaderId) -> bool,
    out: &mut Vec<u8>,
) {
    if style == NameStyle::Lower {
        for (id, name, value) in headers.iter() {
            if !skip(id) {
                encode_field(name, value, out);
            }
        }
        return;
    }
    for ((id, lower, _), (name, value)) in headers.iter().zip(headers.iter_cased()) {
        if skip(id) {
            continue;
        }
        let start = out.len();
        let received = name.iter().any(u8::is_ascii_uppercase);
        match style {
            NameStyle::Lower | NameStyle::Kept => encode_field(name, value, out),
            NameStyle::KeptElseProper if received => encode_field(name, value, out),
            NameStyle::Proper | NameStyle::KeptElseProper => {
                encode_field(lower, value, out);
                proper_case(&mut out[start..start + lower.len()]);
            }
        }
    }
}

/// How the names of fields are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum NameStyle {
    #[default]
    Lower,
    /// `Content-Type`
    Proper,
    /// As received; lower case for fields of our own.
    Kept,
    /// As received; proper case for fields of our own.
    KeptElseProper,
}

/// Envoy's proper case: the first letter, and each after something that is no letter or digit.
fn proper_case(name: &mut [u8]) {
    let mut start = true;
    for byte in name {
        if start {
            byte.make_ascii_uppercase();
        }
        start = !byte.is_ascii_alphanumeric();
    }
}

pub(crate) fn encode_field(name: &[u8], value: &[u8], out: &mut Vec<u8>) {
    out.reserve(name.len() + value.len() + 4);
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// Frames one body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BodyEncoder {
    /// No more bytes may follow.
    #[default]
    Done,
    /// Bytes as they are: the length was announced, or the connection's end is the body's.
    Plain,
    Chunked,
}

impl BodyEncoder {
    #[must_use]
    pub fn new(length: BodyLength) -> Self {
        match length {
            BodyLength::None => Self::Done,
            BodyLength::Length(_) | BodyLength::UntilClose => Self::Plain,
            BodyLength::Chunked => Self::Chunked,
        }
    }

    /// Adds one piece of payload.
    pub fn push(self, data: &[u8], out: &mut Vec<u8>) {
        match self {
            Self::Done => {}
            Self::Plain => out.extend_from_slice(data),
            Self::Chunked if data.is_empty() => {}
            Self::Chunked => {
                let mut digits = [0_u8; 18];
                let mut at = digits.len() - 2;
                digits[at..].copy_from_slice(b"\r\n");
                let mut n = data.len();
                while n > 0 {
                    at -= 1;
                    digits[at] = b"0123456789abcdef"[n & 15];
                    n >>= 4;
                }
                out.reserve(data.len() + 20);
                out.extend_from_slice(&digits[at..]);
                out.extend_from_slice(data);
                out.extend_from_slice(b"\r\n");
            }
        }
    }

    /// Ends the body; trailers travel only in chunked ones.
    pub fn finish(&mut self, trailers: Option<&HeaderList>, out: &mut Vec<u8>) {
        if *self == Self::Chunked {
            out.extend_from_slice(b"0\r\n");
            if let Some(trailers) = trailers {
                encode_fields(trailers, NameStyle::Lower, |_| false, out);
            }
            out.extend_from_slice(b"\r\n");
        }
        *self = Self::Done;
    }
}

/// RFC 9110 §15, with Envoy's words where they differ.
#[must_use]
pub fn reason_phrase(status: u16) -> &'static str {
    match status {
        // As Envoy has them: it knows neither RFC 2324 nor RFC 7725, nor what came after 101.
        102 | 103 | 418 | 451 => "Unknown",
        203 => "Non-Authoritative Information",
        425 => "Too Early",
        599 => "Last Unassigned Server Error Code",
        _ => ::http::StatusCode::from_u16(status)
            .ok()
            .and_then(|s| s.canonical_reason())
            .unwrap_or("Unknown"),
    }
}
