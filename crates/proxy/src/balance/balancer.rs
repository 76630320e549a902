//! One worker's position in a cluster's host sets.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::edf::Edf;
use super::host::Host;
use super::hosts::{HostSets, PriorityHosts};
use super::priority::Availability;
use crate::config::cluster::{ClusterInfo, EdsHealth, EndpointAddress, Locality, Policy};
use crate::config::route::Metadata;

/// What the caller wants of a choice.
#[derive(Debug)]
pub struct Ask<'a> {
    /// Hosts to avoid: those of earlier attempts, with the `previous_hosts` predicate.
    pub avoid: &'a [Arc<Host>],
    /// Further picks made to avoid them: the route's `host_selection_retry_max_attempts`.
    pub more_picks: u32,
    /// For pass-through clusters: the connection's original destination (or the header's).
    pub destination: Option<SocketAddr>,
    pub now: Instant,
}

/// A chosen host.
#[derive(Debug, Clone)]
pub struct Pick {
    pub host: Arc<Host>,
    /// All hosts were considered, healthy or not.
    pub panic: bool,
}

/// Why there is no host: Envoy's `UH`, or `DO` for a drop that the control plane asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoHost {
    /// There is no endpoint at all.
    Empty,
    /// There are endpoints, but none may get traffic.
    NoneUsable,
    /// In panic with `fail_traffic_on_panic`.
    Panic,
    /// `drop_overloads`
    Dropped,
    /// A pass-through cluster without an original destination.
    NoDestination,
}

/// Which list of hosts a choice is made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Source {
    All,
    Healthy,
    Degraded,
    LocalityHealthy(u32),
    LocalityDegraded(u32),
}

/// The position in one list.
#[derive(Debug)]
enum Cursor {
    /// All weights are equal.
    Flat(usize),
    Weighted(Edf<usize>),
}

/// One worker's state for one cluster.
#[derive(Debug, Default)]
pub struct Balancer {
    version: u64,
    cursors: HashMap<(usize, Source), Cursor>,
    /// Locality schedules by priority and availability.
    localities: HashMap<(usize, bool), Edf<usize>>,
    destinations: Destinations,
}

impl Balancer {
    /// Chooses a host. `random` gives uniformly distributed values.
    pub fn choose(
        &mut self,
        info: &ClusterInfo,
        sets: &HostSets,
        ask: &Ask<'_>,
        random: &mut impl FnMut() -> u64,
    ) -> Result<Pick, NoHost> {
        if info.policy == Policy::ClusterProvided {
            let destination = ask.destination.ok_or(NoHost::NoDestination)?;
            let host = self.destinations.host(info, destination, ask.now);
            return Ok(Pick { host, panic: false });
        }
        if sets
            .drops
            .iter()
            .any(|(_, fraction)| fraction.hit(random()))
        {
            return Err(NoHost::Dropped);
        }
        if self.version != sets.version {
            self.version = sets.version;
            self.cursors.clear();
            self.localities.clear();
        }
        let mut pick = self.choose_once(info, sets, random)?;
        for _ in 0..if ask.avoid.is_empty() {
            0
        } else {
            ask.more_picks
        } {
            if !ask
                .avoid
                .iter()
                .any(|host| host.address == pick.host.address)
            {
                break;
            }
            pick = self.choose_once(info, sets, random)?;
        }
        Ok(pick)
    }

    fn choose_once(
        &mut self,
        info: &ClusterInfo,
        sets: &HostSets,
        random: &mut impl FnMut() -> u64,
    ) -> Result<Pick, NoHost> {
        let empty = || {
            if sets.is_empty() {
                NoHost::Empty
            } else {
                NoHost::NoneUsable
            }
        };
        let (priority, availability) = sets.loads.choose(random()).ok_or_else(empty)?;
        let group = sets.priorities.get(priority).ok_or(NoHost::Empty)?;
        let panic = sets.loads.panic.get(priority).copied().unwrap_or(false);
        if panic && info.balancing.fail_traffic_on_panic {
            return Err(NoHost::Panic);
        }
        let source = match availability {
            _ if panic => Source::All,
            Availability::Healthy => self
                .locality(info, sets, priority, true, random)
                .unwrap_or(Source::Healthy),
            Availability::Degraded => self
                .locality(info, sets, priority, false, random)
                .unwrap_or(Source::Degraded),
        };
        let hosts = list(group, source);
        if hosts.is_empty() {
            return Err(empty());
        }
        let at = self.pick(info, (priority, source), hosts, random);
        Ok(Pick {
            host: Arc::clone(&hosts[at]),
            panic,
        })
    }

    /// Chooses a locality by its effective weight.
    fn locality(
        &mut self,
        info: &ClusterInfo,
        sets: &HostSets,
        priority: usize,
        healthy: bool,
        random: &mut impl FnMut() -> u64,
    ) -> Option<Source> {
        if !info.balancing.locality_weighted {
            return None;
        }
        let group = &sets.priorities[priority];
        let factor = sets.loads.overprovisioning_factor;
        let edf = self
            .localities
            .entry((priority, healthy))
            .or_insert_with(|| {
                let mut edf = Edf::new(effective_weights(group, factor, healthy));
                // Workers start at different places, so that not all of them favour the same locality.
                for _ in 0..random() % (group.localities.len().max(1) as u64) {
                    edf.next(|at| effective_weight(group, factor, healthy, at));
                }
                edf
            });
        let at = edf.next(|at| effective_weight(group, factor, healthy, at))?;
        let at = u32::try_from(at).ok()?;
        Some(if healthy {
            Source::LocalityHealthy(at)
        } else {
            Source::LocalityDegraded(at)
        })
    }

    fn pick(
        &mut self,
        info: &ClusterInfo,
        key: (usize, Source),
        hosts: &[Arc<Host>],
        random: &mut impl FnMut() -> u64,
    ) -> usize {
        let len = hosts.len();
        if len == 1 {
            return 0;
        }
        let cursor = match &info.policy {
            Policy::Random | Policy::ClusterProvided => return below(random(), len),
            Policy::RoundRobin | Policy::LeastRequest { .. } => self
                .cursors
                .entry(key)
                .or_insert_with(|| Cursor::new(&info.policy, hosts, random())),
        };
        match (cursor, &info.policy) {
            (
                Cursor::Flat(_),
                Policy::LeastRequest {
                    choices, full_scan, ..
                },
            ) => least_active(hosts, *choices, *full_scan, random),
            (Cursor::Flat(next), _) => {
                let at = *next % len;
                *next = next.wrapping_add(1);
                at
            }
            (Cursor::Weighted(edf), policy) => {
                edf.next(|at| weight(&hosts[at], policy)).unwrap_or(0)
            }
        }
    }
}

impl Cursor {
    fn new(policy: &Policy, hosts: &[Arc<Host>], seed: u64) -> Self {
        let first = hosts[0].weight;
        if hosts.iter().all(|host| host.weight == first) {
            return Self::Flat(below(seed, hosts.len()));
        }
        let mut edf = Edf::new(
            hosts
                .iter()
                .enumerate()
                .map(|(at, host)| (at, weight(host, policy))),
        );
        for _ in 0..below(seed, hosts.len()) {
            edf.next(|at| weight(&hosts[at], policy));
        }
        Self::Weighted(edf)
    }
}

/// The weight of a host at this moment.
fn weight(host: &Host, policy: &Policy) -> f64 {
    let weight = f64::from(host.weight);
    match policy {
        Policy::LeastRequest {
            active_request_bias,
            ..
        } => {
            let load = f64::from(host.shared.active_requests()) + 1.0;
            weight
                / if *active_request_bias == 1.0 {
                    load
                } else {
                    load.powf(*active_request_bias)
                }
        }
        _ => weight,
    }
}

fn below(random: u64, len: usize) -> usize {
    (random % len as u64) as usize
}

/// The least loaded of `choices` random hosts, the first of equals; of all with `full_scan`.
fn least_active(
    hosts: &[Arc<Host>],
    choices: u32,
    full_scan: bool,
    random: &mut impl FnMut() -> u64,
) -> usize {
    let active = |at: usize| hosts[at].shared.active_requests();
    if full_scan || choices as usize >= hosts.len() && choices > 2 {
        // Among equals any may come: start anywhere.
        let start = below(random(), hosts.len());
        return (0..hosts.len())
            .map(|i| (start + i) % hosts.len())
            .min_by_key(|at| active(*at))
            .unwrap_or(0);
    }
    let mut best = below(random(), hosts.len());
    for _ in 1..choices.max(1) {
        let other = below(random(), hosts.len());
        if active(other) < active(best) {
            best = other;
        }
    }
    best
}

fn list(group: &PriorityHosts, source: Source) -> &[Arc<Host>] {
    let locality = |at: u32| group.localities.get(at as usize);
    match source {
        Source::All => &group.hosts,
        Source::Healthy => &group.healthy,
        Source::Degraded => &group.degraded,
        Source::LocalityHealthy(at) => locality(at).map_or(&[], |l| &l.healthy),
        Source::LocalityDegraded(at) => locality(at).map_or(&[], |l| &l.degraded),
    }
}

fn effective_weights(
    group: &PriorityHosts,
    factor: u32,
    healthy: bool,
) -> impl Iterator<Item = (usize, f64)> {
    (0..group.localities.len())
        .map(move |at| (at, effective_weight(group, factor, healthy, at)))
        .filter(|(_, weight)| *weight > 0.0)
}

/// Envoy: weight × min(1, overprovisioning × available / all).
fn effective_weight(group: &PriorityHosts, factor: u32, healthy: bool, at: usize) -> f64 {
    let locality = &group.localities[at];
    let available = if healthy {
        locality.healthy.len()
    } else {
        locality.degraded.len()
    };
    if locality.hosts.is_empty() || available == 0 {
        return 0.0;
    }
    let share = f64::from(factor) / 100.0 * available as f64 / locality.hosts.len() as f64;
    f64::from(locality.weight) * share.min(1.0)
}

/// Hosts of a pass-through cluster: made on demand, forgotten when unused.
#[derive(Debug, Default)]
struct Destinations {
    hosts: HashMap<SocketAddr, (Arc<Host>, Instant)>,
    last_sweep: Option<Instant>,
}

impl Destinations {
    /// More than this many are never remembered.
    const MOST: usize = 16 * 1024;

    fn host(&mut self, info: &ClusterInfo, destination: SocketAddr, now: Instant) -> Arc<Host> {
        self.sweep(info, now);
        if let Some((host, used)) = self.hosts.get_mut(&destination) {
            *used = now;
            return Arc::clone(host);
        }
        let metadata = Metadata::default();
        let host = Arc::new(Host {
            address: EndpointAddress::Socket(destination),
            hostname: destination.to_string().into(),
            weight: 1,
            priority: 0,
            locality: Locality::default(),
            health: EdsHealth::Healthy,
            transport: info.transport(&metadata).cloned(),
            metadata,
            shared: Arc::default(),
        });
        if self.hosts.len() < Self::MOST {
            self.hosts.insert(destination, (Arc::clone(&host), now));
        }
        host
    }

    fn sweep(&mut self, info: &ClusterInfo, now: Instant) {
        let interval = match &info.discovery {
            crate::config::cluster::Discovery::OriginalDst(settings) => settings.cleanup_interval,
            _ => Duration::from_secs(5),
        };
        let due = self
            .last_sweep
            .is_none_or(|last| now.saturating_duration_since(last) >= interval);
        if due {
            self.last_sweep = Some(now);
            self.hosts.retain(|_, (host, used)| {
                let used_lately = now.saturating_duration_since(*used) < interval;
                used_lately
                    || host.shared.active_connections() > 0
                    || host.shared.active_requests() > 0
            });
        }
    }
}
