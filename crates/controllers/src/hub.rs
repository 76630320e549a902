//! Runs controllers: one task follows all watches, keeps the cache and hands keys to work on to a few
//! workers.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use api::store::{Change, Query, ResourceType, Store, StoreError};
use base::ObjectKey;
use futures::StreamExt;
use futures::stream::{self, FuturesUnordered};
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::action::{Action, apply};
use crate::cache::Cache;
use crate::queue::Queue;

/// Keys worked on at once.
const WORKERS: usize = 8;

/// What is to be done about one key.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Plan {
    pub(crate) actions: Vec<Action>,
    /// When to look again, though nothing changed.
    pub(crate) again: Option<Duration>,
}

impl From<Vec<Action>> for Plan {
    fn from(actions: Vec<Action>) -> Self {
        Self {
            actions,
            again: None,
        }
    }
}

/// A controller decides; it does nothing itself.
pub(crate) trait Controller: Send + Sync {
    fn name(&self) -> &'static str;

    /// What it reads.
    fn kinds(&self) -> &'static [ResourceType];

    /// The keys whose plan may differ now that an object changed from `old` to `new`.
    fn affected(
        &self,
        ty: &ResourceType,
        old: Option<&Value>,
        new: Option<&Value>,
        cache: &Cache,
    ) -> Vec<ObjectKey>;

    /// What to do about `key` at `now` (unix seconds).
    fn plan(&self, key: &ObjectKey, cache: &Cache, now: i64) -> Plan;

    /// What else to do now that an action of a plan failed; the plan is tried again later.
    fn failed(
        &self,
        _action: &Action,
        _error: &StoreError,
        _cache: &Cache,
        _now: i64,
    ) -> Vec<Action> {
        Vec::new()
    }

    /// A change of something which is no object: every key of this kind is affected.
    fn outside(&self) -> Option<(ResourceType, watch::Receiver<Option<Arc<str>>>)> {
        None
    }
}

pub(crate) fn unix_now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |d| i64::try_from(d.as_secs()).unwrap_or(i64::MAX))
}

type Key = (usize, ObjectKey);

struct Hub {
    store: Arc<dyn Store>,
    controllers: Vec<Arc<dyn Controller>>,
    cache: Arc<RwLock<Cache>>,
    queue: Queue<Key>,
    pending: Vec<&'static str>,
}

/// Runs until `shutdown`; work under way is finished first.
pub(crate) async fn run(
    store: Arc<dyn Store>,
    controllers: Vec<Arc<dyn Controller>>,
    shutdown: CancellationToken,
) {
    let mut kinds: Vec<ResourceType> = Vec::new();
    for ty in controllers.iter().flat_map(|c| c.kinds()) {
        if !kinds.contains(ty) {
            kinds.push(*ty);
        }
    }
    let watches = kinds.iter().map(|ty| {
        let ty = *ty;
        let changes = store.watch(&ty, &Query::default());
        changes.map(move |change| (ty, change)).boxed()
    });
    let mut changes = stream::select_all(watches.collect::<Vec<_>>());
    let mut outside = stream::select_all(controllers.iter().enumerate().filter_map(|(id, c)| {
        let (ty, receiver) = c.outside()?;
        Some(follow(receiver).map(move |()| (id, ty)).boxed())
    }));
    let mut hub = Hub {
        store,
        controllers,
        cache: Arc::default(),
        queue: Queue::default(),
        pending: kinds.iter().map(|ty| ty.kind).collect(),
    };
    let mut work = FuturesUnordered::new();
    loop {
        while work.len() < WORKERS && hub.pending.is_empty() {
            let Some(key) = hub.queue.take(Instant::now()) else {
                break;
            };
            work.push(hub.work(key));
        }
        let next = hub
            .queue
            .next()
            .filter(|_| work.len() < WORKERS && hub.pending.is_empty());
        let timer = async {
            match next {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = shutdown.cancelled() => break,
            Some((ty, change)) = changes.next() => hub.observe(&ty, change),
            Some((id, ty)) = outside.next(), if !outside.is_empty() => hub.requeue(id, &ty),
            Some((key, outcome)) = work.next(), if !work.is_empty() => hub.settle(&key, outcome),
            () = timer => {}
        }
    }
    while work.next().await.is_some() {}
}

fn follow(receiver: watch::Receiver<Option<Arc<str>>>) -> impl futures::Stream<Item = ()> + Send {
    stream::unfold(receiver, |mut receiver| async move {
        receiver.changed().await.ok()?;
        Some(((), receiver))
    })
}

impl Hub {
    fn observe(&mut self, ty: &ResourceType, change: Change) {
        if matches!(change, Change::Synced(_)) {
            self.pending.retain(|kind| *kind != ty.kind);
        }
        let mut cache = self.cache.write().unwrap_or_else(PoisonError::into_inner);
        for step in cache.observe(ty, change, unix_now()) {
            for (id, controller) in self.controllers.iter().enumerate() {
                if !controller.kinds().contains(ty) {
                    continue;
                }
                let (old, new) = (step.old.as_deref(), step.new.as_deref());
                for key in controller.affected(ty, old, new, &cache) {
                    self.queue.add((id, key));
                }
            }
        }
    }

    fn requeue(&mut self, id: usize, ty: &ResourceType) {
        let cache = self.cache.read().unwrap_or_else(PoisonError::into_inner);
        for object in cache.all(ty) {
            self.queue.add((id, crate::object::key(object)));
        }
    }

    fn work(
        &self,
        key: Key,
    ) -> impl Future<Output = (Key, Result<Option<Duration>, StoreError>)> + use<> {
        let controller = self.controllers[key.0].clone();
        let (store, cache) = (self.store.clone(), self.cache.clone());
        async move {
            let outcome = reconcile(&*controller, &key.1, &*store, &cache, unix_now()).await;
            (key, outcome)
        }
    }

    fn settle(&mut self, key: &Key, outcome: Result<Option<Duration>, StoreError>) {
        let now = Instant::now();
        match outcome {
            Ok(again) => {
                self.queue.done(key);
                if let Some(again) = again {
                    self.queue.add_at(key.clone(), now + again);
                }
            }
            Err(error) => {
                let controller = self.controllers[key.0].name();
                // Conflicts are part of the game: the next look has the newer object.
                if !matches!(error, StoreError::Conflict(_)) {
                    tracing::debug!(controller, key = %key.1, %error, "will try again");
                }
                self.queue.failed(key, now);
            }
        }
    }
}

/// Plans and does what was planned, up to the first failure.
pub(crate) async fn reconcile(
    controller: &dyn Controller,
    key: &ObjectKey,
    store: &dyn Store,
    cache: &RwLock<Cache>,
    now: i64,
) -> Result<Option<Duration>, StoreError> {
    let plan = {
        let cache = cache.read().unwrap_or_else(PoisonError::into_inner);
        controller.plan(key, &cache, now)
    };
    for action in &plan.actions {
        let Err(error) = apply(store, cache, action, now).await else {
            continue;
        };
        let more = {
            let cache = cache.read().unwrap_or_else(PoisonError::into_inner);
            controller.failed(action, &error, &cache, now)
        };
        for action in &more {
            // The first failure is the one to report.
            if let Err(error) = apply(store, cache, action, now).await {
                tracing::debug!(%error, "a failure could not be recorded");
            }
        }
        return Err(error);
    }
    Ok(plan.again)
}
