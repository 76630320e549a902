//! The deadlines of one request, of which the earliest is armed.

use std::time::{Duration, Instant};

use crate::http::timer::earlier;

/// Which limit was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expiry {
    /// The whole request did not arrive in time.
    Request,
    /// The route's timeout.
    Response,
    PerTry,
    PerTryIdle,
    StreamIdle,
    MaxStream,
}

/// Deadlines; those of the response begin when the request is complete (Envoy's `onRequestComplete`).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clocks {
    pub(crate) request: Option<Instant>,
    pub(crate) response: Option<Instant>,
    pub(crate) per_try: Option<Instant>,
    pub(crate) max_stream: Option<Instant>,
    /// No byte for this long ends the attempt.
    pub(crate) per_try_idle: Option<Duration>,
    pub(crate) idle_limit: Option<Duration>,
    pub(crate) active_at: Instant,
}

impl Clocks {
    fn idle(&self, limit: Option<Duration>) -> Option<Instant> {
        limit.map(|limit| self.active_at + limit)
    }

    pub(crate) fn next(&self) -> Option<Instant> {
        let idle = earlier(self.idle(self.idle_limit), self.idle(self.per_try_idle));
        let first = earlier(self.request, earlier(self.response, self.per_try));
        earlier(first, earlier(self.max_stream, idle))
    }

    /// The limit that has passed at `now`.
    pub(crate) fn expired(&self, now: Instant) -> Option<Expiry> {
        let passed = |at: Option<Instant>| at.is_some_and(|at| now >= at);
        if passed(self.response) {
            Some(Expiry::Response)
        } else if passed(self.per_try) {
            Some(Expiry::PerTry)
        } else if passed(self.idle(self.per_try_idle)) {
            Some(Expiry::PerTryIdle)
        } else if passed(self.request) {
            Some(Expiry::Request)
        } else if passed(self.max_stream) {
            Some(Expiry::MaxStream)
        } else if passed(self.idle(self.idle_limit)) {
            Some(Expiry::StreamIdle)
        } else {
            None
        }
    }
}
