//! One exchange's view of its connection: the same for HTTP/1 and HTTP/2, for the downstream and the upstream side.

use std::io;
use std::task::{Context, Poll, ready};

use super::h1conn::H1Conn;
use super::h2stream::H2Stream;
use super::{HeaderList, Version};
use crate::codec::h1::ParseError;

/// What [`Stream::poll_fill`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fill {
    /// Bytes are available.
    Data,
    /// The body has ended.
    End,
}

/// Why a stream broke.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StreamError {
    /// The peer closed the connection where a message could end.
    Closed,
    /// The peer closed or cut the connection in the middle of a message.
    Truncated(ParseError),
    /// The connection was reset.
    ConnectionReset,
    /// The peer broke the protocol.
    Malformed(ParseError),
    /// RST_STREAM, with its code.
    StreamReset(h2::Reason),
    /// The peer refused the stream without looking at it: it may be sent again (RFC 9113 §8.7).
    Refused,
    /// GOAWAY, or the HTTP/2 connection broke.
    Http2(Box<str>),
    Io(io::ErrorKind),
}

impl StreamError {
    #[must_use]
    pub fn io(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::ConnectionReset
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::ConnectionAborted => Self::ConnectionReset,
            io::ErrorKind::UnexpectedEof => Self::Closed,
            kind => Self::Io(kind),
        }
    }

    #[must_use]
    pub fn h2(error: &h2::Error) -> Self {
        if let Some(io) = error.get_io() {
            return Self::io(io);
        }
        match error.reason() {
            Some(h2::Reason::REFUSED_STREAM) => Self::Refused,
            Some(reason) if error.is_reset() => Self::StreamReset(reason),
            Some(reason) => Self::Http2(reason.description().into()),
            None => Self::Http2(error.to_string().into()),
        }
    }
}

/// A message exchange on a connection.
#[derive(Debug)]
pub(crate) enum Stream {
    H1(Box<H1Conn>),
    H2(Box<H2Stream>),
}

macro_rules! both {
    ($self:ident, $inner:ident => $call:expr) => {
        match $self {
            Stream::H1($inner) => $call,
            Stream::H2($inner) => $call,
        }
    };
}

impl Stream {
    #[must_use]
    pub(crate) fn version(&self) -> Version {
        match self {
            Self::H1(_) => Version::Http11,
            Self::H2(_) => Version::Http2,
        }
    }

    /// Makes received body bytes available.
    pub(crate) fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<Result<Fill, StreamError>> {
        both!(self, inner => inner.poll_fill(cx))
    }

    /// The received bytes available.
    #[must_use]
    pub(crate) fn data(&self) -> &[u8] {
        both!(self, inner => inner.data())
    }

    pub(crate) fn consume(&mut self, n: usize) {
        both!(self, inner => inner.consume(n));
    }

    /// Trailers received, once the body has ended.
    pub(crate) fn take_trailers(&mut self) -> Option<Box<HeaderList>> {
        both!(self, inner => inner.take_trailers())
    }

    /// Whether the received message has been read to its end.
    #[must_use]
    pub(crate) fn body_done(&self) -> bool {
        both!(self, inner => inner.body_done())
    }

    /// Queues body bytes.
    pub(crate) fn push(&mut self, data: &[u8]) {
        both!(self, inner => inner.push(data));
    }

    /// Queues the end of the message.
    pub(crate) fn finish(&mut self, trailers: Option<&HeaderList>) {
        both!(self, inner => inner.finish(trailers));
    }

    /// Sends what is queued as far as the peer takes it.
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamError>> {
        both!(self, inner => inner.poll_flush(cx))
    }

    /// Ends our direction of a tunnel.
    pub(crate) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            Self::H1(conn) => {
                tokio::io::AsyncWrite::poll_shutdown(std::pin::Pin::new(&mut conn.io), cx).map(drop)
            }
            // The end was sent as END_STREAM.
            Self::H2(_) => Poll::Ready(()),
        }
    }

    /// Sees whether the peer is gone while nothing is expected of it. Bytes of a next request are kept, up to a
    /// bound: pipelining does not buy memory.
    pub(crate) fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<StreamError> {
        const PIPELINE: usize = 16 * 1024;
        match self {
            Self::H2(stream) => stream.poll_reset(cx),
            Self::H1(conn) => loop {
                if conn.unread() >= PIPELINE {
                    return Poll::Pending;
                }
                match ready!(conn.poll_more(cx)) {
                    Ok(true) => {}
                    Ok(false) => return Poll::Ready(StreamError::Closed),
                    Err(error) => return Poll::Ready(error),
                }
            },
        }
    }
}

impl Stream {
    /// Bytes queued and not yet taken by the peer.
    #[must_use]
    pub(crate) fn queued(&self) -> usize {
        match self {
            Self::H1(conn) => conn.send.pending(),
            Self::H2(stream) => stream.queued(),
        }
    }
}
