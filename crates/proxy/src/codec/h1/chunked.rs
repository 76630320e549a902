//! The chunked transfer coding (RFC 9112 §7.1), trailers included.

use super::error::{Fault, ParseError};
use super::fields::{Limits, NameCase, push_line};
use crate::http::HeaderList;

/// Chunk extensions carry nothing that a proxy needs; a sender gets this many bytes of them per body.
const MAX_EXTENSIONS: u32 = 16 * 1024;
const MAX_SIZE_DIGITS: u8 = 15;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Size { digits: u8 },
    Extension,
    SizeLf,
    Data,
    DataCr,
    DataLf,
    Trailers,
    End,
}

/// Decodes one chunked body.
#[derive(Debug)]
pub struct ChunkDecoder {
    limits: Limits,
    state: State,
    remaining: u64,
    extensions: u32,
    /// Bytes consumed of the whole body: the offset in error reports.
    consumed: u64,
    line: Vec<u8>,
    trailer_bytes: usize,
    trailers: Option<Box<HeaderList>>,
}

/// What one step found: `used` bytes were consumed, of which `data` are payload.
#[derive(Debug)]
pub struct Step {
    pub used: usize,
    pub data: std::ops::Range<usize>,
    pub end: bool,
}

impl ChunkDecoder {
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            state: State::Size { digits: 0 },
            remaining: 0,
            extensions: 0,
            consumed: 0,
            line: Vec::new(),
            trailer_bytes: 0,
            trailers: None,
        }
    }

    /// The trailers received, once the body has ended.
    pub fn take_trailers(&mut self) -> Option<Box<HeaderList>> {
        self.trailers.take()
    }

    /// Consumes framing up to and including the next piece of payload, or all of `bytes`.
    pub fn step(&mut self, bytes: &[u8]) -> Result<Step, ParseError> {
        let mut at = 0;
        while at < bytes.len() && self.state != State::End {
            if self.state == State::Data {
                let n = usize::try_from(self.remaining)
                    .unwrap_or(usize::MAX)
                    .min(bytes.len() - at);
                self.remaining -= n as u64;
                if self.remaining == 0 {
                    self.state = State::DataCr;
                }
                self.consumed += (at + n) as u64;
                return Ok(Step {
                    used: at + n,
                    data: at..at + n,
                    end: false,
                });
            }
            self.framing_byte(bytes[at]).map_err(|fault| ParseError {
                fault,
                offset: self.consumed + at as u64,
                byte: Some(bytes[at]),
            })?;
            at += 1;
        }
        self.consumed += at as u64;
        Ok(Step {
            used: at,
            data: at..at,
            end: self.state == State::End,
        })
    }

    fn framing_byte(&mut self, byte: u8) -> Result<(), Fault> {
        self.state = match (self.state, byte) {
            (State::Size { digits }, byte) if byte.is_ascii_hexdigit() => {
                if digits == MAX_SIZE_DIGITS {
                    return Err(Fault::ChunkSize);
                }
                let value = (byte as char).to_digit(16).map_or(0, u64::from);
                self.remaining = self.remaining << 4 | value;
                State::Size { digits: digits + 1 }
            }
            (State::Size { digits: 1.. }, b'\r') => State::SizeLf,
            (State::Size { digits: 1.. }, b';' | b' ' | b'\t') => State::Extension,
            (State::Size { .. }, _) => return Err(Fault::ChunkSize),
            (State::Extension, b'\r') => State::SizeLf,
            (State::Extension, b'\n') => return Err(Fault::BareLf),
            (State::Extension, byte) => {
                self.extensions += 1;
                if self.extensions > MAX_EXTENSIONS
                    || (byte < 0x20 && byte != b'\t')
                    || byte == 0x7f
                {
                    return Err(Fault::ChunkExtension);
                }
                State::Extension
            }
            (State::SizeLf, b'\n') if self.remaining == 0 => State::Trailers,
            (State::SizeLf, b'\n') => State::Data,
            (State::SizeLf, _) => return Err(Fault::BareCr),
            (State::DataCr, b'\r') => State::DataLf,
            (State::DataLf, b'\n') => State::Size { digits: 0 },
            (State::DataCr | State::DataLf, _) => return Err(Fault::ChunkEnd),
            (State::Trailers, byte) => return self.trailer_byte(byte),
            (State::Data | State::End, _) => State::End,
        };
        Ok(())
    }

    fn trailer_byte(&mut self, byte: u8) -> Result<(), Fault> {
        self.trailer_bytes += 1;
        if self.trailer_bytes > self.limits.bytes {
            return Err(Fault::TrailersTooLarge);
        }
        if byte != b'\n' {
            self.line.push(byte);
            return Ok(());
        }
        if self.line.pop() != Some(b'\r') {
            return Err(Fault::BareLf);
        }
        if self.line.is_empty() {
            self.state = State::End;
            return Ok(());
        }
        let line = std::mem::take(&mut self.line);
        let trailers = self.trailers.get_or_insert_default();
        if trailers.len() >= self.limits.fields {
            return Err(Fault::TooManyTrailers);
        }
        push_line(&line, 0..line.len(), NameCase::Lower, trailers).map_err(|error| error.fault)?;
        Ok(())
    }
}
