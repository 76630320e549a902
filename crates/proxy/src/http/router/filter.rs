//! HTTP filters before the router: CORS and faults.

use std::time::{Duration, Instant};

use super::{Stop, Turn};
use crate::config::route::{Action, Route};
use crate::filters::cors::Verdict;
use crate::filters::fault::{ABORT_BODY, ABORT_DETAILS, AbortWith};
use crate::http::HeaderId;
use crate::http::hcm::Reply;
use crate::observe::record::ResponseFlags;

impl Turn<'_> {
    pub(super) async fn filter(&mut self, route: &Route) -> Result<(), Stop> {
        self.cors_request(route)?;
        self.fault(route).await
    }

    fn cors_request(&mut self, route: &Route) -> Result<(), Stop> {
        let Some(policy) = &route.filters.cors else { return Ok(()) };
        if route.filters.cors_disabled {
            return Ok(());
        }
        match policy.judge(&self.view(), self.worker.random()) {
            Verdict::Pass | Verdict::NotAllowed | Verdict::Simple => Ok(()),
            Verdict::EmptyPreflight => Err(Reply::new(200, "", "cors_response").into()),
            Verdict::Preflight => {
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

    pub(super) fn cors_response(&mut self, route: &Route) {
        let Some(policy) = &route.filters.cors else { return };
        if route.filters.cors_disabled || !self.request.headers.has_id(HeaderId::Origin) {
            return;
        }
        if policy.judge(&self.view(), self.worker.random()) == Verdict::Simple {
            let origin = self.request.headers.get_id(HeaderId::Origin).unwrap_or_default().to_vec();
            for (name, value) in policy.response_headers(&origin) {
                self.response.headers.set(name, value);
            }
        }
    }

    async fn fault(&mut self, route: &Route) -> Result<(), Stop> {
        let Some(policy) = &route.filters.fault else { return Ok(()) };
        if route.filters.fault_disabled {
            return Ok(());
        }
        let cluster = match &route.action {
            Action::Forward(forward) => match &forward.cluster {
                crate::config::route::ClusterChoice::One(id) => self.worker.shared.ids.cluster_name(*id),
                _ => None,
            },
            _ => None,
        };
        let faults = &self.worker.shared.faults;
        let worker = self.worker;
        let name = cluster.as_deref().unwrap_or_default();
        let injection = policy.inject(&self.view(), name, faults.count(), &mut || worker.random());
        if let Some(delay) = injection.delay {
            let _active = faults.begin();
            self.record.flags.insert(ResponseFlags::DELAY_INJECTED);
            self.delay(delay).await?;
        }
        let Some(abort) = injection.abort else { return Ok(()) };
        let reply = match abort {
            AbortWith::Http(status) => Reply::new(status, ABORT_BODY, ABORT_DETAILS),
            AbortWith::Grpc(status) => {
                let mut reply = Reply::new(200, ABORT_BODY, ABORT_DETAILS);
                reply.grpc_status = Some(status);
                self.record.is_grpc = true;
                reply
            }
        };
        Err(reply.flag(ResponseFlags::FAULT_INJECTED).into())
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
