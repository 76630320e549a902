//! Outlier detection from outside: outcomes in, events out.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::outlier::{
    Detector, Enforcing, Event, FailurePercentage, Outcome, OutlierPolicy, Rule, SuccessRate,
};
use crate::balance::testing::{cluster, endpoints};
use crate::balance::{Host, HostSets};

struct Bench {
    policy: OutlierPolicy,
    sets: HostSets,
    detector: Detector,
    now: Instant,
    random: u64,
}

impl Bench {
    fn new(hosts: usize, policy: OutlierPolicy) -> Self {
        let sets = HostSets::build(&cluster(), &endpoints(hosts), None);
        Self {
            policy,
            sets,
            detector: Detector::default(),
            now: Instant::now(),
            random: 0,
        }
    }

    fn host(&self, at: usize) -> &Arc<Host> {
        self.sets.all_hosts().nth(at).unwrap()
    }

    fn report(&mut self, at: usize, outcome: Outcome) -> Vec<Event> {
        let host = Arc::clone(self.host(at));
        let mut random = self.random;
        let triggers = host.shared.monitor.record(&self.policy, outcome);
        let events = triggers.into_iter().filter_map(|rule| {
            self.detector.on_trigger(
                &self.policy,
                &self.sets,
                &host.address,
                rule,
                self.now,
                &mut || {
                    random += 1;
                    random - 1
                },
            )
        });
        events.collect()
    }

    fn fail(&mut self, at: usize, times: usize) -> Vec<Event> {
        (0..times)
            .flat_map(|_| self.report(at, Outcome::Response(503)))
            .collect()
    }

    fn tick(&mut self, after: u64) -> Vec<Event> {
        self.now += Duration::from_secs(after);
        self.detector
            .on_interval(&self.policy, &self.sets, self.now, &mut || 0)
    }

    fn ejected(&self) -> usize {
        self.sets
            .all_hosts()
            .filter(|host| host.shared.monitor.is_ejected())
            .count()
    }
}

fn lenient() -> OutlierPolicy {
    OutlierPolicy {
        max_ejection_percent: 100,
        ..OutlierPolicy::default()
    }
}

#[test]
fn five_errors_in_a_row_eject_for_thirty_seconds() {
    let mut bench = Bench::new(3, lenient());
    assert!(bench.fail(0, 4).is_empty());
    let events = bench.fail(0, 1);
    assert!(
        matches!(
            events[..],
            [
                Event::NotEnforced {
                    rule: Rule::ConsecutiveGatewayFailure,
                    ..
                },
                Event::Ejected {
                    rule: Rule::Consecutive5xx,
                    times: 1,
                    ..
                }
            ]
        ),
        "{events:?}"
    );
    assert_eq!(bench.ejected(), 1);
    assert!(bench.tick(29).is_empty());
    assert!(matches!(bench.tick(1)[..], [Event::Returned { .. }]));
    assert_eq!(bench.ejected(), 0);
}

#[test]
fn a_success_starts_the_count_anew() {
    let mut bench = Bench::new(3, lenient());
    bench.fail(0, 4);
    bench.report(0, Outcome::Response(404));
    assert!(bench.fail(0, 4).is_empty());
    assert_eq!(bench.fail(0, 1).len(), 2);
}

#[test]
fn repeated_ejections_last_longer_up_to_the_maximum() {
    let policy = OutlierPolicy {
        max_ejection_time: Duration::from_secs(70),
        ..lenient()
    };
    let mut bench = Bench::new(2, policy);
    for seconds in [30, 60, 70] {
        bench.fail(0, 5);
        assert_eq!(bench.ejected(), 1);
        assert!(bench.tick(seconds - 1).is_empty(), "{seconds}");
        assert_eq!(bench.tick(1).len(), 1, "{seconds}");
    }
    // Each interval without trouble takes one off: from 3 to 1, and the next ejection is the second.
    bench.tick(10);
    bench.tick(10);
    bench.fail(0, 5);
    assert!(bench.tick(59).is_empty());
    assert_eq!(bench.tick(1).len(), 1);
}

#[test]
fn the_share_of_ejected_hosts_is_bounded() {
    let mut bench = Bench::new(
        4,
        OutlierPolicy {
            max_ejection_percent: 50,
            ..OutlierPolicy::default()
        },
    );
    for at in 0..4 {
        bench.fail(at, 5);
    }
    assert_eq!(bench.ejected(), 2);
}

// Seen with Envoy 1.40: three hosts at 10 % give overflow alone.
#[test]
fn a_share_smaller_than_one_host_protects_all_unless_one_may_always_go() {
    let mut bench = Bench::new(3, OutlierPolicy::default());
    assert!(
        bench
            .fail(0, 5)
            .iter()
            .all(|event| matches!(event, Event::Overflow { .. }))
    );
    assert_eq!(bench.ejected(), 0);
    let mut bench = Bench::new(
        3,
        OutlierPolicy {
            always_eject_one_host: true,
            ..OutlierPolicy::default()
        },
    );
    bench.fail(0, 5);
    bench.fail(1, 5);
    assert_eq!(bench.ejected(), 1);
}

#[test]
fn gateway_failures_and_enforcement_follow_the_policy() {
    let enforcing = Enforcing {
        consecutive_5xx: 0,
        consecutive_gateway_failure: 100,
        ..OutlierPolicy::default().enforcing
    };
    let mut bench = Bench::new(
        2,
        OutlierPolicy {
            consecutive_gateway_failure: 2,
            enforcing,
            ..lenient()
        },
    );
    for _ in 0..4 {
        assert!(
            bench.report(0, Outcome::Response(500)).is_empty(),
            "500 is no gateway failure"
        );
    }
    bench.report(0, Outcome::Response(200));
    assert!(matches!(
        bench.fail(0, 2)[..],
        [Event::Ejected {
            rule: Rule::ConsecutiveGatewayFailure,
            ..
        }]
    ));
}

#[test]
fn without_the_split_connect_failures_count_as_gateway_failures() {
    let mut bench = Bench::new(2, lenient());
    let events: Vec<_> = (0..5)
        .flat_map(|_| bench.report(0, Outcome::ConnectFailure))
        .collect();
    assert!(events.iter().any(|event| matches!(
        event,
        Event::Ejected {
            rule: Rule::Consecutive5xx,
            ..
        }
    )));
}

#[test]
fn with_the_split_they_have_their_own_rule() {
    let mut bench = Bench::new(
        2,
        OutlierPolicy {
            split_local_origin: true,
            ..lenient()
        },
    );
    for _ in 0..4 {
        bench.report(0, Outcome::ConnectTimeout);
    }
    bench.report(0, Outcome::Response(200));
    let events = bench.report(0, Outcome::ConnectFailure);
    assert!(
        matches!(
            events[..],
            [Event::Ejected {
                rule: Rule::ConsecutiveLocalOriginFailure,
                ..
            }]
        ),
        "{events:?}"
    );
}

#[test]
fn a_low_success_rate_among_enough_hosts_ejects() {
    let success_rate = SuccessRate {
        minimum_hosts: 5,
        request_volume: 10,
        stdev_factor: 1900,
    };
    let mut bench = Bench::new(
        6,
        OutlierPolicy {
            success_rate,
            consecutive_5xx: 1000,
            consecutive_gateway_failure: 1000,
            ..lenient()
        },
    );
    for at in 0..6 {
        for request in 0..10 {
            let bad = at == 2 && request % 2 == 0;
            bench.report(at, Outcome::Response(if bad { 500 } else { 200 }));
        }
    }
    let bad = bench.host(2).address.clone();
    let events = bench.tick(10);
    assert!(
        matches!(&events[..], [Event::Ejected { rule: Rule::SuccessRate, address, .. }] if *address == bad),
        "{events:?}"
    );
}

#[test]
fn a_high_failure_percentage_ejects_when_enforced() {
    let failure_percentage = FailurePercentage {
        threshold: 50,
        minimum_hosts: 1,
        request_volume: 10,
    };
    let enforcing = Enforcing {
        failure_percentage: 100,
        ..OutlierPolicy::default().enforcing
    };
    let policy = OutlierPolicy {
        failure_percentage,
        enforcing,
        consecutive_5xx: 1000,
        consecutive_gateway_failure: 1000,
        ..lenient()
    };
    let mut bench = Bench::new(2, policy);
    for _ in 0..10 {
        bench.report(0, Outcome::Response(500));
    }
    assert!(matches!(
        bench.tick(10)[..],
        [Event::Ejected {
            rule: Rule::FailurePercentage,
            ..
        }]
    ));
    assert_eq!(bench.ejected(), 1);
}
