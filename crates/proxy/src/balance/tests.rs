//! Choices from outside: hosts in, picks counted.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use super::testing::{cluster, cluster_with, endpoints, locality, weighted};
use super::{Ask, Balancer, Host, HostSets, NoHost};
use crate::config::cluster::{Assignment, ClusterInfo, EdsHealth};
use xds::envoy::config::cluster::v3 as pb;

struct Chooser {
    info: ClusterInfo,
    sets: HostSets,
    balancer: Balancer,
    rng: fastrand::Rng,
}

impl Chooser {
    fn new(info: ClusterInfo, assignment: &Assignment) -> Self {
        let sets = HostSets::build(&info, assignment, None);
        Self {
            info,
            sets,
            balancer: Balancer::default(),
            rng: fastrand::Rng::with_seed(7),
        }
    }

    fn pick_avoiding(&mut self, avoid: &[Arc<Host>], more_picks: u32) -> Result<Arc<Host>, NoHost> {
        let ask = Ask {
            avoid,
            more_picks,
            destination: None,
            now: Instant::now(),
        };
        let rng = &mut self.rng;
        self.balancer
            .choose(&self.info, &self.sets, &ask, &mut || rng.u64(..))
            .map(|pick| pick.host)
    }

    fn pick(&mut self) -> Result<Arc<Host>, NoHost> {
        self.pick_avoiding(&[], 0)
    }

    fn counts(&mut self, picks: usize) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for _ in 0..picks {
            *counts
                .entry(self.pick().unwrap().socket_addr().unwrap().ip().to_string())
                .or_default() += 1;
        }
        counts
    }
}

fn with_policy(policy: pb::cluster::LbPolicy) -> ClusterInfo {
    let mut message = pb::Cluster {
        name: "c".into(),
        ..Default::default()
    };
    message.set_lb_policy(policy);
    cluster_with(&message)
}

#[test]
fn round_robin_visits_all_in_turn() {
    let mut chooser = Chooser::new(cluster(), &endpoints(3));
    let order: Vec<_> = (0..6)
        .map(|_| chooser.pick().unwrap().address.clone())
        .collect();
    assert_eq!(order[..3], order[3..]);
    assert_eq!(
        chooser.counts(300).into_values().collect::<Vec<_>>(),
        [100, 100, 100]
    );
}

#[test]
fn weights_are_exact_over_a_round() {
    let mut chooser = Chooser::new(cluster(), &weighted(&[1, 2, 5]));
    chooser.counts(80);
    assert_eq!(
        chooser.counts(80).into_values().collect::<Vec<_>>(),
        [10, 20, 50]
    );
}

#[test]
fn least_request_prefers_the_idle_host() {
    let mut chooser = Chooser::new(
        with_policy(pb::cluster::LbPolicy::LeastRequest),
        &endpoints(2),
    );
    let busy = Arc::clone(chooser.sets.all_hosts().next().unwrap());
    let _requests: Vec<_> = (0..10).map(|_| busy.shared.begin_request()).collect();
    let counts = chooser.counts(1000);
    // The busy host wins only when it is both choices: a quarter.
    let share = counts[&busy.socket_addr().unwrap().ip().to_string()];
    assert!((200..300).contains(&share), "{share}");
}

#[test]
fn weighted_least_request_divides_weight_by_load() {
    let mut chooser = Chooser::new(
        with_policy(pb::cluster::LbPolicy::LeastRequest),
        &weighted(&[4, 1]),
    );
    let heavy = Arc::clone(chooser.sets.all_hosts().next().unwrap());
    let _requests: Vec<_> = (0..7).map(|_| heavy.shared.begin_request()).collect();
    let counts = chooser.counts(900);
    let share = counts[&heavy.socket_addr().unwrap().ip().to_string()];
    // 4 / (7 + 1) = 0.5 against 1: a third.
    assert!((290..=310).contains(&share), "{share}");
}

#[test]
fn random_is_about_even() {
    let mut chooser = Chooser::new(with_policy(pb::cluster::LbPolicy::Random), &endpoints(4));
    assert!(
        chooser
            .counts(4000)
            .into_values()
            .all(|count| (900..1100).contains(&count))
    );
}

#[test]
fn retries_avoid_hosts_that_were_tried() {
    let mut chooser = Chooser::new(cluster(), &endpoints(2));
    for _ in 0..50 {
        let first = chooser.pick().unwrap();
        let second = chooser.pick_avoiding(&[Arc::clone(&first)], 5).unwrap();
        assert_ne!(first.address, second.address);
    }
    let mut alone = Chooser::new(cluster(), &endpoints(1));
    let only = alone.pick().unwrap();
    assert!(
        alone.pick_avoiding(&[only], 5).is_ok(),
        "the last pick is taken as it is"
    );
}

#[test]
fn unhealthy_hosts_get_nothing_until_panic() {
    let mut assignment = endpoints(4);
    assignment.localities[0].endpoints[0].health = EdsHealth::Unhealthy;
    let mut chooser = Chooser::new(cluster(), &assignment);
    assert_eq!(chooser.counts(300).len(), 3);
    for endpoint in &mut assignment.localities[0].endpoints[..3] {
        endpoint.health = EdsHealth::Draining;
    }
    let mut panicking = Chooser::new(cluster(), &assignment);
    assert_eq!(
        panicking.counts(400).len(),
        4,
        "25 % healthy is below the threshold of 50 %"
    );
}

#[test]
fn lower_priorities_take_over() {
    let assignment = Assignment {
        localities: vec![locality("a", 0, 1, &[1, 1]), locality("b", 1, 1, &[1, 1])],
        ..Assignment::default()
    };
    let mut chooser = Chooser::new(cluster(), &assignment);
    assert!(chooser.counts(100).keys().all(|ip| ip.starts_with("10.0.")));
    for host in &chooser.sets.priorities[0].hosts[..1] {
        eject(host);
    }
    chooser.sets = chooser.sets.refreshed(&chooser.info);
    // 50 % healthy × 1.4 = 70 %.
    let counts = chooser.counts(1000);
    let failover: usize = counts
        .iter()
        .filter(|(ip, _)| ip.starts_with("10.1."))
        .map(|(_, n)| n)
        .sum();
    assert!((250..350).contains(&failover), "{failover}");
}

fn eject(host: &Arc<Host>) {
    host.shared.monitor.force_ejected(true);
}

#[test]
fn locality_weights_count_when_configured() {
    let message = pb::Cluster {
        name: "c".into(),
        common_lb_config: Some(pb::cluster::CommonLbConfig {
            locality_config_specifier: Some(
                pb::cluster::common_lb_config::LocalityConfigSpecifier::LocalityWeightedLbConfig(
                    Default::default(),
                ),
            ),
            ..Default::default()
        }),
        ..Default::default()
    };
    let assignment = Assignment {
        localities: vec![locality("a", 0, 3, &[1]), locality("b", 0, 1, &[1, 1])],
        ..Assignment::default()
    };
    let mut chooser = Chooser::new(cluster_with(&message), &assignment);
    chooser.counts(40);
    let counts = chooser.counts(400);
    assert_eq!(counts.into_values().collect::<Vec<_>>(), [300, 50, 50]);
}

#[test]
fn no_host_says_why() {
    let mut empty = Chooser::new(cluster(), &Assignment::default());
    assert_eq!(empty.pick().unwrap_err(), NoHost::Empty);
    let message = pb::Cluster {
        name: "c".into(),
        common_lb_config: Some(pb::cluster::CommonLbConfig {
            healthy_panic_threshold: Some(xds::envoy::r#type::v3::Percent { value: 0.0 }),
            ..Default::default()
        }),
        ..Default::default()
    };
    let mut assignment = endpoints(1);
    assignment.localities[0].endpoints[0].health = EdsHealth::Unhealthy;
    let mut sick = Chooser::new(cluster_with(&message), &assignment);
    assert_eq!(sick.pick().unwrap_err(), NoHost::NoneUsable);
}

#[test]
fn counters_stay_with_the_address_and_removed_hosts_are_marked() {
    let info = cluster();
    let old = HostSets::build(&info, &endpoints(2), None);
    let hosts: Vec<_> = old.all_hosts().cloned().collect();
    let _request = hosts[0].shared.begin_request();
    let new = HostSets::build(&info, &endpoints(1), Some(&old));
    assert_eq!(new.all_hosts().next().unwrap().shared.active_requests(), 1);
    assert!(hosts[1].shared.is_removed() && !hosts[0].shared.is_removed());
    let back = HostSets::build(&info, &endpoints(2), Some(&new));
    assert_eq!(back.len(), 2);
}
