//! The one owner of outlier detection: workers report, it ejects and lets return.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use crate::config::Cluster;
use crate::config::ids::ClusterId;
use crate::resilience::outlier::{Detector, Event};
use crate::shared::{Shared, Trigger};

#[derive(Debug)]
struct Watched {
    cluster: Arc<Cluster>,
    detector: Detector,
    next: Instant,
}

/// Runs until the proxy is gone.
pub(crate) fn run(shared: &Weak<Shared>, triggers: mpsc::UnboundedReceiver<Trigger>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build();
    match runtime {
        Ok(runtime) => runtime.block_on(watch(shared, triggers)),
        Err(error) => tracing::error!(%error, "cannot start outlier detection"),
    }
}

async fn watch(shared: &Weak<Shared>, mut triggers: mpsc::UnboundedReceiver<Trigger>) {
    let mut watched: HashMap<ClusterId, Watched> = HashMap::new();
    let mut tick = tokio::time::interval(Duration::from_millis(200));
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            trigger = triggers.recv() => match trigger {
                Some(trigger) => on_trigger(&mut watched, trigger),
                None => return,
            },
            _ = tick.tick() => match shared.upgrade() {
                Some(shared) => on_tick(&mut watched, &shared),
                None => return,
            },
        }
    }
}

fn on_trigger(watched: &mut HashMap<ClusterId, Watched>, trigger: Trigger) {
    let Trigger {
        cluster,
        address,
        rule,
    } = trigger;
    let Some(policy) = cluster.info.outlier.clone() else {
        return;
    };
    let now = Instant::now();
    let entry = watched.entry(cluster.id).or_insert_with(|| Watched {
        cluster: Arc::clone(&cluster),
        detector: Detector::default(),
        next: now + policy.interval,
    });
    entry.cluster = cluster;
    let hosts = entry.cluster.hosts.load_full();
    let event = entry
        .detector
        .on_trigger(&policy, &hosts, &address, rule, now, &mut || {
            fastrand::u64(..)
        });
    apply(&entry.cluster, event.as_slice());
}

fn on_tick(watched: &mut HashMap<ClusterId, Watched>, shared: &Shared) {
    let now = Instant::now();
    let config = shared.config();
    for cluster in config.clusters() {
        let Some(policy) = &cluster.info.outlier else {
            continue;
        };
        let entry = watched.entry(cluster.id).or_insert_with(|| Watched {
            cluster: Arc::clone(cluster),
            detector: Detector::default(),
            next: now + policy.interval,
        });
        entry.cluster = Arc::clone(cluster);
        if now >= entry.next {
            entry.next = now + policy.interval;
            let hosts = cluster.hosts.load_full();
            let events = entry
                .detector
                .on_interval(policy, &hosts, now, &mut || fastrand::u64(..));
            apply(cluster, &events);
        }
    }
    watched.retain(|id, _| {
        config
            .cluster(*id)
            .is_some_and(|cluster| cluster.info.outlier.is_some())
    });
}

/// Publishes the changed health of hosts.
fn apply(cluster: &Cluster, events: &[Event]) {
    if events.is_empty() {
        return;
    }
    for event in events {
        tracing::info!(cluster = %cluster.info.name, ?event, "outlier detection");
    }
    cluster
        .hosts
        .rcu(|hosts| Arc::new(hosts.refreshed(&cluster.info)));
}
