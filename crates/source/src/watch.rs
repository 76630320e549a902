//! A watch which never ends: list, follow, reconnect where it broke, list again when the server has
//! forgotten that place. An absent kind (its CRD is not there yet) is an empty one, looked for again.

use std::pin::Pin;
use std::time::{Duration, Instant};

use api::store::{Change, Query, ResourceType, StoreError};
use futures::{Stream, StreamExt, stream};
use kube::core::WatchEvent;
use serde_json::Value;

use crate::KubeStore;
use crate::error::{from_status, is_gone, store_error};
use crate::request;

/// How soon an absent kind is looked for again.
const ABSENT_RETRY: Duration = Duration::from_secs(1);

/// A connection without events nor bookmarks for this long is dead: the server should have ended it.
const SILENCE: Duration = Duration::from_secs(request::WATCH_SECONDS + 20);

type Events = Pin<Box<dyn Stream<Item = Result<WatchEvent<Value>, kube::Error>> + Send>>;

enum Phase {
    List,
    Connect {
        version: String,
    },
    Follow {
        version: String,
        events: Events,
        since: Instant,
    },
}

/// Where to go after a step, and what it told.
enum Step {
    Tell(Change, Phase),
    Go(Phase),
    Wait(Phase),
}

struct Watch {
    store: KubeStore,
    ty: ResourceType,
    query: Query,
    backoff: Backoff,
    /// The kind's absence was told; telling it once is enough.
    absent: bool,
}

/// The changes of one kind, for ever.
pub(crate) fn watch(
    store: KubeStore,
    ty: ResourceType,
    query: Query,
) -> impl Stream<Item = Change> + Send + 'static {
    let watch = Watch {
        store,
        ty,
        query,
        backoff: Backoff::default(),
        absent: false,
    };
    stream::unfold((watch, Phase::List), |(mut watch, mut phase)| async move {
        loop {
            let step = match phase {
                Phase::List => watch.list().await,
                Phase::Connect { version } => watch.connect(version).await,
                Phase::Follow {
                    version,
                    events,
                    since,
                } => watch.follow(version, events, since).await,
            };
            match step {
                Step::Tell(change, next) => return Some((change, (watch, next))),
                Step::Go(next) => phase = next,
                Step::Wait(next) => {
                    let delay = watch.backoff.next();
                    tokio::time::sleep(delay).await;
                    phase = next;
                }
            }
        }
    })
}

impl Watch {
    async fn list(&mut self) -> Step {
        match self.store.list_all(&self.ty, &self.query).await {
            Ok((items, version)) => {
                self.backoff.reset();
                self.absent = false;
                Step::Tell(Change::Synced(items), Phase::Connect { version })
            }
            Err(StoreError::NotFound(_)) if !self.absent => {
                tracing::debug!(kind = self.ty.kind, "kind is not served yet");
                self.absent = true;
                Step::Tell(Change::Synced(Vec::new()), Phase::List)
            }
            Err(StoreError::NotFound(_)) => {
                tokio::time::sleep(ABSENT_RETRY).await;
                Step::Go(Phase::List)
            }
            Err(error) => {
                self.report("list", &error);
                Step::Wait(Phase::List)
            }
        }
    }

    async fn connect(&mut self, version: String) -> Step {
        let request = match request::watch(&self.ty, &self.query, &version) {
            Ok(request) => request,
            Err(error) => {
                self.report("watch", &error);
                return Step::Wait(Phase::List);
            }
        };
        match self.store.client().request_events::<Value>(request).await {
            Ok(events) => Step::Go(Phase::Follow {
                version,
                events: Box::pin(events),
                since: Instant::now(),
            }),
            Err(kube::Error::Api(status)) if is_gone(&status) || status.code == 404 => {
                Step::Go(Phase::List)
            }
            Err(error) => {
                self.report("watch", &store_error(error));
                Step::Wait(Phase::Connect { version })
            }
        }
    }

    async fn follow(&mut self, version: String, mut events: Events, since: Instant) -> Step {
        let event = match tokio::time::timeout(SILENCE, events.next()).await {
            Ok(Some(Ok(event))) => event,
            Ok(Some(Err(kube::Error::Api(status)))) if is_gone(&status) => {
                return Step::Go(Phase::List);
            }
            Ok(Some(Err(error))) => {
                self.report("watch", &store_error(error));
                return Step::Wait(Phase::Connect { version });
            }
            Ok(None) | Err(_) => {
                let next = Phase::Connect { version };
                // A server which closes at once must not be asked in a tight loop.
                if since.elapsed() < Duration::from_secs(1) {
                    return Step::Wait(next);
                }
                return Step::Go(next);
            }
        };
        self.backoff.reset();
        let follow = |version: Option<String>, old: String, events| Phase::Follow {
            version: version.unwrap_or(old),
            events,
            since,
        };
        match event {
            WatchEvent::Added(object) | WatchEvent::Modified(object) => {
                let next = follow(version_of(&object), version, events);
                Step::Tell(Change::Applied(object), next)
            }
            WatchEvent::Deleted(object) => {
                let next = follow(version_of(&object), version, events);
                Step::Tell(Change::Deleted(object), next)
            }
            WatchEvent::Bookmark(mark) => Step::Go(follow(
                Some(mark.metadata.resource_version),
                version,
                events,
            )),
            WatchEvent::Error(status) if is_gone(&status) => Step::Go(Phase::List),
            WatchEvent::Error(status) => {
                self.report("watch", &from_status(&status));
                Step::Wait(Phase::Connect { version })
            }
        }
    }

    /// Says once per outage that it has begun, and what it is; the retries are debug output.
    fn report(&self, verb: &str, error: &StoreError) {
        let kind = self.ty.kind;
        if self.backoff.attempts == 3 || !error.retryable() {
            tracing::warn!(kind, %error, "cannot {verb}; trying again");
        } else {
            tracing::debug!(kind, %error, "cannot {verb}; trying again");
        }
    }
}

fn version_of(object: &Value) -> Option<String> {
    object["metadata"]["resourceVersion"]
        .as_str()
        .map(Into::into)
}

/// 50 ms, doubled up to 3 s, a quarter of it random: a restarted server on one machine is back within a
/// second, and a thousand clients do not come at once.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    pub(crate) attempts: u32,
}

impl Backoff {
    pub(crate) fn reset(&mut self) {
        self.attempts = 0;
    }

    pub(crate) fn next(&mut self) -> Duration {
        let base = Duration::from_millis(50 << self.attempts.min(6)).min(Duration::from_secs(3));
        self.attempts = self.attempts.saturating_add(1);
        base.mul_f64(0.75 + 0.25 * fastrand::f64())
    }
}

#[cfg(test)]
mod tests;
