//! HTTP filters before the router: CORS and faults.

use std::time::{Duration, Instant};

use super::{Stop, Turn};
use crate::config::hcm::HttpFilterKind;
use crate::config::ids::ClusterId;
use crate::config::route::RouteFilters;
use crate::filters::cors::{CorsPolicy, Verdict};
use crate::filters::fault::{ABORT_BODY, ABORT_DETAILS, AbortWith, Injection};
use crate::http::HeaderId;
use crate::http::hcm::Reply;
use crate::observe::hooks;
use crate::observe::record::ResponseFlags;

impl Turn<'_> {
    /// Runs the connection manager's filters in their order. `cluster` is the one chosen for a forwarded request.
    pub(super) async fn filter(
        &mut self,
        filters: &RouteFilters,
        cluster: Option<ClusterId>,
    ) -> Result<(), Stop> {
        let hcm = self.hcm;
        for filter in &hcm.filters {
            match &filter.kind {
                HttpFilterKind::Cors => self.cors_request(filters)?,
                HttpFilterKind::Fault(_) if filters.fault_in_retry && cluster.is_some() => {}
                HttpFilterKind::Fault(_) => {
                    if let Some(injection) = self.injection(filters, cluster) {
                        self.inject(injection).await?;
                    }
                }
                HttpFilterKind::Router(_) => break,
            }
        }
        Ok(())
    }

    /// The CORS policy in force, if the filter is.
    fn cors_policy<'f>(&self, filters: &'f RouteFilters) -> Option<&'f CorsPolicy> {
        let filter = self
            .hcm
            .filters
            .iter()
            .find(|filter| matches!(filter.kind, HttpFilterKind::Cors))?;
        let off = filters.cors_disabled || (filter.disabled && !filters.cors_enabled);
        filters.cors.as_deref().filter(|_| !off)
    }

    fn cors_request(&mut self, filters: &RouteFilters) -> Result<(), Stop> {
        let Some(policy) = self.cors_policy(filters) else {
            return Ok(());
        };
        let verdict = policy.judge(&self.view(), self.worker.random());
        hooks::in_http(self.worker, self.hcm, |group| match verdict {
            Verdict::Pass => {}
            Verdict::NotAllowed => group.origin_invalid.inc(),
            _ => group.origin_valid.inc(),
        });
        match verdict {
            Verdict::Pass | Verdict::NotAllowed | Verdict::Simple => Ok(()),
            // Answered by the filter itself, behind which nothing sees the answer.
            Verdict::EmptyPreflight => {
                self.chosen = None;
                Err(Reply::new(200, "", "cors_response").into())
            }
            Verdict::Preflight => {
                self.chosen = None;
                let mut staged = crate::http::HeaderList::default();
                for (name, value) in policy.preflight_headers(&self.view()) {
                    staged.append(name, value);
                }
                let mut reply = Reply::new(200, "", "cors_response");
                reply.staged = Some(staged);
                Err(reply.into())
            }
        }
    }

    pub(super) fn cors_response(&mut self, filters: &RouteFilters) {
        if !self.request.headers.has_id(HeaderId::Origin) {
            return;
        }
        let Some(policy) = self.cors_policy(filters) else {
            return;
        };
        if policy.judge(&self.view(), self.worker.random()) == Verdict::Simple {
            let origin = self
                .request
                .headers
                .get_id(HeaderId::Origin)
                .unwrap_or_default()
                .to_vec();
            for (name, value) in policy.response_headers(&origin) {
                self.response.headers.set(name, value);
            }
        }
    }

    /// What the fault filter injects into this request.
    pub(super) fn injection(
        &self,
        filters: &RouteFilters,
        cluster: Option<ClusterId>,
    ) -> Option<Injection> {
        let (filter, own) = self
            .hcm
            .filters
            .iter()
            .find_map(|filter| match &filter.kind {
                HttpFilterKind::Fault(own) => Some((filter, own)),
                _ => None,
            })?;
        if filters.fault_disabled || (filter.disabled && !filters.fault_enabled) {
            return None;
        }
        let policy = filters.fault.as_ref().or(own.as_ref())?;
        let shared = &self.worker.shared;
        let name = cluster
            .filter(|_| !policy.upstream_cluster.is_empty())
            .and_then(|id| shared.ids.cluster_name(id));
        let name = name.as_deref().unwrap_or_default();
        let worker = self.worker;
        let injection = policy.inject(&self.view(), name, shared.faults.count(), &mut || {
            worker.random()
        });
        (injection != Injection::default()).then_some(injection)
    }

    async fn inject(&mut self, injection: Injection) -> Result<(), Stop> {
        if let Some(delay) = injection.delay {
            let _active = self.worker.shared.faults.begin();
            self.note_delay();
            self.delay(delay).await?;
        }
        match injection.abort {
            Some(abort) => Err(self.aborted(abort).into()),
            None => Ok(()),
        }
    }

    pub(super) fn note_delay(&mut self) {
        self.record.flags.insert(ResponseFlags::DELAY_INJECTED);
        hooks::in_http(self.worker, self.hcm, |group| group.delays_injected.inc());
    }

    /// The answer of an injected abort.
    pub(super) fn aborted(&mut self, abort: AbortWith) -> Reply {
        hooks::in_http(self.worker, self.hcm, |group| group.aborts_injected.inc());
        let reply = match abort {
            AbortWith::Http(status) => Reply::new(status, ABORT_BODY, ABORT_DETAILS),
            AbortWith::Grpc(status) => {
                let mut reply = Reply::new(200, ABORT_BODY, ABORT_DETAILS);
                reply.grpc_status = Some(status);
                self.record.is_grpc = true;
                reply
            }
        };
        reply.flag(ResponseFlags::FAULT_INJECTED)
    }

    /// Waits while the client stays.
    async fn delay(&mut self, delay: Duration) -> Result<(), Stop> {
        let until = Instant::now() + delay;
        let (down, timer) = (&mut *self.down, &mut *self.timer);
        std::future::poll_fn(|cx| {
            if let std::task::Poll::Ready(error) = down.poll_gone(cx) {
                return std::task::Poll::Ready(Err(Stop::Downstream(error)));
            }
            timer.poll(Some(until), cx).map(Ok)
        })
        .await
    }
}
