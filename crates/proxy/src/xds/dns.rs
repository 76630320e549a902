//! Resolves the names of DNS clusters again and again.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::applier::Applier;
use crate::config::cluster::{Assignment, ClusterInfo, Discovery, DnsFamily, EndpointAddress};

/// How long one look-up may take.
const LOOK_UP: Duration = Duration::from_secs(5);

/// Runs until dropped. Clusters are taken from the configuration in force.
pub async fn resolve_clusters(applier: Arc<Mutex<Applier>>) {
    let mut due: HashMap<Arc<str>, (Arc<ClusterInfo>, Instant)> = HashMap::new();
    let mut clock = tokio::time::interval(Duration::from_millis(500));
    clock.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        clock.tick().await;
        let now = Instant::now();
        for info in dns_clusters(&applier) {
            let known = due.get(&info.name);
            if known.is_some_and(|(have, at)| Arc::ptr_eq(have, &info) && *at > now) {
                continue;
            }
            if let Some(assignment) = resolve(&info).await {
                applier
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .put_resolved(&info.name, &assignment);
            }
            let next = Instant::now()
                + settings(&info.discovery).map_or(Duration::from_secs(5), |(refresh, ..)| refresh);
            due.insert(Arc::clone(&info.name), (info, next));
        }
    }
}

fn dns_clusters(applier: &Mutex<Applier>) -> Vec<Arc<ClusterInfo>> {
    let applier = applier.lock().unwrap_or_else(PoisonError::into_inner);
    let clusters = applier
        .config()
        .clusters()
        .filter(|cluster| settings(&cluster.info.discovery).is_some());
    clusters.map(|cluster| Arc::clone(&cluster.info)).collect()
}

fn settings(discovery: &Discovery) -> Option<(Duration, DnsFamily, bool)> {
    match discovery {
        Discovery::StrictDns {
            refresh, family, ..
        } => Some((*refresh, *family, false)),
        Discovery::LogicalDns {
            refresh, family, ..
        } => Some((*refresh, *family, true)),
        _ => None,
    }
}

/// The assignment with names replaced by addresses; `None` if a name could not be resolved: the old addresses stay.
async fn resolve(info: &ClusterInfo) -> Option<Assignment> {
    let (_, family, first_only) = settings(&info.discovery)?;
    let mut assignment = (*info.assignment).clone();
    for group in &mut assignment.localities {
        let mut endpoints = Vec::with_capacity(group.endpoints.len());
        for endpoint in group.endpoints.drain(..) {
            let EndpointAddress::Name { host, port } = &endpoint.address else {
                endpoints.push(endpoint);
                continue;
            };
            let found = tokio::time::timeout(LOOK_UP, tokio::net::lookup_host((&**host, *port)))
                .await
                .ok()?
                .ok()?;
            let mut addresses = choose(found.collect(), family);
            if first_only {
                addresses.truncate(1);
            }
            for address in addresses {
                let hostname = if endpoint.hostname.is_empty() {
                    Arc::clone(host)
                } else {
                    Arc::clone(&endpoint.hostname)
                };
                endpoints.push(crate::config::cluster::Endpoint {
                    address: EndpointAddress::Socket(address),
                    hostname,
                    ..endpoint.clone()
                });
            }
        }
        group.endpoints = endpoints;
    }
    Some(assignment)
}

/// Envoy's AUTO means IPv6 if there is any, else IPv4.
fn choose(mut found: Vec<SocketAddr>, family: DnsFamily) -> Vec<SocketAddr> {
    found.sort_unstable();
    found.dedup();
    let (v4, v6): (Vec<_>, Vec<_>) = found.into_iter().partition(SocketAddr::is_ipv4);
    match family {
        DnsFamily::V4Only => v4,
        DnsFamily::V6Only => v6,
        DnsFamily::Auto => {
            if v6.is_empty() {
                v4
            } else {
                v6
            }
        }
        DnsFamily::V4Preferred => {
            if v4.is_empty() {
                v6
            } else {
                v4
            }
        }
        DnsFamily::All => v4.into_iter().chain(v6).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_choose_as_envoy_does() {
        let both: Vec<SocketAddr> = vec!["1.2.3.4:1".parse().unwrap(), "[::2]:1".parse().unwrap()];
        for (family, count, v4) in [
            (DnsFamily::Auto, 1, false),
            (DnsFamily::V4Preferred, 1, true),
            (DnsFamily::V4Only, 1, true),
            (DnsFamily::V6Only, 1, false),
            (DnsFamily::All, 2, true),
        ] {
            let chosen = choose(both.clone(), family);
            assert_eq!(
                (chosen.len(), chosen[0].is_ipv4()),
                (count, v4),
                "{family:?}"
            );
        }
    }
}
