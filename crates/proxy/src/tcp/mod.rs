//! `tcp_proxy`: bytes from one connection to another.

use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::io::AsyncWrite;

use crate::balance::{Ask, Host, HostTotals, NoHost};
use crate::config::cluster::Discovery;
use crate::config::listener::TcpProxy;
use crate::config::route::Priority;
use crate::config::{Cluster, Config};
use crate::downstream::drain::{DrainGuard, Phase};
use crate::http::buf::RecvBuf;
use crate::http::timer::{Deadline, earlier};
use crate::http::transport::Transport;
use crate::observe::counted::{Pending, UpstreamConnection};
use crate::observe::hooks;
use crate::observe::record::{Cause, ConnectionFacts, Exchange, RequestRecord, ResponseFlags};
use crate::resilience::breaker::{Permit, Resource};
use crate::resilience::outlier::Outcome;
use crate::upstream::{ConnectError, ConnectOptions, Opened, connect};
use crate::worker::Worker;

/// Serves one TCP connection to its end.
pub(crate) async fn serve(
    worker: Rc<Worker>,
    facts: Arc<ConnectionFacts>,
    proxy: Arc<TcpProxy>,
    io: Transport,
    prefix: Vec<u8>,
    guard: DrainGuard,
) {
    let record = RequestRecord::new(facts.started, facts.started_wall);
    let mut session = Session {
        worker,
        facts,
        proxy,
        guard,
        record,
    };
    session.record.moments.request_end = Some(session.record.start);
    session.run(io, prefix).await;
    session.record.moments.end = Some(Instant::now());
    let exchange = Exchange {
        record: &session.record,
        connection: &session.facts,
        request: None,
        response: None,
        trailers: None,
    };
    hooks::on_tcp_complete(&session.worker, &session.proxy, &exchange);
}

struct Session {
    worker: Rc<Worker>,
    facts: Arc<ConnectionFacts>,
    proxy: Arc<TcpProxy>,
    guard: DrainGuard,
    record: RequestRecord,
}

/// An upstream connection and what counts it.
struct Upstream {
    io: Transport,
    _permit: Permit,
    _open: crate::balance::OpenConnection,
    _active: crate::balance::ActiveRequest,
    counted: UpstreamConnection,
}

impl Session {
    async fn run(&mut self, io: Transport, prefix: Vec<u8>) {
        let config = self.worker.config();
        let id = self.proxy.clusters.choose(self.worker.random());
        let Some(cluster) = config.cluster(id).cloned() else {
            self.record.flags.insert(ResponseFlags::NO_CLUSTER_FOUND);
            // Envoy has response code details for HTTP only; the flight recorder is told nevertheless.
            self.record.cause = Some(Cause {
                code: "cluster_not_found",
                text: "the listener's cluster does not exist".into(),
            });
            return;
        };
        self.record.cluster = Some(Arc::clone(&cluster.info));
        let Some(up) = self.connect(&config, &cluster).await else {
            return;
        };
        self.copy(io, prefix, up).await;
    }

    async fn connect(&mut self, config: &Arc<Config>, cluster: &Arc<Cluster>) -> Option<Upstream> {
        let most = self.proxy.max_connect_attempts.max(1);
        let mut back_off = self.proxy.back_off_base.unwrap_or(Duration::ZERO);
        loop {
            let Some(permit) = cluster
                .breaker(Priority::Default)
                .try_take(Resource::Connections)
            else {
                hooks::connection_overflow(&self.worker, cluster);
                self.record.flags.insert(ResponseFlags::UPSTREAM_OVERFLOW);
                return None;
            };
            let ask = Ask {
                avoid: &[],
                more_picks: 0,
                destination: self.destination(cluster),
                now: Instant::now(),
            };
            let Ok(pick) = self.worker.choose(cluster, &ask).inspect_err(|reason| {
                if matches!(reason, NoHost::Empty | NoHost::Panic) {
                    hooks::healthy_panic(&self.worker, cluster);
                }
            }) else {
                hooks::none_healthy(&self.worker, cluster);
                self.record.flags.insert(ResponseFlags::NO_HEALTHY_UPSTREAM);
                return None;
            };
            let host = pick.host;
            self.record.host = Some(Arc::clone(&host));
            self.record.attempts += 1;
            self.record.moments.upstream_connect_begin = Some(Instant::now());
            let pending = Pending::new(cluster);
            let counted = UpstreamConnection::new(&self.worker, cluster);
            let opened = connect(
                config,
                &self.worker.shared,
                &cluster.info,
                &host,
                &ConnectOptions::default(),
            )
            .await;
            pending.end(opened.is_ok());
            match opened {
                Ok(opened) => {
                    hooks::on_attempt(&self.worker, cluster);
                    self.worker.shared.outcome(
                        cluster,
                        &host,
                        Outcome::ConnectSuccess { is_final: true },
                    );
                    return Some(self.connected(&host, opened, permit, counted));
                }
                Err(error) => self.connect_failed(cluster, &host, &error),
            }
            if self.record.attempts >= most {
                hooks::connect_attempts_exceeded(&self.worker, cluster);
                let flags = &mut self.record.flags;
                flags.insert(ResponseFlags::UPSTREAM_CONNECTION_FAILURE);
                // As Envoy has it, one allowed attempt is a limit as well.
                flags.insert(ResponseFlags::UPSTREAM_RETRY_LIMIT_EXCEEDED);
                return None;
            }
            if !back_off.is_zero() {
                tokio::time::sleep(back_off).await;
                back_off = (back_off * 2).min(self.proxy.back_off_max.unwrap_or(back_off * 10));
            }
        }
    }

    fn connect_failed(&mut self, cluster: &Arc<Cluster>, host: &Arc<Host>, error: &ConnectError) {
        HostTotals::count(&host.shared.totals.cx_connect_fail);
        hooks::connect_failed(&self.worker, cluster, error);
        let outcome = match error {
            ConnectError::Timeout => Outcome::ConnectTimeout,
            _ => Outcome::ConnectFailure,
        };
        self.worker.shared.outcome(cluster, host, outcome);
        self.record.upstream_failure = match error {
            ConnectError::Remote(text) | ConnectError::Tls(text) | ConnectError::Local(text) => {
                Some(text.replace(' ', "_").into())
            }
            ConnectError::Timeout => None,
        };
    }

    fn connected(
        &mut self,
        host: &Arc<Host>,
        opened: Opened,
        permit: Permit,
        counted: UpstreamConnection,
    ) -> Upstream {
        // It serves its session to the end.
        counted.interrupted();
        let record = &mut self.record;
        record.upstream_local = opened.local;
        record.upstream_remote = opened.remote;
        record.upstream_tls = opened.tls;
        record.upstream_connection_id = Some(crate::upstream::pool::next_connection_id());
        record.upstream_failure = None;
        record.moments.upstream_connect_end = Some(opened.connected_at);
        record.moments.upstream_handshake_end = opened.secured_at;
        Upstream {
            io: opened.transport,
            _permit: permit,
            _open: host.shared.open_connection(),
            _active: host.shared.begin_request(),
            counted,
        }
    }

    fn destination(&self, cluster: &Cluster) -> Option<std::net::SocketAddr> {
        let Discovery::OriginalDst(settings) = &cluster.info.discovery else {
            return None;
        };
        let mut destination = self.facts.local;
        if let Some(port) = settings.port_override {
            destination.set_port(port);
        }
        Some(destination)
    }

    /// Copies both ways until both sides have ended, one breaks, or nothing moves for too long.
    async fn copy(&mut self, mut down: Transport, prefix: Vec<u8>, mut up: Upstream) {
        let mut there = OneWay {
            buffer: RecvBuf::with(prefix),
            ..OneWay::default()
        };
        let mut back = OneWay::default();
        let mut timer = Deadline::default();
        let mut active_at = Instant::now();
        let mut upstream_first = false;
        let oldest = self
            .proxy
            .max_duration
            .map(|limit| self.facts.started + limit);
        let (guard, idle) = (&self.guard, self.proxy.idle_timeout);
        let end = std::future::poll_fn(|cx| {
            guard.register(cx.waker());
            if guard.phase() >= Phase::Ended {
                return Poll::Ready(End::Local);
            }
            let before = there.bytes + back.bytes;
            if let Poll::Ready(Err(side)) = there.poll(&mut down, &mut up.io, cx) {
                return Poll::Ready(match side {
                    Side::Read | Side::Reset => End::Downstream,
                    Side::Write => End::Upstream,
                });
            }
            if let Poll::Ready(Err(side)) = back.poll(&mut up.io, &mut down, cx) {
                return Poll::Ready(match side {
                    Side::Read => End::Upstream,
                    Side::Reset => End::UpstreamReset,
                    Side::Write => End::Downstream,
                });
            }
            upstream_first |= back.ended && !there.ended;
            if there.ended && back.ended {
                return Poll::Ready(End::Both);
            }
            if there.bytes + back.bytes != before {
                active_at = Instant::now();
            }
            loop {
                let due = earlier(idle.map(|limit| active_at + limit), oldest);
                std::task::ready!(timer.poll(due, cx));
                if due.is_some_and(|due| Instant::now() >= due) {
                    return Poll::Ready(End::Idle);
                }
            }
        })
        .await;
        // Whoever ends last closes the connection.
        if matches!(end, End::Upstream | End::UpstreamReset) || end == End::Both && !upstream_first
        {
            up.counted.closed_by_peer();
        }
        self.record.received.body = there.bytes;
        self.record.received.wire = there.bytes;
        self.record.sent.body = back.bytes;
        self.record.sent.wire = back.bytes;
        if end == End::UpstreamReset {
            self.record
                .flags
                .insert(ResponseFlags::UPSTREAM_REMOTE_RESET);
            // The client learns of it as Envoy's clients do: by a reset too.
            if let Some(socket) = down.tcp() {
                let _ = socket.set_zero_linger();
            }
        }
        if end == End::Idle {
            hooks::tcp_idle(&self.worker, &self.proxy);
        }
        // Envoy sets no further response flags; the flight recorder is told nevertheless.
        let (code, text) = match end {
            End::Both => return,
            End::Downstream => ("downstream_reset", "the client reset the connection"),
            End::Upstream | End::UpstreamReset => {
                ("upstream_reset", "the upstream reset the connection")
            }
            End::Idle => (
                "tcp_session_idle_timeout",
                "no byte in either direction for the idle timeout",
            ),
            End::Local => ("drained", "the listener was drained and its time was up"),
        };
        self.record.cause = Some(Cause {
            code,
            text: text.into(),
        });
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Both,
    Downstream,
    /// It broke, or took no more.
    Upstream,
    /// It sent RST.
    UpstreamReset,
    Idle,
    Local,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Read,
    /// Reading found that the peer sent RST.
    Reset,
    Write,
}

/// One direction; a source's end is passed on as a half-close.
#[derive(Debug, Default)]
struct OneWay {
    buffer: RecvBuf,
    bytes: u64,
    eof: bool,
    ended: bool,
}

impl OneWay {
    fn poll(
        &mut self,
        from: &mut Transport,
        to: &mut Transport,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Side>> {
        while !self.ended {
            while !self.buffer.is_empty() {
                match std::task::ready!(Pin::new(&mut *to).poll_write(cx, self.buffer.unread())) {
                    Ok(0) | Err(_) => return Poll::Ready(Err(Side::Write)),
                    Ok(n) => {
                        self.buffer.consume(n);
                        self.bytes += n as u64;
                    }
                }
            }
            if to.buffers_writes() && std::task::ready!(Pin::new(&mut *to).poll_flush(cx)).is_err()
            {
                return Poll::Ready(Err(Side::Write));
            }
            if self.eof {
                if std::task::ready!(Pin::new(&mut *to).poll_shutdown(cx)).is_err() {
                    return Poll::Ready(Err(Side::Write));
                }
                self.ended = true;
                break;
            }
            match std::task::ready!(self.buffer.poll_read(from, cx)) {
                Ok(0) => self.eof = true,
                Ok(_) => {}
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => {
                    return Poll::Ready(Err(Side::Reset));
                }
                Err(_) => return Poll::Ready(Err(Side::Read)),
            }
        }
        Poll::Ready(Ok(()))
    }
}
