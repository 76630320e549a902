//! An HTTP/2 connection: each stream is a request of its own.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;

use super::drain::{DrainGuard, Phase};
use super::h1::Last;
use crate::config::Hcm;
use crate::http::h2ping;
use crate::http::h2stream::{H2Stream, read_request};
use crate::http::router::Turn;
use crate::http::router::answer::Manner;
use crate::http::stream::Stream;
use crate::http::timer::{Deadline, earlier};
use crate::http::transport::{Metered, Prefixed, Transport, Wire};
use crate::http::{RequestHead, ResponseHead, Version};
use crate::observe::counted;
use crate::observe::hooks;
use crate::observe::record::{ConnectionFacts, RequestRecord};
use crate::worker::Worker;

/// What the streams of one connection share.
struct Connection {
    worker: Rc<Worker>,
    facts: Arc<ConnectionFacts>,
    hcm: Arc<Hcm>,
    guard: DrainGuard,
    served: Cell<u32>,
    active: Cell<u32>,
    /// Streams that the client reset before they were answered.
    resets: Cell<u32>,
    waker: RefCell<Option<Waker>>,
    counted: counted::HttpConnection,
    wire: Rc<Wire>,
}

/// A peer must not make us hold more of a stream than the buffer limit; RFC 9113 §6.9.2 sets the least useful window.
pub(crate) fn bounded_window(buffer_limit: u32) -> u32 {
    buffer_limit.clamp(65_535, 4 * 1024 * 1024)
}

/// Streams that a peer resets before they are looked at: beyond this the connection ends (CVE-2023-44487).
const RESETS: usize = 50;
/// Envoy's `overload.premature_reset_total_stream_count`: a client that resets more than half of so many streams is
/// disconnected.
const PREMATURE_RESETS: u32 = 500;

/// Serves HTTP/2 on a connection whose first bytes may have been read already.
pub(crate) async fn serve(
    worker: Rc<Worker>,
    facts: Arc<ConnectionFacts>,
    hcm: Arc<Hcm>,
    io: Transport,
    prefix: Vec<u8>,
    guard: DrainGuard,
    counted: counted::HttpConnection,
) {
    let (io, wire) = Metered::new(Prefixed::new(prefix, io));
    let options = &hcm.http2;
    let window = bounded_window(facts.listener.buffer_limit);
    let mut builder = h2::server::Builder::new();
    builder
        .max_concurrent_streams(options.max_concurrent_streams)
        .initial_window_size(options.initial_stream_window.min(window))
        .initial_connection_window_size(options.initial_connection_window.min(4 * window))
        .header_table_size(options.header_table_size)
        // The crate refuses more with 431 and bounds CONTINUATION frames by it.
        .max_header_list_size(u32::try_from(hcm.max_request_headers_bytes).unwrap_or(u32::MAX))
        .max_pending_accept_reset_streams(RESETS)
        .max_local_error_reset_streams(Some(1024))
        .max_send_buffer_size(64 * 1024);
    if options.allow_connect || hcm.upgrades.iter().any(|(_, allowed)| *allowed) {
        builder.enable_connect_protocol();
    }
    let connection = Rc::new(Connection {
        worker,
        facts,
        hcm: Arc::clone(&hcm),
        guard,
        served: Cell::new(0),
        active: Cell::new(0),
        resets: Cell::new(0),
        waker: RefCell::default(),
        counted,
        wire,
    });
    let handshake = builder.handshake::<_, Bytes>(io);
    let limit = hcm
        .timeouts
        .connection_idle
        .unwrap_or(Duration::from_secs(3600));
    match tokio::time::timeout(limit, handshake).await {
        Ok(Ok(peer)) => {
            connection.counted.speaks(Version::Http2);
            Rc::clone(&connection).run(peer).await;
        }
        Ok(Err(error)) => {
            tracing::debug!(%error, remote = %connection.facts.direct_remote, "HTTP/2 preface failed");
            hooks::closed_without_response(&connection.worker, &connection.facts, "http2_preface");
        }
        Err(_) => {
            hooks::closed_without_response(&connection.worker, &connection.facts, "idle_timeout");
        }
    }
    let mut record = RequestRecord::ended(&connection.facts);
    record.protocol = Some(Version::Http2);
    connection.count_bytes();
    (record.received.body, record.sent.body) = connection.wire.total();
    hooks::on_connection_end(&connection.facts, &record);
}

type Peer = h2::server::Connection<Metered<Prefixed<Transport>>, Bytes>;

impl Connection {
    async fn run(self: Rc<Self>, mut peer: Peer) {
        let mut timer = Deadline::default();
        let mut idle_since = Instant::now();
        let mut going_away = false;
        let keepalive = self
            .hcm
            .http2
            .keepalive
            .and_then(|settings| Some((peer.ping_pong()?, settings)));
        let mut silent = keepalive.map(|(peer, settings)| Box::pin(h2ping::watch(peer, settings)));
        loop {
            let event = std::future::poll_fn(|cx| {
                self.guard.register(cx.waker());
                self.remember(cx.waker());
                if let Poll::Ready(accepted) = peer.poll_accept(cx) {
                    return Poll::Ready(Event::Accepted(accepted));
                }
                let phase = self.guard.phase();
                let dead = silent
                    .as_mut()
                    .is_some_and(|silent| silent.as_mut().poll(cx).is_ready());
                if dead || phase == Phase::Ended || self.floods() {
                    return Poll::Ready(Event::Abort);
                }
                if phase > Phase::Running && !going_away {
                    return Poll::Ready(Event::GoAway);
                }
                if self.active.get() > 0 {
                    idle_since = Instant::now();
                }
                let due = self.due(idle_since, going_away);
                loop {
                    std::task::ready!(timer.poll(due, cx));
                    if due.is_some_and(|due| Instant::now() >= due) {
                        return Poll::Ready(Event::GoAway);
                    }
                }
            })
            .await;
            match event {
                Event::Accepted(Some(Ok((request, respond)))) => {
                    self.served.set(self.served.get() + 1);
                    Runner::give(Job {
                        connection: Rc::clone(&self),
                        active: Active::new(&self),
                        request,
                        respond,
                    });
                }
                Event::Accepted(Some(Err(error))) => {
                    tracing::debug!(%error, remote = %self.facts.direct_remote, "HTTP/2 connection failed");
                    if self.served.get() == 0 {
                        hooks::closed_without_response(
                            &self.worker,
                            &self.facts,
                            "http2_protocol_error",
                        );
                    }
                    return;
                }
                Event::Abort => {
                    if self.floods() {
                        hooks::closed_without_response(
                            &self.worker,
                            &self.facts,
                            "http2_rapid_reset",
                        );
                        peer.abrupt_shutdown(h2::Reason::ENHANCE_YOUR_CALM);
                        let end = std::future::poll_fn(|cx| peer.poll_closed(cx));
                        // The peer is told, if it reads at all.
                        let _ = tokio::time::timeout(Duration::from_millis(100), end).await;
                    }
                    return;
                }
                Event::Accepted(None) => return,
                Event::GoAway => {
                    going_away = true;
                    peer.graceful_shutdown();
                }
            }
        }
    }

    fn count_bytes(&self) {
        let (received, sent) = self.wire.lap();
        self.counted.bytes(received, sent);
    }

    fn remember(&self, waker: &Waker) {
        let mut slot = self.waker.borrow_mut();
        if slot.as_ref().is_none_or(|old| !old.will_wake(waker)) {
            *slot = Some(waker.clone());
        }
    }

    fn on_reset(&self) {
        self.resets.set(self.resets.get() + 1);
        if self.floods()
            && let Some(waker) = &*self.waker.borrow()
        {
            waker.wake_by_ref();
        }
    }

    /// The client opens streams to reset them (CVE-2023-44487).
    fn floods(&self) -> bool {
        self.resets.get() >= PREMATURE_RESETS && self.resets.get() > self.served.get() / 2
    }

    /// When the connection is to go away by itself.
    fn due(&self, idle_since: Instant, going_away: bool) -> Option<Instant> {
        if going_away {
            return None;
        }
        let timeouts = &self.hcm.timeouts;
        let idle = timeouts
            .connection_idle
            .filter(|_| self.active.get() == 0)
            .map(|limit| idle_since + limit);
        let oldest = timeouts
            .max_connection_duration
            .map(|limit| self.facts.started + limit);
        earlier(idle, oldest)
    }

    /// Serves one stream.
    async fn exchange(
        self: Rc<Self>,
        request: ::http::Request<h2::RecvStream>,
        respond: h2::server::SendResponse<Bytes>,
        head: &mut RequestHead,
        response: &mut ResponseHead,
    ) {
        let (parts, body) = request.into_parts();
        read_request(&parts, body.is_end_stream(), head);
        drop(parts);
        let mut stream = Stream::H2(Box::new(H2Stream::server(body, respond)));
        let mut timer = Deadline::default();
        let mut turn = Turn {
            worker: &self.worker,
            connection: &self.facts,
            hcm: &self.hcm,
            down: &mut stream,
            timer: &mut timer,
            request: head,
            response,
            record: RequestRecord::new(Instant::now(), SystemTime::now()),
            config: self.worker.config(),
            last: Last {
                guard: &self.guard,
                served: &self.served,
                hcm: &self.hcm,
                facts: &self.facts,
            },
            manner: Manner {
                version: Version::Http2,
                to_head_request: false,
                close: false,
                keep_alive_asked: false,
                tunnel: false,
            },
            head_sent: false,
            on: &self.counted,
            _counted: counted::Request::new(&self.hcm, Version::Http2),
            chosen: None,
            trailers: None,
        };
        turn.run().await;
        drop(turn);
        self.count_bytes();
        if let Stream::H2(stream) = &stream
            && stream.peer_reset
        {
            self.on_reset();
        }
    }
}

type Accepted = (
    ::http::Request<h2::RecvStream>,
    h2::server::SendResponse<Bytes>,
);

#[allow(
    clippy::large_enum_variant,
    reason = "it lives for one iteration on the stack"
)]
enum Event {
    Accepted(Option<Result<Accepted, h2::Error>>),
    GoAway,
    Abort,
}

/// Counts a stream while it lives.
struct Active(Rc<Connection>);

impl Active {
    fn new(connection: &Rc<Connection>) -> Self {
        connection.active.set(connection.active.get() + 1);
        Self(Rc::clone(connection))
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        self.0.active.set(self.0.active.get() - 1);
    }
}

/// A stream to be served.
struct Job {
    connection: Rc<Connection>,
    active: Active,
    request: ::http::Request<h2::RecvStream>,
    respond: h2::server::SendResponse<Bytes>,
}

/// Runners that wait for work, a worker.
const STOCK: usize = 256;

thread_local! {
    static STOCKED: RefCell<Vec<Rc<Runner>>> = const { RefCell::new(Vec::new()) };
}

/// A task that serves one stream after the other, whatever their connections. The state of a request is several
/// kilobytes: a task for each stream would allocate it, move it and free it each time.
#[derive(Default)]
struct Runner {
    job: RefCell<Option<Job>>,
    waker: RefCell<Option<Waker>>,
}

impl Runner {
    /// Hands work to a waiting runner, or to a new one.
    fn give(job: Job) {
        if let Some(runner) = STOCKED.with_borrow_mut(Vec::pop) {
            runner.job.replace(Some(job));
            if let Some(waker) = runner.waker.take() {
                waker.wake();
            }
        } else {
            let runner = Rc::new(Self::default());
            runner.job.replace(Some(job));
            tokio::task::spawn_local(runner.run());
        }
    }

    async fn run(self: Rc<Self>) {
        let (mut head, mut response) = (RequestHead::default(), ResponseHead::default());
        loop {
            let job = std::future::poll_fn(|cx| {
                self.job.take().map_or_else(
                    || {
                        self.waker.replace(Some(cx.waker().clone()));
                        Poll::Pending
                    },
                    Poll::Ready,
                )
            });
            let Job {
                connection,
                active,
                request,
                respond,
            } = job.await;
            connection
                .exchange(request, respond, &mut head, &mut response)
                .await;
            drop(active);
            head.clear();
            response.clear();
            let kept = STOCKED.with_borrow_mut(|stock| {
                let room = stock.len() < STOCK;
                if room {
                    stock.push(Rc::clone(&self));
                }
                room
            });
            if !kept {
                return;
            }
        }
    }
}
