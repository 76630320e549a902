//! What becomes of a request whose time is up before its response has begun.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll};
use std::time::Instant;

use super::attempt::Plan;
use super::clocks::Expiry;
use super::{Stop, Turn};
use crate::http::hcm::Reply;
use crate::observe::hooks;
use crate::observe::record::ResponseFlags;
use crate::resilience::outlier::Outcome;

/// The details of an attempt that took too long.
pub(super) const PER_TRY: &str = "upstream_per_try_timeout";

impl Turn<'_> {
    /// Waits for `future` while the client stays and no time limit passes.
    pub(super) async fn watch<F: Future>(
        &mut self,
        plan: &mut Plan,
        future: F,
    ) -> Result<F::Output, Stop> {
        let mut future = pin!(future);
        std::future::poll_fn(|cx| {
            if let Poll::Ready(output) = future.as_mut().poll(cx) {
                return Poll::Ready(Ok(output));
            }
            if let Poll::Ready(error) = self.down.poll_gone(cx) {
                return Poll::Ready(Err(Stop::Downstream(error)));
            }
            self.poll_clocks(plan, cx)
                .map(|expiry| Err(self.expired(plan, expiry)))
        })
        .await
    }

    pub(super) fn poll_clocks(&mut self, plan: &Plan, cx: &mut Context<'_>) -> Poll<Expiry> {
        loop {
            std::task::ready!(self.timer.poll(plan.clocks.next(), cx));
            if let Some(expiry) = plan.clocks.expired(Instant::now()) {
                return Poll::Ready(expiry);
            }
        }
    }

    /// The answer to a time limit reached before the response began.
    pub(super) fn expired(&mut self, plan: &Plan, expiry: Expiry) -> Stop {
        // Envoy: 504 when the request was complete, or else the client is too slow.
        let status = if plan.upload.ended { 504 } else { 408 };
        self.record.timed_out = true;
        // The other limits are the connection manager's, not the router's.
        let of_router = [Expiry::Response, Expiry::PerTry, Expiry::PerTryIdle];
        self.record.charged &= of_router.contains(&expiry);
        hooks::in_http(self.worker, self.hcm, |group| match expiry {
            Expiry::Request => group.downstream_rq_timeout.inc(),
            Expiry::MaxStream => group.downstream_rq_max_duration_reached.inc(),
            _ => {}
        });
        match expiry {
            Expiry::Response => {
                if let Some(host) = &self.record.host {
                    crate::balance::HostTotals::count(&host.shared.totals.rq_timeout);
                }
                self.outlier(plan, Outcome::ConnectTimeout);
                hooks::response_timeout(self.worker, &plan.cluster);
                plan.timed_out("response_timeout").into()
            }
            Expiry::PerTry | Expiry::PerTryIdle => {
                Reply::new(504, "upstream request timeout", PER_TRY).into()
            }
            Expiry::Request => Reply::new(408, "request timeout", "request_overall_timeout")
                .closing()
                .into(),
            Expiry::StreamIdle => Reply::new(status, "stream timeout", "stream_idle_timeout")
                .flag(ResponseFlags::STREAM_IDLE_TIMEOUT)
                .into(),
            // Envoy sets no flag here.
            Expiry::MaxStream => Reply::new(
                status,
                "downstream duration timeout",
                "max_duration_timeout",
            )
            .into(),
        }
    }
}
