//! One attempt: endpoint, connection, request out, until the response's head is here or the attempt has failed.

use std::cell::Cell;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use super::clocks::{Clocks, Expiry};
use super::failure::{Failure, ResetReason};
use super::forward::Routing;
use super::limits::PER_TRY;
use super::relay::{Broken, Relay};
use super::target::target;
use super::upstream::Upstream;
use super::{Stop, Turn};
use crate::balance::{ActiveRequest, Ask, Host, NoHost};
use crate::codec::h1::Limits;
use crate::config::Cluster;
use crate::config::route::Priority;
use crate::downstream::drain::Phase;
use crate::filters::fault::AbortWith;
use crate::http::hcm::Reply;
use crate::http::stream::StreamError;
use crate::http::{HeaderId, Scheme, Version};
use crate::observe::hooks;
use crate::observe::record::ResponseFlags;
use crate::resilience::breaker::{Permit, Resource};
use crate::resilience::outlier::Outcome;
use crate::resilience::replay::{self, Replay};
use crate::resilience::retry::RetryState;
use crate::resilience::timeout::RequestTimeouts;
use crate::upstream::{self, AcquireError, Acquired, Effort, PoolProtocol, Target};

/// What stays the same, or is carried over, from attempt to attempt.
pub(super) struct Plan {
    pub(super) cluster: Arc<Cluster>,
    pub(super) priority: Priority,
    pub(super) upload: Relay,
    pub(super) clocks: Clocks,
    pub(super) timeout: Option<Duration>,
    pub(super) per_try: Option<Duration>,
    pub(super) retry: Option<RetryState>,
    /// The policy has asked for another attempt before.
    pub(super) retried: bool,
    pub(super) upgrade: bool,
    pub(super) per_try_idle: Option<Duration>,
    /// For `x-envoy-expected-rq-timeout-ms`.
    pub(super) limits: RequestTimeouts,
    pub(super) replays: u32,
    /// Informational responses passed on.
    pub(super) interims: u32,
    /// The last attempt ended by its time limit.
    pub(super) after_timeout: bool,
    /// `x-envoy-upstream-rq-timeout-alt-response`
    pub(super) alt_response: bool,
    /// Copies to send once the body is complete.
    pub(super) mirrors: Vec<super::mirror::Copy>,
    pub(super) permit: Option<Permit>,
    pub(super) active: Option<ActiveRequest>,
    pub(super) retry_permit: Option<Permit>,
}

impl Plan {
    /// Time limits of the response begin.
    pub(super) fn request_complete(&mut self, now: Instant) {
        self.clocks.request = None;
        self.clocks.response = self.timeout.map(|limit| now + limit);
        self.begin_try(now);
    }

    /// The limits of one attempt begin.
    pub(super) fn begin_try(&mut self, now: Instant) {
        if self.upload.ended {
            self.clocks.per_try = self.per_try.map(|limit| now + limit);
        }
        self.clocks.per_try_idle = self.per_try_idle;
    }

    /// Lets go of what the last attempt held.
    pub(super) fn release(&mut self) {
        self.permit = None;
        self.active = None;
    }
}

/// Why an attempt has no response.
pub(super) enum Attempt {
    /// The request as a whole is over.
    Stop(Stop),
    NoHost(NoHost),
    /// An injected abort, to be judged like a response.
    Fault(AbortWith),
    /// With the details of the limit.
    PerTryTimeout(&'static str),
    /// Broken upstream; true: it may be sent again at once, whatever the retry policy says.
    Failed(Failure, bool),
}

impl From<Stop> for Attempt {
    fn from(stop: Stop) -> Self {
        Self::Stop(stop)
    }
}

impl Turn<'_> {
    pub(super) async fn attempt(
        &mut self,
        routing: Routing<'_>,
        plan: &mut Plan,
    ) -> Result<Upstream, Attempt> {
        plan.release();
        let now = Instant::now();
        plan.begin_try(now);
        plan.clocks.active_at = now;
        self.attempt_fault(routing, plan).await?;
        let host = self.choose_host(plan, now)?;
        plan.active = Some(host.shared.begin_request());
        self.auto_host(&host);
        if self.hcm.scheme_match_upstream {
            self.request.scheme = if host.transport.is_some() {
                Scheme::Https
            } else {
                Scheme::Http
            };
        }
        let acquired = self.connection(plan, host).await?;
        // As Envoy's pools: requests that wait for a connection are pending, not active.
        let breaker = plan.cluster.breaker(plan.priority);
        let Some(permit) = breaker.try_take(Resource::Requests) else {
            acquired.give_back(Instant::now());
            hooks::active_overflow(self.worker, &plan.cluster);
            return Err(Attempt::Failed(Failure::new(ResetReason::Overflow), false));
        };
        plan.permit = Some(permit);
        hooks::on_attempt(self.worker, &plan.cluster);
        self.note_attempt_headers(plan);
        let limits = &plan.cluster.info.http;
        let limits = Limits {
            bytes: limits.max_response_headers_bytes,
            fields: limits.max_response_headers_count as usize,
        };
        let ended = plan.upload.ended
            && plan
                .upload
                .replay
                .as_ref()
                .is_none_or(|replay| replay.bytes.is_empty());
        let ended = ended && plan.upload.trailers.is_none() && !plan.upgrade;
        let begun = Upstream::begin(acquired, self.request, ended, plan.upgrade, limits).await;
        let mut up = match begun {
            Ok(up) => up,
            Err(failure) => return Err(self.judge(plan, failure, None)),
        };
        self.note_connection(&up);
        if !self.resume_upload(plan, &mut up) {
            return Err(Attempt::Failed(
                Failure::new(ResetReason::ConnectionTermination),
                false,
            ));
        }
        match self.await_head(plan, &mut up).await {
            Ok(()) => {
                plan.retry_permit = None;
                Ok(up)
            }
            Err(Waiting::Upstream(error)) => {
                let failure = Failure::stream(&error);
                Err(self.judge(plan, failure, Some((up, error))))
            }
            Err(Waiting::PerTry(details)) => {
                up.abandon();
                Err(Attempt::PerTryTimeout(details))
            }
            Err(Waiting::Stop(stop)) => {
                up.abandon();
                Err(Attempt::Stop(stop))
            }
        }
    }

    /// Faults of routes that combine them with retries: each attempt draws anew, delays count against the timeouts.
    async fn attempt_fault(
        &mut self,
        routing: Routing<'_>,
        plan: &mut Plan,
    ) -> Result<(), Attempt> {
        if !routing.filters.fault_in_retry {
            return Ok(());
        }
        let Some(injection) = self.injection(routing.filters, Some(plan.cluster.id)) else {
            return Ok(());
        };
        if let Some(delay) = injection.delay {
            let _active = self.worker.shared.faults.begin();
            self.note_delay();
            match self.watch(plan, tokio::time::sleep(delay)).await {
                Ok(()) => {}
                Err(Stop::Reply(reply)) if reply.details == PER_TRY => {
                    return Err(Attempt::PerTryTimeout(PER_TRY));
                }
                Err(stop) => return Err(Attempt::Stop(stop)),
            }
        }
        match injection.abort {
            Some(abort) => Err(Attempt::Fault(abort)),
            None => Ok(()),
        }
    }

    fn choose_host(&mut self, plan: &mut Plan, now: Instant) -> Result<Arc<Host>, Attempt> {
        let (avoid, more_picks) = plan.retry.as_ref().map_or((&[][..], 0), RetryState::avoid);
        let ask = Ask {
            avoid,
            more_picks,
            destination: self.destination(&plan.cluster),
            now,
        };
        let pick = self.worker.choose(&plan.cluster, &ask).map_err(|reason| {
            hooks::none_healthy(self.worker, &plan.cluster);
            if matches!(reason, NoHost::Empty | NoHost::Panic) {
                hooks::healthy_panic(self.worker, &plan.cluster);
            }
            Attempt::NoHost(reason)
        })?;
        if pick.panic {
            hooks::healthy_panic(self.worker, &plan.cluster);
        }
        if let Some(retry) = &mut plan.retry {
            retry.attempt(&pick.host);
        }
        if let Some(before) = self.record.host.replace(Arc::clone(&pick.host)) {
            self.record.hosts_attempted.push(before);
        }
        Ok(pick.host)
    }

    async fn connection(&mut self, plan: &mut Plan, host: Arc<Host>) -> Result<Acquired, Attempt> {
        let target = self.target(plan, host);
        let now = Instant::now();
        let pool = target.pool(self.worker, now);
        // A replay after an idle race takes a new connection: others of the pool may be dying as well.
        let fresh = plan.replays > 0 && target.protocol != PoolProtocol::Http2;
        if !fresh && let Some(found) = upstream::ready(&pool, now) {
            return Ok(found);
        }
        let effort = Cell::new(Effort::default());
        let worker = self.worker;
        let result = {
            let acquiring = pin!(upstream::acquire(worker, &target, &pool, &effort));
            self.watch(plan, acquiring).await
        };
        let effort = effort.get();
        self.record.moments.upstream_connect_begin = effort.begin;
        self.record.moments.upstream_connect_end = effort.connected;
        self.record.moments.upstream_handshake_end = effort.secured;
        match result {
            Err(Stop::Reply(reply)) if reply.details == PER_TRY => {
                Err(Attempt::PerTryTimeout(PER_TRY))
            }
            Err(stop) => Err(Attempt::Stop(stop)),
            Ok(Ok(acquired)) => Ok(acquired),
            Ok(Err(error)) => {
                let timeout = matches!(
                    &error,
                    AcquireError::Connect(upstream::ConnectError::Timeout)
                );
                if matches!(&error, AcquireError::Connect(_)) {
                    self.outlier(
                        plan,
                        if timeout {
                            Outcome::ConnectTimeout
                        } else {
                            Outcome::ConnectFailure
                        },
                    );
                }
                Err(Attempt::Failed(Failure::acquire(error), false))
            }
        }
    }

    fn target(&self, plan: &Plan, host: Arc<Host>) -> Target {
        let downstream = if self.down_is_h2() {
            Version::Http2
        } else {
            Version::Http11
        };
        let own_pool = plan.cluster.info.connection_pool_per_downstream_connection;
        let mut target = target(
            &self.config,
            &plan.cluster,
            host,
            plan.priority,
            self.request,
            downstream,
        );
        target.downstream = if own_pool { self.connection.id } else { 0 };
        target
    }

    /// Queues again what earlier attempts sent; false when that is no longer known.
    fn resume_upload(&mut self, plan: &mut Plan, up: &mut Upstream) -> bool {
        plan.upload.done = false;
        match &plan.upload.replay {
            Some(replay) if !replay.bytes.is_empty() => up.stream.push(&replay.bytes),
            Some(_) => {}
            None => return plan.upload.bytes == 0,
        }
        if plan.upload.ended && !plan.upgrade {
            up.stream.finish(plan.upload.trailers.as_deref());
        }
        true
    }

    /// Sends the request and waits for the response's head.
    async fn await_head(&mut self, plan: &mut Plan, up: &mut Upstream) -> Result<(), Waiting> {
        let mut send_error = None;
        std::future::poll_fn(|cx| {
            if !plan.upload.done && send_error.is_none() {
                match plan.upload.poll(self.down, &mut up.stream, cx) {
                    Poll::Ready(Err(Broken::Source(error))) => {
                        return Poll::Ready(Err(Waiting::Stop(self.client_fault(error))));
                    }
                    // The peer may have answered and closed: what it said counts.
                    Poll::Ready(Err(Broken::Sink(error))) => send_error = Some(error),
                    Poll::Ready(Ok(())) | Poll::Pending => {}
                }
                self.note_upload(plan);
            }
            loop {
                match up.poll_head(self.request.method(), self.response, cx) {
                    Poll::Ready(Ok(bytes)) => {
                        if self.response.is_informational() {
                            if let Err(error) = self.pass_interim(plan) {
                                return Poll::Ready(Err(Waiting::Stop(Stop::Downstream(error))));
                            }
                            continue;
                        }
                        self.record.upstream_received.head = bytes;
                        return Poll::Ready(Ok(()));
                    }
                    Poll::Ready(Err(error)) => {
                        return Poll::Ready(Err(Waiting::Upstream(
                            send_error.take().unwrap_or(error),
                        )));
                    }
                    Poll::Pending => break,
                }
            }
            if let Poll::Ready(Err(error)) = self.down.poll_flush(cx) {
                return Poll::Ready(Err(Waiting::Stop(Stop::Downstream(error))));
            }
            // While the body is still coming, reading it shows whether the client is there.
            if (plan.upload.done || send_error.is_some())
                && let Poll::Ready(error) = self.down.poll_gone(cx)
            {
                return Poll::Ready(Err(Waiting::Stop(Stop::Downstream(error))));
            }
            if self.last.guard.phase() == Phase::Ended {
                return Poll::Ready(Err(Waiting::Stop(Stop::Broken)));
            }
            self.poll_clocks(plan, cx).map(|expiry| match expiry {
                Expiry::PerTry => Err(Waiting::PerTry(PER_TRY)),
                Expiry::PerTryIdle => Err(Waiting::PerTry("upstream_per_try_idle_timeout")),
                other => Err(Waiting::Stop(self.expired(plan, other))),
            })
        })
        .await
    }

    /// The client broke its own request.
    fn client_fault(&mut self, error: StreamError) -> Stop {
        self.record.charged = false;
        match error {
            StreamError::Malformed(at) => {
                self.record.cause = Some(crate::http::cause_of(&at));
                Reply::new(
                    at.fault.status(),
                    reason(at.fault.status()),
                    at.fault.details(),
                )
                .flag(ResponseFlags::DOWNSTREAM_PROTOCOL_ERROR)
                .closing()
                .into()
            }
            other => Stop::Downstream(other),
        }
    }

    pub(super) fn note_upload(&mut self, plan: &mut Plan) {
        if !plan.upload.moved {
            return;
        }
        plan.upload.moved = false;
        let now = Instant::now();
        plan.clocks.active_at = now;
        self.record.received.body = plan.upload.bytes;
        if plan.upload.ended && self.record.moments.request_end.is_none() {
            self.record.moments.request_end = Some(now);
            plan.request_complete(now);
            self.send_mirrors(plan);
        }
    }

    /// Decides whether a failed attempt may be repeated as if it had never been; the proof is [`replay::judge`]'s.
    fn judge(
        &mut self,
        plan: &mut Plan,
        failure: Failure,
        broken: Option<(Upstream, StreamError)>,
    ) -> Attempt {
        let up = broken.as_ref().map(|(up, _)| up);
        let refused = broken
            .as_ref()
            .is_none_or(|(_, error)| *error == StreamError::Refused);
        let lost = matches!(
            &broken,
            Some((_, StreamError::Closed | StreamError::ConnectionReset))
        );
        let verdict = replay::judge(&replay::Failure {
            method: self.request.method(),
            reused_connection: lost && up.is_some_and(|up| up.reused),
            request_bytes_written: u64::from(!up.is_none_or(Upstream::unsent)),
            response_bytes_received: u64::from(!refused && !up.is_none_or(Upstream::silent)),
            body_replayable: plan.upload.replay.is_some() && !plan.upgrade,
            peer_refused: refused,
            replays: plan.replays,
        });
        if let Some((mut up, error)) = broken {
            if refused {
                up.retire();
            }
            up.note_broken(&error);
            up.abandon();
        }
        let replayable = matches!(verdict, Replay::Safe(_));
        if replayable {
            plan.replays += 1;
        } else {
            self.outlier(plan, Outcome::RequestFailed);
        }
        Attempt::Failed(failure, replayable)
    }

    fn note_connection(&mut self, up: &Upstream) {
        let meta = up.meta();
        let record = &mut self.record;
        record.upstream_local = meta.local;
        record.upstream_remote = meta.remote;
        record.upstream_protocol = Some(up.stream.version());
        record.upstream_connection_id = Some(meta.id);
        record.upstream_reused = up.reused;
        record.upstream_tls = meta.tls.clone();
        record.upstream_sent.head = up.head_bytes;
        record.moments.upstream_tx_begin = Some(Instant::now());
    }

    /// For pass-through clusters.
    fn destination(&self, cluster: &Cluster) -> Option<std::net::SocketAddr> {
        let crate::config::cluster::Discovery::OriginalDst(settings) = &cluster.info.discovery
        else {
            return None;
        };
        let mut destination = match &settings.header {
            Some(name) => std::str::from_utf8(self.request.headers.get(name.as_str())?)
                .ok()?
                .parse()
                .ok()?,
            None => self.connection.local,
        };
        if let Some(port) = settings.port_override {
            destination.set_port(port);
        }
        Some(destination)
    }

    /// `x-envoy-attempt-count` changes with each attempt.
    /// What a later attempt says differently (Envoy's `doRetry`).
    fn note_attempt_headers(&mut self, plan: &Plan) {
        if self.record.attempts == 1 {
            return;
        }
        let counted = self
            .record
            .virtual_host
            .as_ref()
            .is_some_and(|vhost| vhost.include_request_attempt_count);
        if counted {
            let mut digits = itoa::Buffer::new();
            let count = digits.format(self.record.attempts);
            self.request
                .headers
                .set_id(HeaderId::XEnvoyAttemptCount, count.as_bytes());
        }
        let told = self
            .record
            .virtual_host
            .as_ref()
            .is_some_and(|vhost| vhost.include_is_timeout_retry_header);
        if told {
            let after_timeout: &[u8] = if plan.after_timeout {
                b"true"
            } else {
                b"false"
            };
            self.request
                .headers
                .set_id(HeaderId::XEnvoyIsTimeoutRetry, after_timeout);
        }
        let complete = self.record.moments.request_end;
        let elapsed = complete.map_or(Duration::ZERO, |complete| complete.elapsed());
        if self.envoy_headers()
            && let Some(expected) = plan.limits.expected_ms(elapsed)
        {
            let mut digits = itoa::Buffer::new();
            let text = digits.format(expected);
            self.request
                .headers
                .set_id(HeaderId::XEnvoyExpectedRqTimeoutMs, text.as_bytes());
        }
    }
}

/// Why waiting for a head ended without one.
enum Waiting {
    Upstream(StreamError),
    PerTry(&'static str),
    Stop(Stop),
}

fn reason(status: u16) -> &'static str {
    crate::codec::h1::reason_phrase(status)
}
