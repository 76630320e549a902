//! The upstream side of one attempt.

use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Instant;

use super::answer::send_h1_request;
use super::failure::Failure;
use crate::codec::h1::{BodyLength, Fault, Limits, ParseError, ResponseParser};
use crate::http::h2stream::{H2Stream, to_request};
use crate::http::stream::{Stream, StreamError};
use crate::http::{HeaderId, RequestHead, ResponseHead, Version, has_token};
use crate::observe::handshakes;
use crate::upstream::{Acquired, ConnectionMeta, H1Lease, H2Lease};

/// A connection with one request on it.
#[derive(Debug)]
pub(crate) struct Upstream {
    pub(crate) stream: Stream,
    lease: Lease,
    parser: ResponseParser,
    /// The connection had served requests before.
    pub(crate) reused: bool,
    /// Bytes of the connection before this request.
    wire_before: (u64, u64),
    keep: bool,
    /// What became of it was counted.
    counted: bool,
    pub(crate) head_bytes: u64,
}

#[derive(Debug)]
enum Lease {
    H1(H1Lease),
    H2(H2Lease),
}

impl Upstream {
    /// Queues the request's head on a connection.
    pub(crate) async fn begin(
        acquired: Acquired,
        head: &RequestHead,
        ended: bool,
        upgrade: bool,
        limits: Limits,
    ) -> Result<Self, Failure> {
        match acquired {
            Acquired::H1(pooled) => {
                let (mut conn, lease) = pooled.split();
                let wire_before = (conn.wire_in, conn.wire_out);
                let absolute = lease.pool().info.http.http1.send_fully_qualified_url;
                send_h1_request(&mut conn, head, upgrade, absolute);
                let reused = lease.meta.requests.get() > 1;
                let parser = ResponseParser::new(limits).keep_case(conn.keeps_case());
                let head_bytes = conn.send.pending() as u64;
                let (stream, lease) = (Stream::H1(conn), Lease::H1(lease));
                Ok(Self {
                    stream,
                    lease,
                    parser,
                    reused,
                    wire_before,
                    keep: true,
                    counted: false,
                    head_bytes,
                })
            }
            Acquired::H2(lease) => Self::begin_h2(lease, head, ended).await,
        }
    }

    async fn begin_h2(lease: H2Lease, head: &RequestHead, ended: bool) -> Result<Self, Failure> {
        let refused = |error: h2::Error| {
            // Nothing was sent: the connection had ended or was going away.
            lease.connection.retire();
            tracing::trace!(%error, "upstream HTTP/2 connection refused a stream");
            Failure::stream(&StreamError::Refused)
        };
        let mut sender = lease.connection.sender().ready().await.map_err(refused)?;
        let request = to_request(head).map_err(|error| Failure::stream(&error))?;
        let (response, send) = sender.send_request(request, ended).map_err(refused)?;
        let stream = Stream::H2(Box::new(H2Stream::client(response, send, ended)));
        let reused = lease.connection.meta.requests.get() > 1;
        let parser = ResponseParser::new(Limits::default());
        let head_bytes = head.headers.byte_size() as u64;
        Ok(Self {
            stream,
            lease: Lease::H2(lease),
            parser,
            reused,
            wire_before: (0, 0),
            keep: true,
            counted: false,
            head_bytes,
        })
    }

    pub(crate) fn meta(&self) -> &Rc<ConnectionMeta> {
        match &self.lease {
            Lease::H1(lease) => &lease.meta,
            Lease::H2(lease) => &lease.connection.meta,
        }
    }

    /// Wire bytes received and sent for this request.
    pub(crate) fn wire(&self) -> (u64, u64) {
        match &self.stream {
            Stream::H1(conn) => (
                conn.wire_in - self.wire_before.0,
                conn.wire_out - self.wire_before.1,
            ),
            Stream::H2(_) => (0, 0),
        }
    }

    /// No byte of a response has arrived.
    pub(crate) fn silent(&self) -> bool {
        match &self.stream {
            Stream::H1(conn) => conn.wire_in == self.wire_before.0,
            Stream::H2(_) => false,
        }
    }

    /// No byte of the request has left.
    pub(crate) fn unsent(&self) -> bool {
        match &self.stream {
            Stream::H1(conn) => conn.wire_out == self.wire_before.1,
            Stream::H2(_) => false,
        }
    }

    /// The next response head, informational ones included; sets how its body is framed.
    pub(crate) fn poll_head(
        &mut self,
        method: &[u8],
        head: &mut ResponseHead,
        cx: &mut Context<'_>,
    ) -> Poll<Result<u64, StreamError>> {
        match &mut self.stream {
            Stream::H2(stream) => stream
                .poll_response(head, cx)
                .map_ok(|()| head.headers.byte_size() as u64),
            Stream::H1(conn) => loop {
                if conn.unread() > 0
                    && let Some(used) = conn
                        .parse_response(&mut self.parser, head)
                        .map_err(StreamError::Malformed)?
                {
                    if !head.is_informational() {
                        let body = ResponseParser::body_for(method, head);
                        conn.expect_body(body);
                        self.keep = keeps_alive(head, body);
                        if let (Lease::H1(lease), Some(value)) =
                            (&self.lease, head.headers.get_id(HeaderId::KeepAlive))
                        {
                            lease.pool().limit.borrow_mut().on_header(value);
                        }
                    }
                    return Poll::Ready(Ok(used as u64));
                }
                if !std::task::ready!(conn.poll_more(cx))? {
                    let error = match conn.unread() {
                        0 => StreamError::Closed,
                        // As Envoy: half a head is a broken message.
                        n => StreamError::Malformed(ParseError {
                            fault: Fault::ClosedMidMessage,
                            offset: n as u64,
                            byte: None,
                        }),
                    };
                    return Poll::Ready(Err(error));
                }
            },
        }
    }

    /// Ends the attempt after a complete exchange: the connection goes back to its pool if it was left clean.
    pub(crate) fn give_back(self, now: Instant) {
        if let (Stream::H1(conn), Lease::H1(lease)) = (self.stream, self.lease)
            && self.keep
            && conn.body_done()
            && conn.sent_all()
        {
            lease.give_back(conn, now);
        }
    }

    /// Ends the attempt early: an HTTP/2 stream is reset, an HTTP/1 connection closed.
    pub(crate) fn abandon(mut self) {
        let open = !self.counted && !self.stream.body_done();
        if let Stream::H2(stream) = &mut self.stream {
            stream.reset(h2::Reason::CANCEL);
            if open {
                self.meta().counted.stream_reset(false);
            }
        } else {
            self.meta().counted.interrupted();
        }
    }

    /// Ends the attempt whose response is not wanted: what is left of it is not read.
    pub(crate) fn leave(self, now: Instant) {
        if matches!(self.stream, Stream::H1(_)) && self.stream.body_done() {
            self.give_back(now);
        } else {
            self.abandon();
        }
    }

    /// Counts that the upstream broke the exchange.
    pub(crate) fn note_broken(&mut self, error: &StreamError) {
        let counted = &self.meta().counted;
        match error {
            StreamError::Io(kind) => {
                counted.closed_by_peer();
                // An alert behind the handshake, such as that a certificate is wanted.
                if *kind == std::io::ErrorKind::InvalidData
                    && let Lease::H1(lease) = &self.lease
                {
                    handshakes::upstream(&lease.pool().info, Err("alert"));
                }
            }
            StreamError::Closed | StreamError::ConnectionReset => counted.closed_by_peer(),
            StreamError::StreamReset(_) | StreamError::Refused => counted.stream_reset(true),
            StreamError::Malformed(at) | StreamError::Truncated(at) => {
                counted.protocol_error();
                if at.fault == Fault::ClosedMidMessage {
                    counted.closed_by_peer();
                }
            }
            StreamError::Http2(_) => {}
        }
        self.counted = true;
    }

    /// The HTTP/2 connection gets no more streams.
    pub(crate) fn retire(&self) {
        if let Lease::H2(lease) = &self.lease {
            lease.connection.retire();
        }
    }
}

fn keeps_alive(head: &ResponseHead, body: BodyLength) -> bool {
    if body == BodyLength::UntilClose || head.status == 101 {
        return false;
    }
    let asked = head.headers.has_id(HeaderId::Connection);
    match head.version {
        Version::Http10 => asked && has_token(&head.headers, HeaderId::Connection, b"keep-alive"),
        _ => !(asked && has_token(&head.headers, HeaderId::Connection, b"close")),
    }
}
