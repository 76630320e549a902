//! An HTTP/1 connection from its first request to its end.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant, SystemTime};

use super::drain::{DrainGuard, Phase};
use crate::codec::h1::{Leniency, Limits, ParseError, RequestParser, reason_phrase};
use crate::config::Hcm;
use crate::config::hcm::HeaderCase;
use crate::http::h1conn::H1Conn;
use crate::http::hcm::Reply;
use crate::http::router::answer::Manner;
use crate::http::router::{After, Turn};
use crate::http::stream::{Stream, StreamError};
use crate::http::timer::{Deadline, earlier};
use crate::http::transport::Transport;
use crate::http::{RequestHead, ResponseHead, Version, cause_of};
use crate::observe::counted;
use crate::observe::hooks;
use crate::observe::record::{ConnectionFacts, RequestRecord, ResponseFlags};
use crate::worker::Worker;

/// A connection and what its requests reuse.
pub(crate) struct Http1 {
    worker: Rc<Worker>,
    facts: Arc<ConnectionFacts>,
    hcm: Arc<Hcm>,
    stream: Stream,
    parser: RequestParser,
    request: RequestHead,
    response: ResponseHead,
    timer: Deadline,
    guard: DrainGuard,
    counted: counted::HttpConnection,
    served: Cell<u32>,
}

/// What came instead of, or with, the next request.
enum Next {
    Request,
    Refused(ParseError),
    HeadersTimeout,
    /// The connection may end: nothing was asked.
    End(&'static str),
}

/// Serves HTTP/1 on a connection whose first bytes may have been read already.
pub(crate) async fn serve(
    worker: Rc<Worker>,
    facts: Arc<ConnectionFacts>,
    hcm: Arc<Hcm>,
    io: Transport,
    prefix: Vec<u8>,
    guard: DrainGuard,
    counted: counted::HttpConnection,
) {
    let limits = Limits {
        bytes: hcm.max_request_headers_bytes,
        fields: hcm.max_headers_count as usize,
    };
    let keep_case = matches!(
        hcm.http1.header_case,
        HeaderCase::Preserve | HeaderCase::PreserveElseProper
    );
    let leniency = Leniency {
        http10: hcm.http1.accept_http_10,
        custom_methods: hcm.http1.allow_custom_methods,
        keep_case,
    };
    let mut conn = H1Conn::new(io, prefix, limits);
    conn.configure(&hcm.http1);
    let mut connection = Http1 {
        worker,
        facts,
        hcm,
        stream: Stream::H1(Box::new(conn)),
        parser: RequestParser::with_leniency(limits, leniency),
        request: RequestHead::default(),
        response: ResponseHead::default(),
        timer: Deadline::default(),
        guard,
        counted,
        served: Cell::new(0),
    };
    connection.run().await;
    connection.log();
}

impl Http1 {
    async fn run(&mut self) {
        loop {
            let next = self.next().await;
            self.served.set(self.served.get() + 1);
            let after = match next {
                Next::Request => self.turn().run().await,
                Next::Refused(error) => {
                    let status = error.fault.status();
                    let reply = Reply::new(status, reason_phrase(status), error.fault.details());
                    let mut turn = self.turn();
                    turn.record.cause = Some(cause_of(&error));
                    turn.refuse_head(reply.flag(ResponseFlags::DOWNSTREAM_PROTOCOL_ERROR))
                        .await;
                    After::Close
                }
                Next::HeadersTimeout => {
                    hooks::in_http(&self.worker, &self.hcm, |group| {
                        group.downstream_rq_header_timeout.inc();
                    });
                    let reply = Reply::new(408, "request header timeout", "request_header_timeout");
                    self.turn().refuse_head(reply).await;
                    After::Close
                }
                Next::End(cause) => {
                    if !cause.starts_with("client_") {
                        self.counted.closed_by_us();
                    }
                    if self.served.get() == 1 && cause != "client_closed" {
                        hooks::closed_without_response(&self.worker, &self.facts, cause);
                    }
                    return;
                }
            };
            if after == After::Close {
                return self.close().await;
            }
        }
    }

    /// Waits for the next request's head.
    async fn next(&mut self) -> Next {
        let Stream::H1(conn) = &mut self.stream else {
            return Next::End("not_http1");
        };
        let timeouts = &self.hcm.timeouts;
        let begun = Instant::now();
        let idle = timeouts.connection_idle.map(|limit| begun + limit);
        let oldest = timeouts
            .max_connection_duration
            .map(|limit| self.facts.started + limit);
        let mut head_since = None;
        let (parser, request, timer, guard, counted) = (
            &mut self.parser,
            &mut self.request,
            &mut self.timer,
            &self.guard,
            &self.counted,
        );
        std::future::poll_fn(|cx| {
            loop {
                if conn.unread() > 0 {
                    counted.speaks(Version::Http11);
                    match conn.parse_request(parser, request) {
                        Ok(true) => return Poll::Ready(Next::Request),
                        Ok(false) => {}
                        Err(error) => return Poll::Ready(Next::Refused(error)),
                    }
                    head_since = head_since.or_else(|| Some(Instant::now()));
                }
                match conn.poll_more(cx) {
                    Poll::Ready(Ok(true)) => {}
                    Poll::Ready(Ok(false)) if head_since.is_some() => {
                        return Poll::Ready(Next::End("client_closed_mid_head"));
                    }
                    Poll::Ready(Ok(false)) => return Poll::Ready(Next::End("client_closed")),
                    Poll::Ready(Err(_)) => return Poll::Ready(Next::End("client_reset")),
                    Poll::Pending => break,
                }
            }
            guard.register(cx.waker());
            match guard.phase() {
                Phase::Ending if head_since.is_none() => return Poll::Ready(Next::End("drained")),
                Phase::Ended => return Poll::Ready(Next::End("drained")),
                _ => {}
            }
            let head =
                head_since.and_then(|since| timeouts.request_headers.map(|limit| since + limit));
            loop {
                let due = if head_since.is_some() {
                    head
                } else {
                    earlier(idle, oldest)
                };
                std::task::ready!(timer.poll(due, cx));
                let now = Instant::now();
                if head_since.is_some() && head.is_some_and(|at| now >= at) {
                    return Poll::Ready(Next::HeadersTimeout);
                }
                if head_since.is_none() && earlier(idle, oldest).is_some_and(|at| now >= at) {
                    return Poll::Ready(Next::End("idle_timeout"));
                }
            }
        })
        .await
    }

    fn turn(&mut self) -> Turn<'_> {
        let start = Instant::now();
        let config = self.worker.config();
        Turn {
            worker: &self.worker,
            connection: &self.facts,
            hcm: &self.hcm,
            down: &mut self.stream,
            timer: &mut self.timer,
            request: &mut self.request,
            response: &mut self.response,
            record: RequestRecord::new(start, SystemTime::now()),
            config,
            last: Last {
                guard: &self.guard,
                served: &self.served,
                hcm: &self.hcm,
                facts: &self.facts,
            },
            manner: Manner {
                version: Version::Http11,
                to_head_request: false,
                close: false,
                keep_alive_asked: false,
                tunnel: false,
            },
            head_sent: false,
            on: &self.counted,
            _counted: counted::Request::new(&self.hcm, Version::Http11),
            chosen: None,
            trailers: None,
        }
    }

    /// The listener's log of the connection as such.
    fn log(&self) {
        let Stream::H1(conn) = &self.stream else {
            return;
        };
        let mut record = RequestRecord::ended(&self.facts);
        record.protocol = Some(Version::Http11);
        record.received.body = conn.wire_in;
        record.sent.body = conn.wire_out;
        hooks::on_connection_end(&self.facts, &record);
    }

    /// Lets the peer read the last bytes: a close with unread input would reset the connection and destroy them.
    async fn close(&mut self) {
        let Stream::H1(conn) = &mut self.stream else {
            return;
        };
        let _ = std::future::poll_fn(|cx| {
            tokio::io::AsyncWrite::poll_shutdown(std::pin::Pin::new(&mut conn.io), cx)
        })
        .await;
        let linger = self.hcm.timeouts.delayed_close.unwrap_or(Duration::ZERO);
        if linger.is_zero() || conn.eof {
            return;
        }
        let until = Instant::now() + linger;
        let (timer, worker, hcm) = (&mut self.timer, &self.worker, &self.hcm);
        std::future::poll_fn(|cx| {
            loop {
                conn.discard();
                match conn.poll_more(cx) {
                    Poll::Ready(Ok(true)) => {}
                    Poll::Ready(Ok(false) | Err(_)) => return Poll::Ready(()),
                    Poll::Pending => {
                        std::task::ready!(timer.poll(Some(until), cx));
                        hooks::in_http(worker, hcm, |group| {
                            group.downstream_cx_delayed_close_timeout.inc();
                        });
                        return Poll::Ready(());
                    }
                }
            }
        })
        .await;
    }
}

/// Decides whether a response is its connection's last.
pub(crate) struct Last<'c> {
    pub(crate) guard: &'c DrainGuard,
    pub(crate) served: &'c Cell<u32>,
    pub(crate) hcm: &'c Hcm,
    pub(crate) facts: &'c ConnectionFacts,
}

impl Last<'_> {
    pub(crate) fn is_last(&self) -> bool {
        let most = self.hcm.max_requests_per_connection;
        self.guard.phase() > Phase::Running
            || (most > 0 && self.served.get() >= most)
            || self
                .hcm
                .timeouts
                .max_connection_duration
                .is_some_and(|limit| self.facts.started.elapsed() >= limit)
    }
}

impl From<ParseError> for StreamError {
    fn from(error: ParseError) -> Self {
        Self::Malformed(error)
    }
}
