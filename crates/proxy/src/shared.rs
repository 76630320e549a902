//! What all workers of a process share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use tokio::sync::mpsc;

use crate::balance::Host;
use crate::config::cluster::EndpointAddress;
use crate::config::{Cluster, Config, Ids};
use crate::filters::fault::ActiveFaults;
use crate::observe::Observe;
use crate::resilience::outlier::{Outcome, Rule};
use crate::tls::Cache;

/// The process-wide state that the request path reads.
#[derive(Debug)]
pub struct Shared {
    pub ids: Arc<Ids>,
    config: ArcSwap<Config>,
    generation: AtomicU64,
    pub faults: Arc<ActiveFaults>,
    pub observe: Arc<Observe>,
    pub(crate) tls: Cache,
    triggers: mpsc::UnboundedSender<Trigger>,
}

/// A host met a rule of outlier detection; the ejector decides.
#[derive(Debug)]
pub(crate) struct Trigger {
    pub(crate) cluster: Arc<Cluster>,
    pub(crate) address: EndpointAddress,
    pub(crate) rule: Rule,
}

impl Shared {
    #[must_use]
    pub(crate) fn new(
        ids: Arc<Ids>,
        observe: Arc<Observe>,
    ) -> (Arc<Self>, mpsc::UnboundedReceiver<Trigger>) {
        let (triggers, receiver) = mpsc::unbounded_channel();
        let shared = Self {
            ids,
            config: ArcSwap::default(),
            generation: AtomicU64::new(0),
            faults: Arc::default(),
            observe,
            tls: Cache::default(),
            triggers,
        };
        (Arc::new(shared), receiver)
    }

    /// Tells outlier detection what became of a request to `host`.
    pub(crate) fn outcome(&self, cluster: &Arc<Cluster>, host: &Host, outcome: Outcome) {
        let Some(policy) = &cluster.info.outlier else {
            return;
        };
        for rule in host.shared.monitor.record(policy, outcome) {
            let trigger = Trigger {
                cluster: Arc::clone(cluster),
                address: host.address.clone(),
                rule,
            };
            // Without an ejector the process is ending.
            let _ = self.triggers.send(trigger);
        }
    }

    /// The configuration published last.
    #[must_use]
    pub fn config(&self) -> Arc<Config> {
        self.config.load_full()
    }

    /// Changes with each publication.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Makes a configuration current.
    pub fn publish(&self, config: Arc<Config>) {
        self.config.store(config);
        self.generation.fetch_add(1, Ordering::Release);
    }
}
