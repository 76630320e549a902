//! Copies of requests to other clusters; their answers are dropped.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Turn;
use super::attempt::Plan;
use super::forward::Routing;
use super::target::target;
use super::upstream::Upstream;
use crate::balance::Ask;
use crate::codec::h1::{BodyLength, Limits};
use crate::config::route::{MirrorPolicy, MirrorTarget, Priority};
use crate::config::{Cluster, Config};
use crate::http::stream::Fill;
use crate::http::{RequestHead, ResponseHead, Version};
use crate::observe::hooks;
use crate::resilience::breaker::Resource;
use crate::upstream;
use crate::worker::Worker;

/// Copies in flight per worker; beyond this they are not made.
const MOST: u32 = 1024;

thread_local! {
    static IN_FLIGHT: Cell<u32> = const { Cell::new(0) };
}

/// One copy to be sent.
#[derive(Debug)]
pub(super) struct Copy {
    cluster: Arc<Cluster>,
    head: RequestHead,
    priority: Priority,
    limit: Duration,
}

impl Turn<'_> {
    /// Decides which copies are made. They are sent when the body is complete.
    pub(super) fn mirror(&mut self, routing: Routing<'_>, plan: &mut Plan) {
        let policies = match &*routing.forward.mirror {
            [] => &*routing.table.options.mirror,
            own => own,
        };
        if policies.is_empty() || plan.upgrade {
            return;
        }
        for policy in policies {
            if !policy.fraction.hit(self.worker.random()) {
                continue;
            }
            let Some(cluster) = self.mirror_cluster(policy) else {
                continue;
            };
            let mut head = self.request.clone();
            match &policy.host_rewrite {
                Some(host) => head.set_authority(host.as_bytes()),
                None if policy.append_shadow => {
                    let shadow = shadow_host(head.authority());
                    head.set_authority(&shadow);
                }
                None => {}
            }
            crate::http::hcm::sign_copy(&mut head);
            let limit = plan.timeout.unwrap_or(Duration::from_secs(60));
            plan.mirrors.push(Copy {
                cluster,
                head,
                priority: plan.priority,
                limit,
            });
        }
        if plan.upload.ended {
            self.send_mirrors(plan);
        }
    }

    fn mirror_cluster(&self, policy: &MirrorPolicy) -> Option<Arc<Cluster>> {
        let id = match &policy.cluster {
            MirrorTarget::Id(id) => *id,
            MirrorTarget::Header(name) => {
                let name = std::str::from_utf8(self.request.headers.get(name.as_str())?).ok()?;
                self.worker.shared.ids.find_cluster(name)?
            }
        };
        self.config.cluster(id).cloned()
    }

    /// Sends the copies; a body that outgrew its buffer is not copied.
    pub(super) fn send_mirrors(&mut self, plan: &mut Plan) {
        let copies = std::mem::take(&mut plan.mirrors);
        let Some(replay) = plan.upload.replay.as_ref().filter(|_| !copies.is_empty()) else {
            return;
        };
        for copy in copies {
            if IN_FLIGHT.get() >= MOST {
                return;
            }
            let (worker, config) = (Rc::clone(self.worker), Arc::clone(&self.config));
            let body = replay.bytes.clone();
            IN_FLIGHT.set(IN_FLIGHT.get() + 1);
            tokio::task::spawn_local(async move {
                let limit = copy.limit;
                // The answer, the failure or the delay of a copy concerns nobody.
                let _ = tokio::time::timeout(limit, send(worker, config, copy, body)).await;
                IN_FLIGHT.set(IN_FLIGHT.get() - 1);
            });
        }
    }
}

/// `host-shadow`, before the port.
fn shadow_host(authority: &[u8]) -> Vec<u8> {
    let name = crate::config::route_match::without_port(authority);
    [name, b"-shadow", &authority[name.len()..]].concat()
}

async fn send(worker: Rc<Worker>, config: Arc<Config>, copy: Copy, body: Vec<u8>) -> Option<()> {
    let Copy {
        cluster,
        mut head,
        priority,
        ..
    } = copy;
    if head.body != BodyLength::None {
        head.body = BodyLength::Length(body.len() as u64);
        let length = body.len().to_string();
        head.headers
            .set_id(crate::http::HeaderId::ContentLength, length.as_bytes());
    }
    let now = Instant::now();
    let ask = Ask {
        avoid: &[],
        more_picks: 0,
        destination: None,
        now,
    };
    let host = worker.choose(&cluster, &ask).ok()?.host;
    let _permit = cluster.breaker(priority).try_take(Resource::Requests)?;
    let _active = host.shared.begin_request();
    let target = target(&config, &cluster, host, priority, &head, Version::Http11);
    let pool = target.pool(&worker, now);
    let acquired = match upstream::ready(&pool, now) {
        Some(found) => found,
        None => upstream::acquire(&worker, &target, &pool, &Cell::default())
            .await
            .ok()?,
    };
    hooks::on_attempt(&worker, &cluster);
    let ended = head.body == BodyLength::None;
    let mut up = Upstream::begin(acquired, &head, ended, false, Limits::default())
        .await
        .ok()?;
    if !ended {
        up.stream.push(&body);
        up.stream.finish(None);
    }
    std::future::poll_fn(|cx| up.stream.poll_flush(cx))
        .await
        .ok()?;
    let mut response = ResponseHead::default();
    loop {
        std::future::poll_fn(|cx| up.poll_head(head.method(), &mut response, cx))
            .await
            .ok()?;
        if !response.is_informational() {
            break;
        }
    }
    hooks::on_response(&worker, &cluster, response.status);
    while let Fill::Data = std::future::poll_fn(|cx| up.stream.poll_fill(cx))
        .await
        .ok()?
    {
        let n = up.stream.data().len();
        up.stream.consume(n);
    }
    up.give_back(Instant::now());
    Some(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_shadow_suffix_stands_before_the_port() {
        assert_eq!(super::shadow_host(b"a.b:80"), b"a.b-shadow:80");
        assert_eq!(super::shadow_host(b"a.b"), b"a.b-shadow");
    }
}
