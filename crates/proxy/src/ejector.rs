//! The one owner of outlier detection: workers report, it ejects and lets return.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use crate::config::Cluster;
use crate::config::ids::ClusterId;
use crate::observe::stats::{OutlierGroup, OutlierScope, Registry};
use crate::resilience::outlier::{Detector, Event, OutlierPolicy, Rule};
use crate::shared::{Shared, Trigger};

#[derive(Debug)]
struct Watched {
    cluster: Arc<Cluster>,
    detector: Detector,
    next: Instant,
    stats: Arc<OutlierScope>,
}

impl Watched {
    fn new(cluster: &Arc<Cluster>, policy: &OutlierPolicy, now: Instant, stats: &Registry) -> Self {
        Self {
            cluster: Arc::clone(cluster),
            detector: Detector::default(),
            next: now + policy.interval,
            stats: stats.outlier(&cluster.info.name),
        }
    }

    /// Publishes the changed health of hosts, and counts.
    fn apply(&self, events: &[Event]) {
        if events.is_empty() {
            return;
        }
        let cluster = &self.cluster;
        for event in events {
            tracing::info!(cluster = %cluster.info.name, ?event, "outlier detection");
            count(&self.stats.slot(0).group, event);
        }
        cluster
            .hosts
            .rcu(|hosts| Arc::new(hosts.refreshed(&cluster.info)));
    }
}

/// Envoy's outlier detection statistics.
fn count(stats: &OutlierGroup, event: &Event) {
    let detected = |rule: Rule| match rule {
        Rule::Consecutive5xx => &stats.ejections_detected_consecutive_5xx,
        Rule::ConsecutiveGatewayFailure => &stats.ejections_detected_consecutive_gateway_failure,
        Rule::ConsecutiveLocalOriginFailure => {
            &stats.ejections_detected_consecutive_local_origin_failure
        }
        Rule::SuccessRate => &stats.ejections_detected_success_rate,
        Rule::SuccessRateLocalOrigin => &stats.ejections_detected_local_origin_success_rate,
        Rule::FailurePercentage => &stats.ejections_detected_failure_percentage,
        Rule::FailurePercentageLocalOrigin => {
            &stats.ejections_detected_local_origin_failure_percentage
        }
    };
    let enforced = |rule: Rule| match rule {
        Rule::Consecutive5xx => &stats.ejections_enforced_consecutive_5xx,
        Rule::ConsecutiveGatewayFailure => &stats.ejections_enforced_consecutive_gateway_failure,
        Rule::ConsecutiveLocalOriginFailure => {
            &stats.ejections_enforced_consecutive_local_origin_failure
        }
        Rule::SuccessRate => &stats.ejections_enforced_success_rate,
        Rule::SuccessRateLocalOrigin => &stats.ejections_enforced_local_origin_success_rate,
        Rule::FailurePercentage => &stats.ejections_enforced_failure_percentage,
        Rule::FailurePercentageLocalOrigin => {
            &stats.ejections_enforced_local_origin_failure_percentage
        }
    };
    match event {
        Event::Ejected { rule, .. } => {
            detected(*rule).inc();
            enforced(*rule).inc();
            stats.ejections_enforced_total.inc();
            stats.ejections_active.inc();
        }
        Event::NotEnforced { rule, .. } => detected(*rule).inc(),
        Event::Overflow { rule, .. } => {
            detected(*rule).inc();
            stats.ejections_overflow.inc();
        }
        Event::Returned { .. } => stats.ejections_active.dec(),
    }
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
            trigger = triggers.recv() => match (trigger, shared.upgrade()) {
                (Some(trigger), Some(shared)) => on_trigger(&mut watched, &shared, trigger),
                _ => return,
            },
            _ = tick.tick() => match shared.upgrade() {
                Some(shared) => on_tick(&mut watched, &shared),
                None => return,
            },
        }
    }
}

fn on_trigger(watched: &mut HashMap<ClusterId, Watched>, shared: &Shared, trigger: Trigger) {
    let Trigger {
        cluster,
        address,
        rule,
    } = trigger;
    let Some(policy) = cluster.info.outlier.clone() else {
        return;
    };
    let now = Instant::now();
    let entry = watched
        .entry(cluster.id)
        .or_insert_with(|| Watched::new(&cluster, &policy, now, &shared.observe.stats));
    entry.cluster = cluster;
    let hosts = entry.cluster.hosts.load_full();
    let event = entry
        .detector
        .on_trigger(&policy, &hosts, &address, rule, now, &mut || {
            fastrand::u64(..)
        });
    entry.apply(event.as_slice());
}

fn on_tick(watched: &mut HashMap<ClusterId, Watched>, shared: &Shared) {
    let now = Instant::now();
    let config = shared.config();
    for cluster in config.clusters() {
        let Some(policy) = &cluster.info.outlier else {
            continue;
        };
        let entry = watched
            .entry(cluster.id)
            .or_insert_with(|| Watched::new(cluster, policy, now, &shared.observe.stats));
        entry.cluster = Arc::clone(cluster);
        if now >= entry.next {
            entry.next = now + policy.interval;
            let hosts = cluster.hosts.load_full();
            let events = entry
                .detector
                .on_interval(policy, &hosts, now, &mut || fastrand::u64(..));
            entry.apply(&events);
        }
    }
    watched.retain(|id, _| {
        config
            .cluster(*id)
            .is_some_and(|cluster| cluster.info.outlier.is_some())
    });
}
