//! Response heads (RFC 9112 §4, §6.3).

use super::error::{Fault, ParseError};
use super::fields::{Framing, Limits, Lines, NameCase, push_line};
use super::{BodyLength, Progress};
use crate::http::{ResponseHead, Version};

/// An incremental parser of response heads.
#[derive(Debug, Default)]
pub struct ResponseParser {
    limits: Limits,
    keep_case: bool,
    lines: Lines,
    started: bool,
    framing: Framing,
}

impl ResponseParser {
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            ..Self::default()
        }
    }

    /// Names are kept as received beside their lower-case form.
    #[must_use]
    pub fn keep_case(mut self, keep: bool) -> Self {
        self.keep_case = keep;
        self
    }

    /// Reads on in `bytes`, which begin with the same bytes as at the last call. `head.body` is the framing that the
    /// fields ask for; [`ResponseParser::body_for`] adds what the request's method says.
    pub fn parse(&mut self, bytes: &[u8], head: &mut ResponseHead) -> Result<Progress, ParseError> {
        let result = self.advance(bytes, head);
        if !matches!(result, Ok(Progress::Partial)) {
            *self = Self {
                limits: self.limits,
                keep_case: self.keep_case,
                ..Self::default()
            };
        }
        result
    }

    fn advance(&mut self, bytes: &[u8], head: &mut ResponseHead) -> Result<Progress, ParseError> {
        let too_large = ParseError::new(Fault::HeadTooLarge, self.limits.bytes);
        loop {
            let Some(line) = self.lines.next(bytes)? else {
                if bytes.len() > self.limits.bytes {
                    return Err(too_large);
                }
                let known = bytes.len().min(5);
                if !self.started && bytes[..known] != b"HTTP/"[..known] {
                    let at = bytes
                        .iter()
                        .zip(b"HTTP/")
                        .take_while(|(a, b)| a == b)
                        .count();
                    return Err(ParseError::at(Fault::StatusLine, bytes, at));
                }
                return Ok(Progress::Partial);
            };
            if line.end > self.limits.bytes {
                return Err(too_large);
            }
            if !self.started {
                head.clear();
                status_line(bytes, line, head)?;
                self.started = true;
            } else if line.is_empty() {
                if matches!(head.status, 100..=199 | 204)
                    && head.status != 101
                    && self.framing.announces_body()
                {
                    // RFC 9110 §8.6, RFC 9112 §6.1: such a response has no body and must not announce one.
                    return Err(ParseError::new(Fault::UnexpectedBody, line.start));
                }
                head.body = self.framing(head);
                return Ok(Progress::Complete(self.lines.start));
            } else {
                let case = if self.keep_case {
                    NameCase::Keep
                } else {
                    NameCase::Lower
                };
                let id = push_line(bytes, line.clone(), case, &mut head.headers)?;
                self.framing
                    .on_field(id, &head.headers, line.start, self.limits)?;
            }
        }
    }

    fn framing(&self, head: &ResponseHead) -> BodyLength {
        match (self.framing.chunked, self.framing.content_length) {
            _ if matches!(head.status, 100..=199 | 204 | 304) => BodyLength::None,
            (true, _) => BodyLength::Chunked,
            (false, Some(0)) => BodyLength::None,
            (false, Some(n)) => BodyLength::Length(n),
            (false, None) => BodyLength::UntilClose,
        }
    }

    /// The framing of a response to `method` (RFC 9112 §6.3).
    #[must_use]
    pub fn body_for(method: &[u8], head: &ResponseHead) -> BodyLength {
        if method == b"HEAD" || (method == b"CONNECT" && (200..300).contains(&head.status)) {
            return BodyLength::None;
        }
        head.body
    }
}

fn status_line(
    bytes: &[u8],
    line: std::ops::Range<usize>,
    head: &mut ResponseHead,
) -> Result<(), ParseError> {
    let text = &bytes[line.clone()];
    head.version = match text.get(..9) {
        Some(b"HTTP/1.1 ") => Version::Http11,
        Some(b"HTTP/1.0 ") => Version::Http10,
        _ => {
            let good = b"HTTP/1.1 "
                .iter()
                .zip(text)
                .take_while(|(a, b)| a == b)
                .count();
            return Err(ParseError::at(Fault::StatusLine, bytes, line.start + good));
        }
    };
    let code = match text.get(9..12) {
        Some(&[a @ b'1'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9']) => {
            u16::from(a - b'0') * 100 + u16::from(b - b'0') * 10 + u16::from(c - b'0')
        }
        _ => return Err(ParseError::at(Fault::StatusLine, bytes, line.start + 9)),
    };
    match text.get(12) {
        None | Some(b' ') => {}
        Some(_) => return Err(ParseError::at(Fault::StatusLine, bytes, line.start + 12)),
    }
    let control = |b: &u8| *b < 0x20 && *b != b'\t' || *b == 0x7f;
    if let Some(bad) = text[12..].iter().position(control) {
        return Err(ParseError::at(
            Fault::StatusLine,
            bytes,
            line.start + 12 + bad,
        ));
    }
    head.status = code;
    Ok(())
}
