//! An HTTP/1 connection, either side: buffers, body framing and the socket, driven by whoever owns it.

use std::task::{Context, Poll, ready};

use super::buf::{RecvBuf, SendBuf};
use super::stream::{Fill, StreamError};
use super::transport::Transport;
use super::{HeaderList, RequestHead, ResponseHead};
use crate::codec::h1::{
    BodyDecoder, BodyEncoder, BodyLength, Fault, Limits, NameStyle, ParseError, Progress,
    RequestParser, ResponseParser,
};
use crate::config::hcm::{HeaderCase, Http1Options};

/// One connection and the message that is on it.
#[derive(Debug)]
pub struct H1Conn {
    pub io: Transport,
    recv: RecvBuf,
    pub send: SendBuf,
    decoder: BodyDecoder,
    /// Payload at the front of `recv`.
    payload: usize,
    trailers: Option<Box<HeaderList>>,
    encoder: BodyEncoder,
    limits: Limits,
    /// The peer has closed its side.
    pub eof: bool,
    /// Bytes read and written on this connection so far.
    pub wire_in: u64,
    pub wire_out: u64,
    /// Bytes consumed and queued at the end of the last exchange.
    lap: (u64, u64),
    /// How field names are written.
    pub style: NameStyle,
    /// Trailers are passed on (Envoy's `enable_trailers`).
    pub trailers_allowed: bool,
}

impl H1Conn {
    #[must_use]
    pub fn new(io: Transport, prefix: Vec<u8>, limits: Limits) -> Self {
        let wire_in = prefix.len() as u64;
        Self {
            io,
            recv: RecvBuf::with(prefix),
            send: SendBuf::default(),
            decoder: BodyDecoder::Done,
            payload: 0,
            trailers: None,
            encoder: BodyEncoder::Done,
            limits,
            eof: false,
            wire_in,
            wire_out: 0,
            lap: (0, 0),
            style: NameStyle::Lower,
            trailers_allowed: false,
        }
    }

    /// Reads once more; false at the end of the stream.
    pub fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool, StreamError>> {
        if self.eof {
            return Poll::Ready(Ok(false));
        }
        match ready!(self.recv.poll_read(&mut self.io, cx)) {
            Ok(0) => {
                self.eof = true;
                Poll::Ready(Ok(false))
            }
            Ok(n) => {
                self.wire_in += n as u64;
                Poll::Ready(Ok(true))
            }
            Err(error) => {
                self.eof = true;
                Poll::Ready(Err(StreamError::io(&error)))
            }
        }
    }

    /// Follows the HTTP/1 options of its side.
    pub fn configure(&mut self, options: &Http1Options) {
        self.trailers_allowed = options.enable_trailers;
        self.style = match options.header_case {
            HeaderCase::Lower => NameStyle::Lower,
            HeaderCase::ProperCase => NameStyle::Proper,
            HeaderCase::Preserve => NameStyle::Kept,
            HeaderCase::PreserveElseProper => NameStyle::KeptElseProper,
        };
    }

    /// Whether names are wanted as they were received.
    #[must_use]
    pub fn keeps_case(&self) -> bool {
        matches!(self.style, NameStyle::Kept | NameStyle::KeptElseProper)
    }

    /// Bytes received beyond the current message.
    #[must_use]
    pub fn unread(&self) -> usize {
        self.recv.len()
    }

    /// Offers what was received to the parser of request heads.
    pub fn parse_request(
        &mut self,
        parser: &mut RequestParser,
        head: &mut RequestHead,
    ) -> Result<bool, ParseError> {
        match parser.parse(self.recv.unread(), head)? {
            Progress::Partial => Ok(false),
            Progress::Complete(used) => {
                self.recv.consume(used);
                Ok(true)
            }
        }
    }

    /// Offers what was received to the parser of response heads.
    pub fn parse_response(
        &mut self,
        parser: &mut ResponseParser,
        head: &mut ResponseHead,
    ) -> Result<Option<usize>, ParseError> {
        match parser.parse(self.recv.unread(), head)? {
            Progress::Partial => Ok(None),
            Progress::Complete(used) => {
                self.recv.consume(used);
                Ok(Some(used))
            }
        }
    }

    /// Sets how the body that follows the head just read ends.
    pub fn expect_body(&mut self, length: BodyLength) {
        self.decoder = BodyDecoder::new(length, self.limits);
        self.payload = 0;
        self.trailers = None;
    }

    /// Sets how the body that follows the head just written is framed.
    pub fn frame_body(&mut self, length: BodyLength) {
        self.encoder = BodyEncoder::new(length);
    }

    /// Makes body bytes available.
    pub fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<Result<Fill, StreamError>> {
        loop {
            if self.payload > 0 {
                return Poll::Ready(Ok(Fill::Data));
            }
            if self.decoder.is_done() {
                return Poll::Ready(Ok(Fill::End));
            }
            if !self.recv.is_empty() {
                let step = self
                    .decoder
                    .step(self.recv.unread(), &mut self.trailers)
                    .map_err(StreamError::Malformed)?;
                // Framing in front of the payload goes at once; framing never follows it in one step.
                self.recv.consume(step.data.start.min(step.used));
                self.payload = step.data.len();
                if step.data.is_empty() {
                    self.recv
                        .consume(step.used - step.data.start.min(step.used));
                }
                continue;
            }
            if !ready!(self.poll_more(cx))? {
                if self.decoder.ends_with_connection() {
                    self.decoder = BodyDecoder::Done;
                    return Poll::Ready(Ok(Fill::End));
                }
                let offset = usize::try_from(self.wire_in).unwrap_or(usize::MAX);
                return Poll::Ready(Err(StreamError::Truncated(ParseError::new(
                    Fault::ClosedMidMessage,
                    offset,
                ))));
            }
        }
    }

    /// The body bytes available.
    #[must_use]
    pub fn data(&self) -> &[u8] {
        self.recv.slice(0..self.payload)
    }

    pub fn consume(&mut self, n: usize) {
        self.recv.consume(n);
        self.payload -= n;
    }

    /// Trailers of the body that has ended.
    pub fn take_trailers(&mut self) -> Option<Box<HeaderList>> {
        self.trailers.take()
    }

    /// Whether the body received has been read to its end.
    #[must_use]
    pub fn body_done(&self) -> bool {
        self.decoder.is_done() && self.payload == 0
    }

    /// Whether the body sent has been ended.
    #[must_use]
    pub fn sent_all(&self) -> bool {
        self.encoder == BodyEncoder::Done && self.send.pending() == 0
    }

    pub fn push(&mut self, data: &[u8]) {
        self.encoder.push(data, self.send.bytes());
    }

    pub fn finish(&mut self, trailers: Option<&HeaderList>) {
        self.encoder.finish(
            trailers.filter(|_| self.trailers_allowed),
            self.send.bytes(),
        );
    }

    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamError>> {
        let pending = self.send.pending();
        if pending == 0 {
            return Poll::Ready(Ok(()));
        }
        let result = self.send.poll_flush(&mut self.io, cx);
        self.wire_out += (pending - self.send.pending()) as u64;
        match ready!(result) {
            Ok(()) if self.io.buffers_writes() => {
                tokio::io::AsyncWrite::poll_flush(std::pin::Pin::new(&mut self.io), cx)
                    .map_err(|e| StreamError::io(&e))
            }
            Ok(()) => Poll::Ready(Ok(())),
            Err(error) => Poll::Ready(Err(StreamError::io(&error))),
        }
    }

    /// The peer may go on with bytes as they are: an upgrade or CONNECT succeeded.
    pub fn become_tunnel(&mut self) {
        self.decoder = BodyDecoder::UntilClose;
        self.encoder = BodyEncoder::Plain;
        self.payload = 0;
    }

    /// Bytes consumed and queued since the last call: those of one exchange.
    pub fn lap(&mut self) -> (u64, u64) {
        let now = (
            self.wire_in - self.recv.len() as u64,
            self.wire_out + self.send.pending() as u64,
        );
        let (before_in, before_out) = std::mem::replace(&mut self.lap, now);
        (
            now.0.saturating_sub(before_in),
            now.1.saturating_sub(before_out),
        )
    }

    /// Drops what was received.
    pub fn discard(&mut self) {
        let n = self.recv.len();
        self.recv.consume(n);
        self.payload = 0;
    }

    /// Gives buffers back while nothing is on the connection.
    pub fn rest(&mut self) {
        self.recv.release();
    }
}
