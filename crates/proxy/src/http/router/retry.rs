//! Asks the retry policy about each outcome, and tells outlier detection of it.

use std::time::{Duration, SystemTime};

use super::Turn;
use super::attempt::Plan;
use super::failure::{Failure, ResetReason};
use crate::http::{HeaderId, ResponseHead};
use crate::observe::hooks;
use crate::observe::record::ResponseFlags;
use crate::resilience::outlier::Outcome;
use crate::resilience::retry::{Decision, Reset, ResponseView};

struct Answer<'a> {
    head: &'a ResponseHead,
    grpc: bool,
}

impl ResponseView for Answer<'_> {
    fn status(&self) -> u16 {
        self.head.status
    }

    fn header_values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> + 'a {
        self.head.headers.all(name)
    }

    fn grpc_status(&self) -> Option<u32> {
        let value = self
            .head
            .headers
            .get_id(HeaderId::GrpcStatus)
            .filter(|_| self.grpc)?;
        std::str::from_utf8(value).ok()?.parse().ok()
    }
}

impl Turn<'_> {
    /// How long to wait before the next attempt, if the response just received is to be retried.
    pub(super) fn retry_on_response(&mut self, plan: &mut Plan) -> Option<Duration> {
        let worker = self.worker;
        let retry = plan
            .retry
            .as_mut()
            .filter(|_| plan.upload.replay.is_some())?;
        let now = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .map_or(0, |now| now.as_secs());
        let answer = Answer {
            head: self.response,
            grpc: self.record.is_grpc,
        };
        let breaker = plan.cluster.breaker(plan.priority);
        let decision = retry.on_response(&answer, now, breaker, &mut || worker.random());
        let status = self.response.status;
        let wait = self.decided(plan, decision, Some(status));
        if wait.is_some() {
            self.outlier(plan, Outcome::Response(status));
        }
        wait
    }

    pub(super) fn retry_on_timeout(&mut self, plan: &mut Plan) -> Option<Duration> {
        self.outlier(plan, Outcome::ConnectTimeout);
        self.retry_on(plan, Reset::Local, true)
    }

    pub(super) fn retry_on_failure(
        &mut self,
        plan: &mut Plan,
        failure: &Failure,
    ) -> Option<Duration> {
        let reset = match failure.reason {
            ResetReason::RemoteConnectionFailure | ResetReason::LocalConnectionFailure => {
                Reset::ConnectFailure
            }
            ResetReason::ConnectionTimeout => Reset::ConnectTimeout,
            ResetReason::ConnectionTermination | ResetReason::RemoteReset => Reset::Remote,
            ResetReason::Overflow => Reset::Overflow,
            ResetReason::RemoteRefusedStream => Reset::RefusedStream,
            ResetReason::ProtocolError => Reset::Local,
        };
        let started = !matches!(
            reset,
            Reset::ConnectFailure | Reset::ConnectTimeout | Reset::Overflow
        );
        self.retry_on(plan, reset, started)
    }

    fn retry_on(&mut self, plan: &mut Plan, reset: Reset, started: bool) -> Option<Duration> {
        let worker = self.worker;
        let known = plan.upload.replay.is_some() && !self.head_sent;
        let retry = plan.retry.as_mut().filter(|_| known)?;
        let breaker = plan.cluster.breaker(plan.priority);
        let decision = retry.on_reset(reset, started, breaker, &mut || worker.random());
        self.decided(plan, decision, None)
    }

    /// `status`: that of the response that was judged.
    fn decided(
        &mut self,
        plan: &mut Plan,
        decision: Decision,
        status: Option<u16>,
    ) -> Option<Duration> {
        plan.retry_permit = None;
        match decision {
            Decision::Retry { after, permit } => {
                plan.retry_permit = Some(permit);
                plan.retried = true;
                hooks::on_retry(self.worker, &plan.cluster, status);
                Some(after)
            }
            Decision::No => {
                if plan.retried {
                    hooks::retry_success(self.worker, &plan.cluster);
                }
                None
            }
            Decision::LimitExceeded => {
                self.record
                    .flags
                    .insert(ResponseFlags::UPSTREAM_RETRY_LIMIT_EXCEEDED);
                None
            }
            Decision::Overflow => {
                self.record.flags.insert(ResponseFlags::UPSTREAM_OVERFLOW);
                hooks::retry_overflow(self.worker, &plan.cluster);
                None
            }
        }
    }

    /// Tells outlier detection what became of the attempt.
    pub(super) fn outlier(&self, plan: &Plan, outcome: Outcome) {
        if let Some(host) = &self.record.host {
            self.worker.shared.outcome(&plan.cluster, host, outcome);
        }
    }
}
