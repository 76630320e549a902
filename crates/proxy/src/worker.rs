//! One worker thread: its own runtime, pools, balancers and clock. Nothing in here is shared.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use crate::balance::{Ask, Balancer, NoHost, Pick};
use crate::config::{Cluster, Config};
use crate::shared::Shared;
use crate::upstream::{Pool, PoolKey, PoolMap};

/// The state of one worker.
#[derive(Debug)]
pub struct Worker {
    pub index: usize,
    pub shared: Arc<Shared>,
    config: RefCell<Arc<Config>>,
    config_generation: Cell<u64>,
    pools: RefCell<PoolMap<Rc<Pool>>>,
    balancers: RefCell<Vec<ClusterBalancer>>,
    random: RefCell<fastrand::Rng>,
    date: RefCell<DateCache>,
}

#[derive(Debug, Default)]
struct ClusterBalancer {
    version: base::ContentHash,
    balancer: Balancer,
}

#[derive(Debug)]
struct DateCache {
    until: Option<Instant>,
    text: [u8; 29],
}

impl Worker {
    #[must_use]
    pub fn new(index: usize, shared: Arc<Shared>) -> Rc<Self> {
        let generation = shared.generation();
        Rc::new(Self {
            index,
            config: RefCell::new(shared.config()),
            config_generation: Cell::new(generation),
            shared,
            pools: RefCell::default(),
            balancers: RefCell::default(),
            random: RefCell::new(fastrand::Rng::new()),
            date: RefCell::new(DateCache {
                until: None,
                text: [b' '; 29],
            }),
        })
    }

    /// The current configuration. A request takes it once.
    #[must_use]
    pub fn config(&self) -> Arc<Config> {
        let generation = self.shared.generation();
        if self.config_generation.get() != generation {
            *self.config.borrow_mut() = self.shared.config();
            self.config_generation.set(generation);
        }
        Arc::clone(&self.config.borrow())
    }

    #[must_use]
    pub fn random(&self) -> u64 {
        self.random.borrow_mut().u64(..)
    }

    /// Chooses an endpoint.
    pub fn choose(&self, cluster: &Cluster, ask: &Ask<'_>) -> Result<Pick, NoHost> {
        let mut balancers = self.balancers.borrow_mut();
        let index = cluster.id.index();
        if index >= balancers.len() {
            balancers.resize_with(index + 1, ClusterBalancer::default);
        }
        let slot = &mut balancers[index];
        if slot.version != cluster.info.version {
            *slot = ClusterBalancer {
                version: cluster.info.version,
                balancer: Balancer::default(),
            };
        }
        let mut random = self.random.borrow_mut();
        slot.balancer
            .choose(&cluster.info, &cluster.hosts.load(), ask, &mut || {
                random.u64(..)
            })
    }

    /// The pool with this key, made if it is new.
    #[must_use]
    pub fn pool(&self, key: PoolKey, make: impl FnOnce() -> Rc<Pool>) -> Rc<Pool> {
        Rc::clone(self.pools.borrow_mut().entry(key).or_insert_with(make))
    }

    /// The value of `Date`, formatted once a second.
    pub fn date(&self, now: Instant, write: impl FnOnce(&[u8])) {
        let mut cache = self.date.borrow_mut();
        if cache.until.is_none_or(|until| now >= until) {
            let wall = SystemTime::now();
            let text = httpdate::fmt_http_date(wall);
            if text.len() == cache.text.len() {
                cache.text.copy_from_slice(text.as_bytes());
            }
            let fraction = wall
                .duration_since(SystemTime::UNIX_EPOCH)
                .map_or(0, |d| d.subsec_nanos());
            cache.until = Some(
                now + Duration::from_nanos(u64::from(1_000_000_000 - fraction.min(999_999_999))),
            );
        }
        write(&cache.text);
    }

    /// Once a second: idle connections that closed or are old go, unused pools are forgotten.
    pub fn sweep(&self, now: Instant) {
        let pools: Vec<Rc<Pool>> = self.pools.borrow().values().cloned().collect();
        pools.iter().for_each(|pool| pool.sweep(now));
        drop(pools);
        self.pools
            .borrow_mut()
            .retain(|_, pool| !pool.is_unused(now));
    }

    /// Runs [`Worker::sweep`] for as long as the worker lives.
    pub async fn keep_house(self: Rc<Self>) {
        let mut tick = tokio::time::interval(Duration::from_secs(1));
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            self.sweep(Instant::now());
            crate::observe::flush();
        }
    }

    /// Closes all idle upstream connections.
    pub fn close_pools(&self) {
        let pools: Vec<Rc<Pool>> = self.pools.borrow().values().cloned().collect();
        pools.iter().for_each(|pool| pool.close_idle());
    }
}
