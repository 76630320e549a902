//! Immutable host sets: all endpoints of a cluster by priority and locality, with those that may get traffic.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::host::{Host, HostShared};
use super::priority::{Loads, PriorityState};
use crate::config::cluster::{Assignment, ClusterInfo, EndpointAddress, Locality};
use crate::config::matcher::Fraction;

/// The endpoints of a cluster.
#[derive(Debug, Default)]
pub struct HostSets {
    /// Differs between any two sets of a process: a balancer starts over when it changes.
    pub version: u64,
    pub priorities: Vec<PriorityHosts>,
    pub loads: Loads,
    /// `drop_overloads` of the control plane.
    pub drops: Vec<(Arc<str>, Fraction)>,
}

/// One priority.
#[derive(Debug, Default)]
pub struct PriorityHosts {
    pub hosts: Arc<[Arc<Host>]>,
    pub healthy: Arc<[Arc<Host>]>,
    pub degraded: Arc<[Arc<Host>]>,
    pub localities: Vec<LocalityHosts>,
}

/// One locality of a priority.
#[derive(Debug)]
pub struct LocalityHosts {
    pub locality: Locality,
    pub weight: u32,
    pub hosts: Arc<[Arc<Host>]>,
    pub healthy: Arc<[Arc<Host>]>,
    pub degraded: Arc<[Arc<Host>]>,
}

static VERSIONS: AtomicU64 = AtomicU64::new(1);

impl HostSets {
    /// Builds the sets of an assignment; counters of addresses that `previous` knew are kept, hosts that are gone are
    /// marked removed.
    #[must_use]
    pub fn build(info: &ClusterInfo, assignment: &Assignment, previous: Option<&Self>) -> Self {
        let mut known: HashMap<&EndpointAddress, &Arc<HostShared>> = HashMap::new();
        for host in previous.into_iter().flat_map(Self::all_hosts) {
            known.insert(&host.address, &host.shared);
        }
        let mut fresh: HashMap<EndpointAddress, Arc<HostShared>> = HashMap::new();
        let count = assignment
            .localities
            .iter()
            .map(|l| l.priority as usize + 1)
            .max()
            .unwrap_or(1);
        let mut grouped: Vec<Vec<(Locality, u32, Vec<Arc<Host>>)>> =
            (0..count).map(|_| Vec::new()).collect();
        for group in &assignment.localities {
            let hosts = group.endpoints.iter().map(|endpoint| {
                let shared = fresh.entry(endpoint.address.clone()).or_insert_with(|| {
                    known
                        .get(&endpoint.address)
                        .map_or_else(Arc::default, |shared| Arc::clone(shared))
                });
                Arc::new(Host {
                    address: endpoint.address.clone(),
                    hostname: Arc::clone(&endpoint.hostname),
                    weight: endpoint.weight.max(1),
                    priority: group.priority,
                    locality: group.locality.clone(),
                    health: endpoint.health,
                    metadata: endpoint.metadata.clone(),
                    transport: info.transport(&endpoint.metadata).cloned(),
                    shared: Arc::clone(shared),
                })
            });
            let entry = (
                group.locality.clone(),
                group.weight.unwrap_or(0),
                hosts.collect(),
            );
            grouped[group.priority as usize].push(entry);
        }
        for (address, shared) in known {
            if !fresh.contains_key(address) {
                shared.set_removed(true);
            }
        }
        fresh.values().for_each(|shared| shared.set_removed(false));
        let factor = assignment
            .overprovisioning_factor
            .unwrap_or(info.balancing.overprovisioning_factor);
        Self::assemble(info, grouped, assignment.drop_overloads.clone(), factor)
    }

    /// The same endpoints with health looked at anew: after an ejection or its end.
    #[must_use]
    pub fn refreshed(&self, info: &ClusterInfo) -> Self {
        let grouped = self.priorities.iter().map(|priority| {
            let localities = priority.localities.iter();
            localities
                .map(|l| (l.locality.clone(), l.weight, l.hosts.to_vec()))
                .collect()
        });
        Self::assemble(
            info,
            grouped.collect(),
            self.drops.clone(),
            self.loads.overprovisioning_factor,
        )
    }

    fn assemble(
        info: &ClusterInfo,
        grouped: Vec<Vec<(Locality, u32, Vec<Arc<Host>>)>>,
        drops: Vec<(Arc<str>, Fraction)>,
        factor: u32,
    ) -> Self {
        let priorities: Vec<_> = grouped.into_iter().map(PriorityHosts::assemble).collect();
        let states: Vec<_> = priorities
            .iter()
            .map(|p| PriorityState {
                hosts: p.hosts.len(),
                healthy: p.healthy.len(),
                degraded: p.degraded.len(),
            })
            .collect();
        let loads = Loads::compute(&states, factor, info.balancing.panic_threshold);
        Self {
            version: VERSIONS.fetch_add(1, Ordering::Relaxed),
            priorities,
            loads,
            drops,
        }
    }

    /// All hosts of all priorities.
    pub fn all_hosts(&self) -> impl Iterator<Item = &Arc<Host>> {
        self.priorities
            .iter()
            .flat_map(|priority| priority.hosts.iter())
    }

    /// How many hosts there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.priorities
            .iter()
            .map(|priority| priority.hosts.len())
            .sum()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl PriorityHosts {
    fn assemble(groups: Vec<(Locality, u32, Vec<Arc<Host>>)>) -> Self {
        let pick = |hosts: &[Arc<Host>], test: fn(&Host) -> bool| -> Arc<[Arc<Host>]> {
            hosts.iter().filter(|host| test(host)).cloned().collect()
        };
        let mut all = Vec::new();
        let mut localities = Vec::with_capacity(groups.len());
        for (locality, weight, hosts) in groups {
            all.extend(hosts.iter().cloned());
            localities.push(LocalityHosts {
                locality,
                weight,
                healthy: pick(&hosts, Host::is_healthy),
                degraded: pick(&hosts, Host::is_degraded),
                hosts: hosts.into(),
            });
        }
        Self {
            healthy: pick(&all, Host::is_healthy),
            degraded: pick(&all, Host::is_degraded),
            hosts: all.into(),
            localities,
        }
    }
}
