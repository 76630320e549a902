//! Forwards a request: cluster, attempts, retries, and the response of the attempt that counts.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::attempt::{Attempt, Plan};
use super::clocks::Clocks;
use super::failure::{Failure, ResetReason};
use super::limits::PER_TRY;
use super::relay::{Relay, Replay};
use super::{Stop, Turn};
use crate::balance::NoHost;
use crate::codec::h1::BodyLength;
use crate::config::Cluster;
use crate::config::ids::ClusterId;
use crate::config::retry::RetryOn;
use crate::config::route::{
    ClusterChoice, Forward, Route, RouteFilters, RouteTable, VirtualHost, WeightedCluster,
    WeightedTarget,
};
use crate::http::HeaderId;
use crate::http::hcm::Reply;
use crate::http::stream::Stream;
use crate::observe::counted::Upgrade;
use crate::observe::hooks;
use crate::observe::record::{Cause, Cut, ResponseFlags};
use crate::resilience::replay::is_idempotent;
use crate::resilience::retry::RetryState;
use crate::resilience::timeout::{request_timeouts, stream_duration};

/// Everything that the configuration says about one forwarded request.
#[derive(Clone, Copy)]
pub(super) struct Routing<'r> {
    pub(super) table: &'r RouteTable,
    pub(super) vhost: &'r VirtualHost,
    pub(super) route: &'r Route,
    pub(super) forward: &'r Forward,
    pub(super) weighted: Option<&'r WeightedCluster>,
    /// The route's filters, with those of the weighted cluster on top.
    pub(super) filters: &'r RouteFilters,
}

impl Turn<'_> {
    pub(super) async fn forward(
        &mut self,
        routing: Routing<'_>,
        id: Option<ClusterId>,
    ) -> Result<(), Stop> {
        let forward = routing.forward;
        let cluster = id.and_then(|id| self.config.cluster(id).cloned());
        let Some(cluster) = cluster else {
            let reply = Reply::new(forward.cluster_not_found_status, "", "cluster_not_found");
            return Err(reply.flag(ResponseFlags::NO_CLUSTER_FOUND).into());
        };
        self.record.cluster = Some(Arc::clone(&cluster.info));
        let upgrade = self.check_upgrade(forward).inspect_err(|_| {
            // Envoy's connection manager refuses it before any filter.
            self.record.routed = false;
            self.record.cut = Some(Cut::Client);
            hooks::in_http(self.worker, self.hcm, |group| {
                group.downstream_rq_ws_on_non_ws_route.inc();
            });
        })?;
        let hcm = self.hcm;
        let _upgraded = upgrade.then(|| Upgrade::new(hcm));
        self.check_envoy_headers()?;
        let mut plan = self.plan(routing, cluster, upgrade);
        self.finalize_request(routing, &plan);
        self.mirror(routing, &mut plan);
        loop {
            self.record.attempts += 1;
            match self.attempt(routing, &mut plan).await {
                Ok(up) => {
                    let wait = match self.retry_on_response(&mut plan) {
                        None => return self.respond(routing, plan, up).await,
                        Some(wait) => wait,
                    };
                    up.leave(Instant::now());
                    self.back_off(&mut plan, wait).await?;
                }
                Err(Attempt::Stop(stop)) => return Err(stop),
                Err(Attempt::Fault(abort)) => {
                    let reply = self.aborted(abort);
                    reply.write(self.response, self.record.is_grpc);
                    match self.retry_on_response(&mut plan) {
                        Some(wait) => self.back_off(&mut plan, wait).await?,
                        None => return Err(reply.into()),
                    }
                }
                Err(Attempt::NoHost(reason)) => return Err(no_host(reason)),
                Err(Attempt::PerTryTimeout(details)) => {
                    plan.after_timeout = true;
                    let idle = details != PER_TRY;
                    hooks::per_try_timeout(self.worker, &plan.cluster, idle);
                    match self.retry_on_timeout(&mut plan) {
                        Some(wait) => self.back_off(&mut plan, wait).await?,
                        None => return Err(plan.timed_out(details).into()),
                    }
                }
                Err(Attempt::Failed(failure, replayable)) => {
                    if replayable {
                        // The idle race: nothing was lost, and this is no retry of the route's policy.
                        self.record.replays += 1;
                        self.record.attempts -= 1;
                        continue;
                    }
                    match self.retry_on_failure(&mut plan, &failure) {
                        Some(wait) => self.back_off(&mut plan, wait).await?,
                        None => return Err(self.failed(&failure)),
                    }
                }
            }
        }
    }

    fn failed(&mut self, failure: &Failure) -> Stop {
        self.record.upstream_failure = failure
            .transport
            .as_ref()
            .map(|text| text.replace(' ', "_").into());
        self.record.cause = Some(self.cause(failure));
        failure.reply(self.record.attempts).into()
    }

    /// What happened, for the flight recorder.
    fn cause(&self, failure: &Failure) -> Cause {
        use std::fmt::Write;
        let record = &self.record;
        let mut text = String::from(failure.reason.text());
        if let Some(address) = record.upstream_remote {
            let _ = write!(text, ", upstream {address}");
        }
        if let Some(transport) = &failure.transport {
            let _ = write!(text, ": {transport}");
        }
        if let Some(detail) = &failure.detail {
            let _ = write!(text, ": {detail}");
        }
        let race = failure.reason == ResetReason::ConnectionTermination && record.upstream_reused;
        if race {
            text.push_str(
                "; the connection had been idle and the upstream closed it as the request arrived; \
                 sending it again was not provably safe",
            );
        }
        Cause {
            code: if race {
                "idle_race"
            } else {
                failure.reason.code()
            },
            text: text.into(),
        }
    }

    pub(super) fn choose_cluster<'f>(
        &self,
        forward: &'f Forward,
    ) -> (Option<ClusterId>, Option<&'f WeightedCluster>) {
        let by_header = |name: &crate::config::LowerName| {
            let name = std::str::from_utf8(self.request.headers.get(name.as_str())?).ok()?;
            self.worker.shared.ids.find_cluster(name)
        };
        match &forward.cluster {
            ClusterChoice::One(id) => (Some(*id), None),
            ClusterChoice::Header(name) => (by_header(name), None),
            ClusterChoice::Weighted(weighted) => {
                let header = weighted
                    .random_header
                    .as_ref()
                    .and_then(|name| self.request.headers.get(name.as_str()));
                let Some(chosen) = weighted.choose(header, self.worker.random()) else {
                    return (None, None);
                };
                let id = match &chosen.cluster {
                    WeightedTarget::Id(id) => Some(*id),
                    WeightedTarget::Header(name) => by_header(name),
                };
                (id, Some(chosen))
            }
        }
    }

    fn plan(&mut self, routing: Routing<'_>, cluster: Arc<Cluster>, upgrade: bool) -> Plan {
        let forward = routing.forward;
        let timeouts = &self.hcm.timeouts;
        let start = self.record.start;
        let idle = match forward.idle_timeout {
            Some(Duration::ZERO) => None,
            Some(limit) => Some(limit),
            None => timeouts.stream_idle,
        };
        let retry = RetryState::new(forward.retry.as_ref(), &self.view());
        // What follows an upgrade belongs to the tunnel, not to the request.
        let ended = self.request.body == BodyLength::None || upgrade;
        let keeps_body = retry.is_some()
            || !forward.mirror.is_empty()
            || !routing.table.options.mirror.is_empty()
            || is_idempotent(self.request.method());
        let mut upload = if ended {
            Relay::ended()
        } else {
            Relay::default()
        };
        upload.replay = (keeps_body || ended).then(|| Replay {
            bytes: Vec::new(),
            limit: self.replay_limit(routing.route),
        });
        let respect = self
            .hcm
            .router()
            .is_some_and(|router| router.respect_expected_rq_timeout);
        let limits = request_timeouts(forward, &self.view(), respect);
        let max_stream = stream_duration(
            forward.max_stream_duration.as_ref(),
            timeouts.max_stream_duration,
            &self.view(),
        );
        let mut plan = Plan {
            cluster,
            priority: forward.priority,
            upload,
            clocks: Clocks {
                request: timeouts.request.map(|limit| start + limit),
                response: None,
                per_try: None,
                per_try_idle: None,
                max_stream: max_stream.map(|limit| start + limit),
                idle_limit: idle,
                active_at: start,
            },
            timeout: limits.global.filter(|_| !upgrade),
            per_try: limits.per_try.filter(|_| !upgrade),
            per_try_idle: limits.per_try_idle,
            limits,
            retry,
            retried: false,
            upgrade,
            replays: 0,
            interims: 0,
            after_timeout: false,
            alt_response: self
                .request
                .headers
                .has_id(HeaderId::XEnvoyUpstreamRqTimeoutAltResponse),
            mirrors: Vec::new(),
            permit: None,
            active: None,
            retry_permit: None,
        };
        if upgrade {
            self.record.moments.request_end = None;
        }
        if ended {
            plan.request_complete(start);
        }
        plan
    }

    fn replay_limit(&self, route: &Route) -> usize {
        let limit = u64::from(self.connection.listener.buffer_limit);
        usize::try_from(route.body_buffer_limit.unwrap_or(limit).min(MAX_REPLAY)).unwrap_or(0)
    }

    /// The router's `strict_check_headers`.
    fn check_envoy_headers(&self) -> Result<(), Stop> {
        let Some(router) = self.hcm.router() else {
            return Ok(());
        };
        for name in &router.strict_check_headers {
            let Some(value) = self.request.headers.get_str(name) else {
                continue;
            };
            let good = match &**name {
                "x-envoy-retry-on" | "x-envoy-retry-grpc-on" => RetryOn::parse(value).1.is_empty(),
                _ => value.parse::<u64>().is_ok(),
            };
            if !good {
                let body = format!("invalid header '{name}' with value '{value}'");
                let reply = Reply::new(
                    400,
                    body,
                    format!("request_headers_failed_strict_check{{{name}}}"),
                );
                return Err(reply
                    .flag(ResponseFlags::INVALID_ENVOY_REQUEST_HEADERS)
                    .into());
            }
        }
        Ok(())
    }

    /// RFC 9110 §7.8 and RFC 8441: an upgrade is passed on only where it is allowed.
    fn check_upgrade(&self, forward: &Forward) -> Result<bool, Stop> {
        let refused = || Reply::new(403, "", "upgrade_failed").closing().into();
        if self.request.is_connect() && self.request.protocol().is_empty() {
            return if self.hcm.upgrade_allowed(forward, b"connect") {
                Ok(true)
            } else {
                Err(refused())
            };
        }
        match self.request.upgrade() {
            None => Ok(false),
            Some(kind) if self.hcm.upgrade_allowed(forward, kind) => Ok(true),
            Some(_) => Err(refused()),
        }
    }

    /// Waits before the next attempt, unless the client leaves or time is up.
    async fn back_off(&mut self, plan: &mut Plan, wait: Duration) -> Result<(), Stop> {
        plan.release();
        // The limits of the attempt that ended do not bound the pause before the next one.
        (plan.clocks.per_try, plan.clocks.per_try_idle) = (None, None);
        if wait.is_zero() {
            return Ok(());
        }
        let until = Instant::now() + wait;
        let sleep = tokio::time::sleep_until(until.into());
        self.watch(plan, sleep).await.map(|_| ())
    }
}

/// A request is never kept for replay beyond this, whatever the listener's buffer limit is.
const MAX_REPLAY: u64 = 1024 * 1024;

fn no_host(reason: NoHost) -> Stop {
    match reason {
        NoHost::Dropped => Reply::new(503, "drop overload", "drop_overload")
            .flag(ResponseFlags::DROP_OVERLOAD)
            .into(),
        _ => Reply::new(503, "no healthy upstream", "no_healthy_upstream")
            .flag(ResponseFlags::NO_HEALTHY_UPSTREAM)
            .into(),
    }
}

impl Plan {
    /// The answer when the upstream took too long; internal clients may have asked for one that is no error.
    pub(super) fn timed_out(&self, details: &'static str) -> Reply {
        let (status, body) = match self.alt_response {
            false => (504, "upstream request timeout"),
            true => (204, ""),
        };
        Reply::new(status, body, details).flag(ResponseFlags::UPSTREAM_REQUEST_TIMEOUT)
    }
}

impl Turn<'_> {
    /// `:protocol` of the connection that a request asks for.
    pub(super) fn down_is_h2(&self) -> bool {
        matches!(self.down, Stream::H2(_))
    }
}
