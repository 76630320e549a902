//! Header and trailer lines: found, checked and stored one line at a time.

use super::error::{Fault, ParseError};
use super::tables::{TOKEN_LOWER, is_value_byte};
use crate::http::{HeaderId, HeaderList};

/// Bounds of one header section.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the start line and all header lines.
    pub bytes: usize,
    /// Number of header lines.
    pub fields: usize,
}

impl Default for Limits {
    /// Envoy's defaults: 60 KiB, 100 headers.
    fn default() -> Self {
        Self {
            bytes: 60 * 1024,
            fields: 100,
        }
    }
}

/// Whether names are kept as received beside their lower-case form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum NameCase {
    #[default]
    Lower,
    Keep,
}

/// Finds complete lines in a growing buffer and looks at each byte once.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Lines {
    /// Where the current line begins.
    pub(super) start: usize,
    /// Up to where no LF was found.
    scanned: usize,
}

impl Lines {
    /// The next line without its CRLF, as a range of `bytes`.
    pub(super) fn next(
        &mut self,
        bytes: &[u8],
    ) -> Result<Option<std::ops::Range<usize>>, ParseError> {
        let Some(found) = memchr::memchr(b'\n', &bytes[self.scanned..]) else {
            self.scanned = bytes.len();
            return Ok(None);
        };
        let lf = self.scanned + found;
        if lf == self.start || bytes[lf - 1] != b'\r' {
            return Err(ParseError::at(Fault::BareLf, bytes, lf));
        }
        let line = self.start..lf - 1;
        self.start = lf + 1;
        self.scanned = lf + 1;
        Ok(Some(line))
    }
}

/// Checks one header line and stores it.
pub(super) fn push_line(
    bytes: &[u8],
    line: std::ops::Range<usize>,
    case: NameCase,
    headers: &mut HeaderList,
) -> Result<HeaderId, ParseError> {
    let (start, end) = (line.start, line.end);
    if matches!(bytes[start], b' ' | b'\t') {
        // RFC 9112 §5.2: a proxy refuses obs-fold or rewrites it; whoever rewrites trusts the sender's framing.
        return Err(ParseError::at(Fault::ObsFold, bytes, start));
    }
    let buffer = headers.bytes_mut();
    let name_start = buffer.len();
    let mut at = start;
    let mut capitals = false;
    loop {
        let Some(byte) = bytes[..end].get(at).copied() else {
            buffer.truncate(name_start);
            return Err(ParseError::new(Fault::MissingColon, at));
        };
        if byte == b':' {
            break;
        }
        let lower = TOKEN_LOWER[usize::from(byte)];
        if lower == 0 {
            buffer.truncate(name_start);
            return Err(name_error(bytes, at, end));
        }
        capitals |= lower != byte;
        buffer.push(lower);
        at += 1;
    }
    let name_end = buffer.len();
    if name_start == name_end {
        return Err(ParseError::at(Fault::EmptyHeaderName, bytes, at));
    }
    if name_end - name_start > usize::from(u16::MAX) {
        return Err(ParseError::new(Fault::HeadTooLarge, start));
    }
    let cased = (capitals && case == NameCase::Keep).then(|| {
        buffer.extend_from_slice(&bytes[start..at]);
        name_end
    });
    let value = trim(bytes, at + 1..end);
    if let Some(bad) = bytes[value.clone()].iter().position(|b| !is_value_byte(*b)) {
        let offset = value.start + bad;
        return Err(ParseError::at(value_fault(bytes[offset]), bytes, offset));
    }
    let value_start = buffer.len();
    buffer.extend_from_slice(&bytes[value]);
    let value_end = buffer.len();
    Ok(headers.push_raw(name_start..name_end, value_start..value_end, cased))
}

fn value_fault(byte: u8) -> Fault {
    match byte {
        0 => Fault::Nul,
        b'\r' => Fault::BareCr,
        _ => Fault::ControlByte,
    }
}

fn name_error(bytes: &[u8], at: usize, end: usize) -> ParseError {
    let blank = |b: &u8| matches!(b, b' ' | b'\t');
    let rest = &bytes[at..end];
    let after = rest.iter().position(|b| !blank(b));
    let fault = match (bytes[at], after) {
        (b'\r', _) => Fault::BareCr,
        (b' ' | b'\t', Some(n)) if rest[n] == b':' => Fault::SpaceBeforeColon,
        (b' ' | b'\t', None) => Fault::MissingColon,
        _ => Fault::HeaderNameByte,
    };
    ParseError::at(fault, bytes, at)
}

fn trim(bytes: &[u8], range: std::ops::Range<usize>) -> std::ops::Range<usize> {
    let (mut start, mut end) = (range.start, range.end);
    while start < end && matches!(bytes[start], b' ' | b'\t') {
        start += 1;
    }
    while end > start && matches!(bytes[end - 1], b' ' | b'\t') {
        end -= 1;
    }
    start..end
}

/// The framing fields of a message, gathered while its lines are read.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Framing {
    pub(super) content_length: Option<u64>,
    pub(super) chunked: bool,
    pub(super) fields: usize,
    /// Where the first of the two stands, for error reports.
    at: usize,
}

impl Framing {
    /// Chunked, or a length other than zero.
    pub(super) fn announces_body(&self) -> bool {
        self.chunked || self.content_length.is_some_and(|length| length > 0)
    }

    pub(super) fn on_field(
        &mut self,
        id: HeaderId,
        headers: &HeaderList,
        line_start: usize,
        limits: Limits,
    ) -> Result<(), ParseError> {
        self.fields += 1;
        if self.fields > limits.fields {
            return Err(ParseError::new(Fault::TooManyHeaders, line_start));
        }
        match id {
            HeaderId::ContentLength => {
                let value = headers.all_id(id).last().unwrap_or_default();
                if self.content_length.is_some() {
                    // RFC 9112 §6.3: differing values are an attack; Envoy refuses equal ones, too.
                    return Err(ParseError::new(Fault::ContentLengthConflict, line_start));
                }
                let length = content_length(value)
                    .ok_or(ParseError::new(Fault::ContentLength, line_start))?;
                self.content_length = Some(length);
                self.at = line_start;
            }
            HeaderId::TransferEncoding => {
                let value = headers.all_id(id).last().unwrap_or_default();
                if self.chunked || !value.eq_ignore_ascii_case(b"chunked") {
                    return Err(ParseError::new(Fault::TransferEncoding, line_start));
                }
                self.chunked = true;
                self.at = line_start;
            }
            _ => return Ok(()),
        }
        if self.chunked && self.content_length.is_some() {
            // RFC 9112 §6.3: such a message is refused or its content-length dropped; dropping trusts the next hop.
            return Err(ParseError::new(Fault::ContentLengthAndChunked, line_start));
        }
        Ok(())
    }
}

/// 1*DIGIT that fits in 63 bits; nothing else (no sign, no list, no white space).
fn content_length(value: &[u8]) -> Option<u64> {
    if value.is_empty() || value.len() > 19 {
        return None;
    }
    value.iter().try_fold(0_u64, |sum, byte| {
        byte.is_ascii_digit()
            .then(|| sum * 10 + u64::from(byte - b'0'))
    })
}
