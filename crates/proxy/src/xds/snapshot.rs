//! Puts the active resources together into one configuration.

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::applier::Applier;
use crate::balance::HostSets;
use crate::config::cluster::Discovery;
use crate::config::{Cluster, ClusterInfo, Config};
use crate::resilience::breaker::Breaker;

impl Applier {
    pub(super) fn assemble(&self) -> Config {
        let mut config = Config::default();
        for (name, slot) in &self.listeners.slots {
            if let Some(entry) = &slot.active {
                config
                    .listeners
                    .insert(Arc::clone(name), Arc::clone(&entry.value));
            }
        }
        for (name, slot) in &self.routes.slots {
            if let Some(entry) = &slot.active {
                config.put_route_table(self.ids.route_table(name), Some(Arc::clone(&entry.value)));
            }
        }
        for (name, slot) in &self.secrets.slots {
            if let Some(entry) = &slot.active {
                config
                    .secrets
                    .insert(Arc::clone(name), Arc::clone(&entry.value));
            }
        }
        for slot in self.clusters.slots.values() {
            if let Some(entry) = &slot.active {
                let id = entry.value.id;
                config.put_cluster(id, Some(self.cluster(&entry.value)));
            }
        }
        config
    }

    /// The running cluster for a configuration: the same one while nothing changed; otherwise a new one that takes over
    /// counters and endpoints.
    fn cluster(&self, info: &Arc<ClusterInfo>) -> Arc<Cluster> {
        let old = self.config.cluster(info.id);
        if let Some(old) = old.filter(|old| Arc::ptr_eq(&old.info, info)) {
            return Arc::clone(old);
        }
        let assignment = match &info.discovery {
            Discovery::Eds { service_name, .. } => self
                .endpoints
                .active(service_name)
                .map(|entry| Arc::clone(&entry.value)),
            _ => Some(Arc::clone(&info.assignment)),
        };
        let previous = old.map(|old| old.hosts.load_full());
        let hosts = match assignment {
            Some(assignment) => HostSets::build(info, &assignment, previous.as_deref()),
            None => HostSets::default(),
        };
        let breakers = match old {
            Some(old) => {
                old.breakers
                    .iter()
                    .zip(&info.limits)
                    .for_each(|(breaker, limits)| breaker.set_limits(limits));
                old.breakers.clone()
            }
            None => info.limits.map(|limits| Arc::new(Breaker::new(&limits))),
        };
        Arc::new(Cluster {
            id: info.id,
            info: Arc::clone(info),
            hosts: ArcSwap::from_pointee(hosts),
            breakers,
        })
    }
}

/// Whether two configurations hold the very same objects.
pub(super) fn same(old: &Config, new: &Config) -> bool {
    fn equal<'a, T: 'a>(
        old: impl Iterator<Item = &'a Arc<T>>,
        new: impl Iterator<Item = &'a Arc<T>>,
    ) -> bool {
        let (mut old, mut new) = (old, new);
        loop {
            match (old.next(), new.next()) {
                (None, None) => return true,
                (Some(a), Some(b)) if Arc::ptr_eq(a, b) => {}
                _ => return false,
            }
        }
    }
    equal(old.listeners.values(), new.listeners.values())
        && equal(old.clusters(), new.clusters())
        && equal(old.route_tables(), new.route_tables())
        && equal(old.secrets.values(), new.secrets.values())
}
