//! Bodies by their framing.

use super::BodyLength;
use super::chunked::ChunkDecoder;
use super::error::ParseError;
use super::fields::Limits;
use crate::http::HeaderList;

/// Decodes one body.
#[derive(Debug, Default)]
pub enum BodyDecoder {
    /// The body has ended (or there is none).
    #[default]
    Done,
    Length(u64),
    Chunked(Box<ChunkDecoder>),
    UntilClose,
}

/// `used` bytes of the input were consumed, of which `data` are payload; after `end` there is no more.
#[derive(Debug)]
pub struct BodyStep {
    pub used: usize,
    pub data: std::ops::Range<usize>,
    pub end: bool,
}

impl BodyDecoder {
    #[must_use]
    pub fn new(length: BodyLength, limits: Limits) -> Self {
        match length {
            BodyLength::None | BodyLength::Length(0) => Self::Done,
            BodyLength::Length(n) => Self::Length(n),
            BodyLength::Chunked => Self::Chunked(Box::new(ChunkDecoder::new(limits))),
            BodyLength::UntilClose => Self::UntilClose,
        }
    }

    #[must_use]
    pub fn is_done(&self) -> bool {
        matches!(self, Self::Done)
    }

    /// Whether the end of the connection ends this body properly.
    #[must_use]
    pub fn ends_with_connection(&self) -> bool {
        matches!(self, Self::Done | Self::UntilClose)
    }

    /// Takes what it can of `bytes`. Trailers are stored in `trailers`.
    pub fn step(
        &mut self,
        bytes: &[u8],
        trailers: &mut Option<Box<HeaderList>>,
    ) -> Result<BodyStep, ParseError> {
        match self {
            Self::Done => Ok(BodyStep {
                used: 0,
                data: 0..0,
                end: true,
            }),
            Self::UntilClose => Ok(BodyStep {
                used: bytes.len(),
                data: 0..bytes.len(),
                end: false,
            }),
            Self::Length(remaining) => {
                let n = usize::try_from(*remaining)
                    .unwrap_or(usize::MAX)
                    .min(bytes.len());
                *remaining -= n as u64;
                let end = *remaining == 0;
                if end {
                    *self = Self::Done;
                }
                Ok(BodyStep {
                    used: n,
                    data: 0..n,
                    end,
                })
            }
            Self::Chunked(decoder) => {
                let step = decoder.step(bytes)?;
                if step.end {
                    *trailers = decoder.take_trailers();
                    *self = Self::Done;
                }
                Ok(BodyStep {
                    used: step.used,
                    data: step.data,
                    end: step.end,
                })
            }
        }
    }
}
