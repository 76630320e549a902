//! Request heads (RFC 9112 §3, §5).

use super::error::{Fault, ParseError};
use super::fields::{Framing, Limits, Lines, NameCase, push_line};
use super::tables::{TOKEN_LOWER, is_authority_byte, is_known_method, is_target_byte};
use super::{BodyLength, Progress};
use crate::http::{HeaderId, RequestHead, Version};

/// What a listener's configuration lets through that is refused by default.
#[derive(Debug, Clone, Copy, Default)]
pub struct Leniency {
    /// Envoy's `accept_http_10`.
    pub http10: bool,
    /// Envoy's `allow_custom_methods`.
    pub custom_methods: bool,
    /// Envoy's `PreserveCase` header format.
    pub keep_case: bool,
}

/// An incremental parser of one request head after another.
#[derive(Debug, Default)]
pub struct RequestParser {
    limits: Limits,
    leniency: Leniency,
    lines: Lines,
    start_line: Option<StartLine>,
    framing: Framing,
    hosts: usize,
}

#[derive(Debug, Clone, Copy)]
struct StartLine {
    absolute: bool,
}

impl RequestParser {
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            ..Self::default()
        }
    }

    #[must_use]
    pub fn with_leniency(limits: Limits, leniency: Leniency) -> Self {
        Self {
            limits,
            leniency,
            ..Self::default()
        }
    }

    /// Reads on in `bytes`, which begin with the same bytes as at the last call. After `Complete` or an error the
    /// parser is ready for the next message.
    pub fn parse(&mut self, bytes: &[u8], head: &mut RequestHead) -> Result<Progress, ParseError> {
        let result = self.advance(bytes, head);
        if !matches!(result, Ok(Progress::Partial)) {
            *self = Self::with_leniency(self.limits, self.leniency);
        }
        result
    }

    /// Whether bytes of the current message were seen.
    #[must_use]
    pub fn in_message(&self) -> bool {
        self.start_line.is_some() || self.lines.start > 0
    }

    fn advance(&mut self, bytes: &[u8], head: &mut RequestHead) -> Result<Progress, ParseError> {
        loop {
            let Some(line) = self.lines.next(bytes)? else {
                return self.check_partial(bytes, head);
            };
            if line.start > self.limits.bytes || line.end > self.limits.bytes {
                self.note_start(bytes, head);
                return Err(ParseError::new(Fault::HeadTooLarge, self.limits.bytes));
            }
            match self.start_line {
                // RFC 9112 §2.2: empty lines before a request line are ignored; two at most.
                None if line.is_empty() && line.start < 4 => {}
                None => {
                    head.clear();
                    self.start_line = Some(self.start_line(bytes, line, head)?);
                }
                Some(start) if line.is_empty() => {
                    self.finish(start, head, line.start)?;
                    return Ok(Progress::Complete(self.lines.start));
                }
                Some(_) => {
                    let case = if self.leniency.keep_case {
                        NameCase::Keep
                    } else {
                        NameCase::Lower
                    };
                    let id = push_line(bytes, line.clone(), case, &mut head.headers)?;
                    self.framing
                        .on_field(id, &head.headers, line.start, self.limits)?;
                    if id == HeaderId::Host {
                        self.hosts += 1;
                        if self.hosts > 1 {
                            // RFC 9112 §3.2: more than one Host is answered with 400.
                            return Err(ParseError::new(Fault::HostConflict, line.start));
                        }
                    }
                }
            }
        }
    }

    fn note_start(&self, _bytes: &[u8], head: &mut RequestHead) {
        if self.start_line.is_none() {
            head.clear();
        }
    }

    /// A head that is not complete may be known to be wrong: too long, or no HTTP at all.
    fn check_partial(&self, bytes: &[u8], head: &mut RequestHead) -> Result<Progress, ParseError> {
        if bytes.len() > self.limits.bytes {
            self.note_start(bytes, head);
            return Err(ParseError::new(Fault::HeadTooLarge, self.limits.bytes));
        }
        if self.start_line.is_none() {
            let start = self.lines.start;
            for (at, byte) in bytes.iter().enumerate().skip(start).take(20) {
                match byte {
                    b' ' if at > start => break,
                    b'\r' if at == start => break,
                    _ if TOKEN_LOWER[usize::from(*byte)] == 0 => {
                        return Err(ParseError::at(Fault::MethodByte, bytes, at));
                    }
                    _ => {}
                }
            }
        }
        Ok(Progress::Partial)
    }

    fn start_line(
        &self,
        bytes: &[u8],
        line: std::ops::Range<usize>,
        head: &mut RequestHead,
    ) -> Result<StartLine, ParseError> {
        let text = &bytes[line.clone()];
        let method_end = text
            .iter()
            .position(|b| TOKEN_LOWER[usize::from(*b)] == 0)
            .unwrap_or(text.len());
        if method_end == 0 || text.get(method_end).is_some_and(|b| *b != b' ') {
            return Err(ParseError::at(
                Fault::MethodByte,
                bytes,
                line.start + method_end,
            ));
        }
        let method = &text[..method_end];
        if !self.leniency.custom_methods && !is_known_method(method) {
            return Err(ParseError::at(Fault::UnknownMethod, bytes, line.start));
        }
        head.set_method(method);
        let rest = text.get(method_end + 1..).unwrap_or_default();
        let rest_at = line.start + method_end + 1;
        let target_len = rest
            .iter()
            .position(|b| !is_target_byte(*b))
            .unwrap_or(rest.len());
        let target = &rest[..target_len];
        match rest.get(target_len) {
            Some(byte @ 0x80..) => {
                let offset = (rest_at + target_len) as u64;
                return Err(ParseError {
                    fault: Fault::TargetHighByte,
                    offset,
                    byte: Some(*byte),
                });
            }
            None => return Err(ParseError::new(Fault::VersionUnsupported, line.end)), // HTTP/0.9
            Some(b' ') if target_len > 0 => {}
            Some(_) => {
                return Err(ParseError::at(
                    Fault::TargetByte,
                    bytes,
                    rest_at + target_len,
                ));
            }
        }
        head.version = version(bytes, rest_at + target_len + 1..line.end)?;
        if head.version == Version::Http10 && !self.leniency.http10 {
            return Err(ParseError::new(
                Fault::VersionUnsupported,
                rest_at + target_len + 1,
            ));
        }
        let absolute =
            split_target(target, head).map_err(|fault| ParseError::new(fault, rest_at))?;
        Ok(StartLine { absolute })
    }

    fn finish(
        &self,
        start: StartLine,
        head: &mut RequestHead,
        end: usize,
    ) -> Result<(), ParseError> {
        if head.version == Version::Http10 && self.framing.chunked {
            // RFC 9112 §6.1: HTTP/1.0 with Transfer-Encoding is faulty framing.
            return Err(ParseError::new(Fault::TransferEncodingInHttp10, end));
        }
        if start.absolute || head.is_connect() {
            // RFC 9112 §3.2.2: the target's authority counts, whatever Host says.
            head.headers.remove_id(HeaderId::Host);
        } else {
            head.authority_from_host();
        }
        if let Some(bad) = head.authority().iter().position(|b| !is_authority_byte(*b)) {
            return Err(ParseError {
                fault: Fault::Host,
                offset: end as u64,
                byte: head.authority().get(bad).copied(),
            });
        }
        head.host_present = start.absolute || head.is_connect() || self.hosts > 0;
        head.body = match (self.framing.chunked, self.framing.content_length) {
            (true, _) => BodyLength::Chunked,
            (false, Some(0) | None) => BodyLength::None,
            (false, Some(n)) => BodyLength::Length(n),
        };
        Ok(())
    }
}

/// `HTTP/1.0` or `HTTP/1.1`.
fn version(bytes: &[u8], range: std::ops::Range<usize>) -> Result<Version, ParseError> {
    match &bytes[range.clone()] {
        b"HTTP/1.1" => Ok(Version::Http11),
        b"HTTP/1.0" => Ok(Version::Http10),
        [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
            if major.is_ascii_digit() && minor.is_ascii_digit() =>
        {
            Err(ParseError::at(
                Fault::VersionUnsupported,
                bytes,
                range.start + 5,
            ))
        }
        [] => Err(ParseError::new(Fault::VersionUnsupported, range.start)),
        text => {
            let good = b"HTTP/1."
                .iter()
                .zip(text)
                .take_while(|(a, b)| a == b)
                .count();
            let fault = if text.get(good) == Some(&b'\r') {
                Fault::BareCr
            } else {
                Fault::Version
            };
            Err(ParseError::at(fault, bytes, range.start + good))
        }
    }
}

/// Takes the target apart; says whether it named the authority itself (RFC 9112 §3.2).
fn split_target(target: &[u8], head: &mut RequestHead) -> Result<bool, Fault> {
    if head.is_connect() {
        // authority-form
        let colon = target
            .iter()
            .rposition(|b| *b == b':')
            .ok_or(Fault::TargetForm)?;
        let port = &target[colon + 1..];
        if colon == 0 || port.is_empty() || port.len() > 5 || !port.iter().all(u8::is_ascii_digit) {
            return Err(Fault::TargetForm);
        }
        head.set_authority(target);
        head.set_path(b"");
        return Ok(true);
    }
    match target {
        [b'/', ..] => head.set_path(target),
        b"*" if head.method() == b"OPTIONS" => head.set_path(target),
        b"*" => return Err(Fault::TargetForm),
        _ => return absolute_form(target, head).map(|()| true),
    }
    Ok(false)
}

fn absolute_form(target: &[u8], head: &mut RequestHead) -> Result<(), Fault> {
    let scheme_end = memchr::memmem::find(target, b"://").ok_or(Fault::TargetRelative)?;
    let scheme = &target[..scheme_end];
    if !scheme.eq_ignore_ascii_case(b"http") && !scheme.eq_ignore_ascii_case(b"https") {
        return Err(Fault::Scheme);
    }
    let rest = &target[scheme_end + 3..];
    let authority_end = rest
        .iter()
        .position(|b| matches!(b, b'/' | b'?' | b'#'))
        .unwrap_or(rest.len());
    if authority_end == 0 || rest[..authority_end].contains(&b'@') {
        return Err(Fault::TargetForm);
    }
    head.set_authority(&rest[..authority_end]);
    match rest.get(authority_end) {
        None => head.set_path(b"/"),
        Some(b'/') => head.set_path(&rest[authority_end..]),
        Some(_) => {
            let mut path = vec![b'/'];
            path.extend_from_slice(&rest[authority_end..]);
            head.set_path(&path);
        }
    }
    Ok(())
}
