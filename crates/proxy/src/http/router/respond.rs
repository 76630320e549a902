//! The response of the attempt that counts, and the rest of both bodies.

use std::task::Poll;
use std::time::Instant;

use super::answer;
use super::attempt::Plan;
use super::clocks::Expiry;
use super::failure::{Failure, ResetReason};
use super::forward::Routing;
use super::relay::{Broken, Relay};
use super::upstream::Upstream;
use super::{Stop, Turn};
use crate::codec::h1::BodyLength;
use crate::downstream::drain::Phase;
use crate::http::stream::{Stream, StreamError};
use crate::http::{HeaderId, HeaderList, hcm};
use crate::observe::hooks;
use crate::observe::record::{Cut, ResponseFlags};
use crate::resilience::outlier::Outcome;

/// Envoy's details of a response that was cut off.
const BROKEN: &str = "upstream_reset_after_response_started";

impl Turn<'_> {
    pub(super) async fn respond(
        &mut self,
        routing: Routing<'_>,
        mut plan: Plan,
        mut up: Upstream,
    ) -> Result<(), Stop> {
        let now = Instant::now();
        let moments = &mut self.record.moments;
        moments.upstream_rx_begin = Some(now);
        moments.downstream_tx_begin = Some(now);
        (plan.clocks.per_try, plan.clocks.per_try_idle) = (None, None);
        plan.clocks.active_at = now;
        let tunnel = plan.upgrade && self.switches_protocol();
        self.response_headers(routing, &plan, tunnel, now);
        let mut download = self.send_head(plan.upgrade, tunnel, &mut up)?;
        if plan.upgrade && !tunnel {
            // The request has no end: its connection ends with it.
            up.meta().counted.interrupted();
            self.record.cut = Some(Cut::Client);
        }
        if tunnel {
            plan.upload = Relay::default();
        }
        self.outlier(&plan, Outcome::Response(self.record.status));
        let result = self
            .exchange(&mut plan, &mut up, &mut download, tunnel)
            .await;
        self.account(&plan, &up, &download);
        match result {
            Ok(()) => {
                self.trailers = download.trailers.take();
                self.note_grpc_status();
                let now = Instant::now();
                self.record.moments.upstream_rx_end = Some(now);
                self.record.moments.downstream_tx_end = Some(now);
                plan.release();
                if tunnel {
                    self.manner.close = true;
                }
                up.give_back(now);
                Ok(())
            }
            Err(stop) => {
                up.abandon();
                Err(stop)
            }
        }
    }

    fn switches_protocol(&self) -> bool {
        self.response.status == 101
            || ((self.request.is_connect() || self.down_is_h2())
                && (200..300).contains(&self.response.status))
    }

    fn response_headers(&mut self, routing: Routing<'_>, plan: &Plan, tunnel: bool, now: Instant) {
        self.record.status = self.response.status;
        self.record.details = "via_upstream".into();
        self.record.is_grpc |= self.request.is_grpc();
        if self.envoy_headers()
            && let Some(begun) = self.record.moments.request_end
        {
            let elapsed = now.saturating_duration_since(begun).as_millis();
            let mut digits = itoa::Buffer::new();
            let text = digits.format(elapsed);
            self.response
                .headers
                .set_id(HeaderId::XEnvoyUpstreamServiceTime, text.as_bytes());
        }
        self.finalize_response(routing, plan);
        hcm::process_response(
            self.worker,
            self.hcm,
            self.request,
            self.response,
            tunnel,
            now,
        );
        self.record.status = self.response.status;
    }

    fn send_head(&mut self, upgrade: bool, tunnel: bool, up: &mut Upstream) -> Result<Relay, Stop> {
        // As Envoy: an answer before the end of the request is the connection's last. What asks for an upgrade has
        // no end: the client may have begun to speak the other protocol.
        let early = !self.down_is_h2() && (upgrade || !self.down.body_done());
        self.manner.close |= early || self.last.is_last();
        self.manner.tunnel = tunnel;
        self.head_sent = true;
        let body = self.response.body;
        let reusable = answer::send_response(self.down, self.response, body, self.manner)
            .map_err(Stop::Downstream)?;
        self.manner.close |= !reusable;
        self.record.sent.head = match &*self.down {
            Stream::H1(conn) => conn.send.pending() as u64,
            Stream::H2(_) => self.response.headers.byte_size() as u64,
        };
        if tunnel && let Stream::H1(conn) = &mut up.stream {
            conn.become_tunnel();
        }
        let bodiless = (body == BodyLength::None || self.manner.to_head_request) && !tunnel;
        Ok(if bodiless {
            Relay::ended()
        } else {
            Relay::default()
        })
    }

    /// Moves both bodies until the response is complete and delivered.
    async fn exchange(
        &mut self,
        plan: &mut Plan,
        up: &mut Upstream,
        download: &mut Relay,
        tunnel: bool,
    ) -> Result<(), Stop> {
        let (mut upload_broken, mut shut) = (false, false);
        std::future::poll_fn(|cx| {
            if !plan.upload.done && !upload_broken {
                match plan.upload.poll(self.down, &mut up.stream, cx) {
                    Poll::Ready(Err(Broken::Source(error))) => {
                        return Poll::Ready(Err(Stop::Downstream(error)));
                    }
                    // The upstream has heard enough; its response goes on.
                    Poll::Ready(Err(Broken::Sink(_))) => upload_broken = true,
                    Poll::Ready(Ok(())) | Poll::Pending => {}
                }
                self.note_upload(plan);
            }
            if tunnel && plan.upload.done && !shut {
                // The client has ended its direction: so do we, and the other one may go on.
                shut = up.stream.poll_shutdown(cx).is_ready();
            }
            match download.poll(&mut up.stream, self.down, cx) {
                Poll::Ready(Ok(())) => {
                    if tunnel && !plan.upload.done {
                        self.tunnel_closed(up);
                    }
                    return Poll::Ready(Ok(()));
                }
                Poll::Ready(Err(Broken::Source(error))) => {
                    let framed = !tunnel && matches!(up.stream, Stream::H1(_));
                    up.note_broken(&error);
                    return Poll::Ready(Err(self.upstream_broke(&error, framed, up)));
                }
                Poll::Ready(Err(Broken::Sink(error))) => {
                    return Poll::Ready(Err(Stop::Downstream(error)));
                }
                Poll::Pending => {}
            }
            if self.last.guard.phase() == Phase::Ended {
                return Poll::Ready(Err(Stop::Broken));
            }
            if download.moved {
                download.moved = false;
                plan.clocks.active_at = Instant::now();
            }
            if plan.upload.done
                && !tunnel
                && let Poll::Ready(error) = self.down.poll_gone(cx)
            {
                return Poll::Ready(Err(Stop::Downstream(error)));
            }
            loop {
                std::task::ready!(self.timer.poll(plan.clocks.next(), cx));
                if let Some(expiry) = plan.clocks.expired(Instant::now()) {
                    return Poll::Ready(Err(self.late(plan, expiry)));
                }
            }
        })
        .await
    }

    /// The upstream ended a tunnel before the client did; to Envoy that is a connection lost.
    fn tunnel_closed(&mut self, up: &Upstream) {
        if matches!(up.stream, Stream::H1(_)) {
            let failure = Failure::new(ResetReason::ConnectionTermination);
            self.record.flags.insert(failure.reason.flags());
            self.record.details = failure.details(BROKEN).into();
            self.record.cut = Some(Cut::Proxy);
            self.on.closed_by_us();
            up.meta().counted.closed_by_peer();
            up.meta().counted.interrupted();
        }
    }

    /// The upstream broke in the middle of its response. `framed`: HTTP/1 said where that would end, so that any
    /// other end breaks the protocol.
    fn upstream_broke(&mut self, error: &StreamError, framed: bool, up: &Upstream) -> Stop {
        let mut failure = Failure::stream(error);
        if framed && failure.reason == ResetReason::ConnectionTermination {
            up.meta().counted.protocol_error();
            failure.reason = ResetReason::ProtocolError;
        }
        self.record.flags.insert(failure.reason.flags());
        self.record.details = failure.details(BROKEN).into();
        self.record.cause = failure.detail.map(|text| crate::observe::record::Cause {
            code: "upstream_broke_response",
            text: text.into(),
        });
        Stop::Broken
    }

    /// A time limit passed after the response had begun.
    fn late(&mut self, plan: &Plan, expiry: Expiry) -> Stop {
        let (flag, details) = match expiry {
            Expiry::Response | Expiry::PerTry | Expiry::PerTryIdle => {
                hooks::response_timeout(self.worker, &plan.cluster);
                (ResponseFlags::UPSTREAM_REQUEST_TIMEOUT, "response_timeout")
            }
            Expiry::StreamIdle => (ResponseFlags::STREAM_IDLE_TIMEOUT, "stream_idle_timeout"),
            Expiry::MaxStream => (ResponseFlags::default(), "max_duration_timeout"),
            Expiry::Request => (ResponseFlags::default(), "request_overall_timeout"),
        };
        self.record.flags.insert(flag);
        self.record.details = details.into();
        Stop::Broken
    }

    fn account(&mut self, plan: &Plan, up: &Upstream, download: &Relay) {
        let record = &mut self.record;
        record.received.body = plan.upload.bytes;
        record.sent.body = download.bytes;
        record.upstream_sent.body = plan.upload.bytes;
        record.upstream_received.body = download.bytes;
        (record.upstream_received.wire, record.upstream_sent.wire) = up.wire();
    }

    pub(super) fn note_grpc_status(&mut self) {
        let from = |list: &HeaderList| {
            std::str::from_utf8(list.get_id(HeaderId::GrpcStatus)?)
                .ok()?
                .parse::<u8>()
                .ok()
        };
        if self.record.is_grpc {
            self.record.grpc_status = self
                .trailers
                .as_deref()
                .and_then(from)
                .or_else(|| from(&self.response.headers));
        }
    }
}
