//! Outlier detection: workers count results in a [`HostMonitor`]; one [`Detector`] a cluster decides who is ejected.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::balance::{Host, HostSets};
use crate::config::cluster::EndpointAddress;

/// Settings; defaults are Envoy's.
#[derive(Debug, Clone, PartialEq)]
pub struct OutlierPolicy {
    pub interval: Duration,
    pub base_ejection_time: Duration,
    pub max_ejection_time: Duration,
    pub max_ejection_time_jitter: Duration,
    /// Percent of hosts that may be ejected at one time.
    pub max_ejection_percent: u32,
    pub always_eject_one_host: bool,
    pub split_local_origin: bool,
    pub consecutive_5xx: u32,
    pub consecutive_gateway_failure: u32,
    pub consecutive_local_origin_failure: u32,
    pub enforcing: Enforcing,
    pub success_rate: SuccessRate,
    pub failure_percentage: FailurePercentage,
}

/// Percent of detections that lead to an ejection.
#[derive(Debug, Clone, PartialEq)]
pub struct Enforcing {
    pub consecutive_5xx: u32,
    pub consecutive_gateway_failure: u32,
    pub consecutive_local_origin_failure: u32,
    pub success_rate: u32,
    pub local_origin_success_rate: u32,
    pub failure_percentage: u32,
    pub failure_percentage_local_origin: u32,
}

/// Success-rate detection.
#[derive(Debug, Clone, PartialEq)]
pub struct SuccessRate {
    pub minimum_hosts: u32,
    pub request_volume: u32,
    /// In thousandths.
    pub stdev_factor: u32,
}

/// Failure-percentage detection.
#[derive(Debug, Clone, PartialEq)]
pub struct FailurePercentage {
    pub threshold: u32,
    pub minimum_hosts: u32,
    pub request_volume: u32,
}

impl Default for OutlierPolicy {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(10),
            base_ejection_time: Duration::from_secs(30),
            max_ejection_time: Duration::from_secs(300),
            max_ejection_time_jitter: Duration::ZERO,
            max_ejection_percent: 10,
            always_eject_one_host: false,
            split_local_origin: false,
            consecutive_5xx: 5,
            consecutive_gateway_failure: 5,
            consecutive_local_origin_failure: 5,
            enforcing: Enforcing {
                consecutive_5xx: 100,
                consecutive_gateway_failure: 0,
                consecutive_local_origin_failure: 100,
                success_rate: 100,
                local_origin_success_rate: 100,
                failure_percentage: 0,
                failure_percentage_local_origin: 0,
            },
            success_rate: SuccessRate {
                minimum_hosts: 5,
                request_volume: 100,
                stdev_factor: 1900,
            },
            failure_percentage: FailurePercentage {
                threshold: 85,
                minimum_hosts: 5,
                request_volume: 50,
            },
        }
    }
}

/// What became of a request or connection attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The upstream answered with this status (gRPC: the status mapped to HTTP).
    Response(u16),
    /// Connection established, for TCP: the final word on this host.
    ConnectSuccess {
        is_final: bool,
    },
    ConnectFailure,
    ConnectTimeout,
    /// The request reached the host and failed there without a status (reset).
    RequestFailed,
}

/// Which rule was met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rule {
    Consecutive5xx,
    ConsecutiveGatewayFailure,
    ConsecutiveLocalOriginFailure,
    SuccessRate,
    SuccessRateLocalOrigin,
    FailurePercentage,
    FailurePercentageLocalOrigin,
}

impl Rule {
    /// As in Envoy's statistics (`ejections_detected_…`) and events.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Consecutive5xx => "consecutive_5xx",
            Self::ConsecutiveGatewayFailure => "consecutive_gateway_failure",
            Self::ConsecutiveLocalOriginFailure => "consecutive_local_origin_failure",
            Self::SuccessRate => "success_rate",
            Self::SuccessRateLocalOrigin => "local_origin_success_rate",
            Self::FailurePercentage => "failure_percentage",
            Self::FailurePercentageLocalOrigin => "local_origin_failure_percentage",
        }
    }
}

/// The rules met by one result; at most two. The caller sends them to the cluster's owner.
pub type Triggers = smallvec::SmallVec<[Rule; 2]>;

/// Counts of one host, written by all workers.
#[derive(Debug, Default)]
pub struct HostMonitor {
    ejected: AtomicBool,
    consecutive_5xx: AtomicU32,
    consecutive_gateway: AtomicU32,
    consecutive_local: AtomicU32,
    external: Volume,
    local: Volume,
}

#[derive(Debug, Default)]
struct Volume {
    total: AtomicU32,
    success: AtomicU32,
}

impl Volume {
    fn count(&self, success: bool) {
        self.total.fetch_add(1, Ordering::Relaxed);
        if success {
            self.success.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Success rate in percent of the interval that ends now, if there was enough volume.
    fn take(&self) -> (u32, f64) {
        let total = self.total.swap(0, Ordering::Relaxed);
        let success = self.success.swap(0, Ordering::Relaxed).min(total);
        (
            total,
            if total == 0 {
                0.0
            } else {
                f64::from(success) * 100.0 / f64::from(total)
            },
        )
    }
}

impl HostMonitor {
    /// Whether the host gets no traffic.
    #[must_use]
    pub fn is_ejected(&self) -> bool {
        self.ejected.load(Ordering::Relaxed)
    }

    /// Counts one outcome; tells which consecutive rules it met.
    pub fn record(&self, policy: &OutlierPolicy, outcome: Outcome) -> Triggers {
        let mut triggers = Triggers::new();
        if policy.split_local_origin {
            match outcome {
                Outcome::Response(status) => self.response(policy, status, &mut triggers),
                Outcome::RequestFailed => self.response(policy, 500, &mut triggers),
                Outcome::ConnectSuccess { .. } => {
                    self.consecutive_local.store(0, Ordering::Relaxed);
                    self.local.count(true);
                }
                Outcome::ConnectFailure | Outcome::ConnectTimeout => {
                    self.local_failure(policy, &mut triggers)
                }
            }
            return triggers;
        }
        // Without the split, local events count as the status that they would have had.
        match outcome {
            Outcome::Response(status) => self.response(policy, status, &mut triggers),
            Outcome::RequestFailed => self.response(policy, 500, &mut triggers),
            Outcome::ConnectSuccess { is_final: true } => self.response(policy, 200, &mut triggers),
            Outcome::ConnectSuccess { is_final: false } => {}
            Outcome::ConnectFailure => self.response(policy, 503, &mut triggers),
            Outcome::ConnectTimeout => self.response(policy, 504, &mut triggers),
        }
        triggers
    }

    fn response(&self, policy: &OutlierPolicy, status: u16, triggers: &mut Triggers) {
        self.external.count(status < 500);
        if status < 500 {
            self.consecutive_5xx.store(0, Ordering::Relaxed);
            self.consecutive_gateway.store(0, Ordering::Relaxed);
            return;
        }
        if matches!(status, 502..=504) {
            if reached(
                &self.consecutive_gateway,
                policy.consecutive_gateway_failure,
            ) {
                triggers.push(Rule::ConsecutiveGatewayFailure);
            }
        } else {
            self.consecutive_gateway.store(0, Ordering::Relaxed);
        }
        if reached(&self.consecutive_5xx, policy.consecutive_5xx) {
            triggers.push(Rule::Consecutive5xx);
        }
    }

    fn local_failure(&self, policy: &OutlierPolicy, triggers: &mut Triggers) {
        self.local.count(false);
        if reached(
            &self.consecutive_local,
            policy.consecutive_local_origin_failure,
        ) {
            triggers.push(Rule::ConsecutiveLocalOriginFailure);
        }
    }

    #[cfg(test)]
    pub(crate) fn force_ejected(&self, ejected: bool) {
        self.ejected.store(ejected, Ordering::Relaxed);
    }

    fn reset_consecutive(&self) {
        for counter in [
            &self.consecutive_5xx,
            &self.consecutive_gateway,
            &self.consecutive_local,
        ] {
            counter.store(0, Ordering::Relaxed);
        }
    }
}

/// Counts one more; true exactly when the limit is reached, so that one run of failures triggers once.
fn reached(counter: &AtomicU32, limit: u32) -> bool {
    counter.fetch_add(1, Ordering::Relaxed).wrapping_add(1) == limit
}

/// What the detector did, for statistics and events.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A rule was met and enforced: the host gets no traffic.
    Ejected {
        address: EndpointAddress,
        rule: Rule,
        times: u32,
    },
    /// A rule was met; its enforcing percentage let the host go.
    NotEnforced {
        address: EndpointAddress,
        rule: Rule,
    },
    /// A rule was met; `max_ejection_percent` protects the host.
    Overflow {
        address: EndpointAddress,
        rule: Rule,
    },
    /// The ejection is over.
    Returned { address: EndpointAddress },
}

#[derive(Debug, Default)]
struct Record {
    /// `Some` while ejected.
    since: Option<Instant>,
    jitter: Duration,
    /// Ejections in a row: the multiplier of the base time; falls by one each healthy interval.
    times: u32,
}

/// Decides for one cluster. After any [`Event::Ejected`] or [`Event::Returned`] the owner publishes refreshed host sets.
#[derive(Debug, Default)]
pub struct Detector {
    records: HashMap<EndpointAddress, Record>,
}

impl Detector {
    /// How many hosts are ejected.
    #[must_use]
    pub fn active_ejections(&self) -> usize {
        self.records
            .values()
            .filter(|record| record.since.is_some())
            .count()
    }

    /// A worker saw `rule` met by the host at `address`.
    pub fn on_trigger(
        &mut self,
        policy: &OutlierPolicy,
        sets: &HostSets,
        address: &EndpointAddress,
        rule: Rule,
        now: Instant,
        random: &mut impl FnMut() -> u64,
    ) -> Option<Event> {
        let host = sets.all_hosts().find(|host| host.address == *address)?;
        if host.shared.monitor.is_ejected() {
            return None;
        }
        let event = self.eject(policy, sets, host, rule, now, random);
        match rule {
            Rule::Consecutive5xx => host
                .shared
                .monitor
                .consecutive_5xx
                .store(0, Ordering::Relaxed),
            Rule::ConsecutiveGatewayFailure => host
                .shared
                .monitor
                .consecutive_gateway
                .store(0, Ordering::Relaxed),
            Rule::ConsecutiveLocalOriginFailure => host
                .shared
                .monitor
                .consecutive_local
                .store(0, Ordering::Relaxed),
            _ => {}
        }
        Some(event)
    }

    /// An interval is over: hosts return, rates are judged.
    pub fn on_interval(
        &mut self,
        policy: &OutlierPolicy,
        sets: &HostSets,
        now: Instant,
        random: &mut impl FnMut() -> u64,
    ) -> Vec<Event> {
        let mut events = Vec::new();
        self.records
            .retain(|address, _| sets.all_hosts().any(|host| host.address == *address));
        for host in sets.all_hosts() {
            events.extend(self.check_return(policy, host, now));
        }
        let hosts: Vec<&Arc<Host>> = sets.all_hosts().collect();
        let external = hosts
            .iter()
            .map(|host| host.shared.monitor.external.take())
            .collect();
        self.judge(
            policy,
            sets,
            &hosts,
            external,
            Origin::External,
            now,
            random,
            &mut events,
        );
        if policy.split_local_origin {
            let local = hosts
                .iter()
                .map(|host| host.shared.monitor.local.take())
                .collect();
            self.judge(
                policy,
                sets,
                &hosts,
                local,
                Origin::Local,
                now,
                random,
                &mut events,
            );
        }
        events
    }

    fn check_return(&mut self, policy: &OutlierPolicy, host: &Host, now: Instant) -> Option<Event> {
        let record = self.records.get_mut(&host.address)?;
        let Some(since) = record.since else {
            record.times = record.times.saturating_sub(1);
            return None;
        };
        let longest = policy.max_ejection_time.max(policy.base_ejection_time);
        let length = policy
            .base_ejection_time
            .saturating_mul(record.times)
            .min(longest)
            + record.jitter;
        if now.saturating_duration_since(since) < length {
            return None;
        }
        record.since = None;
        host.shared.monitor.reset_consecutive();
        host.shared.monitor.ejected.store(false, Ordering::Relaxed);
        Some(Event::Returned {
            address: host.address.clone(),
        })
    }

    fn eject(
        &mut self,
        policy: &OutlierPolicy,
        sets: &HostSets,
        host: &Host,
        rule: Rule,
        now: Instant,
        random: &mut impl FnMut() -> u64,
    ) -> Event {
        let address = host.address.clone();
        let active = self.active_ejections();
        if !room_for_one_more(policy, active, sets.len()) {
            return Event::Overflow { address, rule };
        }
        if random() % 100 >= u64::from(policy.enforcing.percent(rule)) {
            return Event::NotEnforced { address, rule };
        }
        let record = self.records.entry(address.clone()).or_default();
        record.since = Some(now);
        record.times = record.times.saturating_add(1);
        record.jitter = match u64::try_from(policy.max_ejection_time_jitter.as_millis()) {
            Ok(0) | Err(_) => Duration::ZERO,
            Ok(most) => Duration::from_millis(random() % (most + 1)),
        };
        host.shared.monitor.ejected.store(true, Ordering::Relaxed);
        Event::Ejected {
            address,
            rule,
            times: record.times,
        }
    }

    #[expect(clippy::too_many_arguments, reason = "one step of on_interval")]
    fn judge(
        &mut self,
        policy: &OutlierPolicy,
        sets: &HostSets,
        hosts: &[&Arc<Host>],
        volumes: Vec<(u32, f64)>,
        origin: Origin,
        now: Instant,
        random: &mut impl FnMut() -> u64,
        events: &mut Vec<Event>,
    ) {
        let (rate_rule, percentage_rule) = origin.rules();
        let enough = |volume: u32| -> Vec<(&Arc<Host>, f64)> {
            let rated = hosts.iter().zip(&volumes).filter(|(host, (total, _))| {
                *total >= volume.max(1) && !host.shared.monitor.is_ejected()
            });
            rated.map(|(host, (_, rate))| (*host, *rate)).collect()
        };
        let rated = enough(policy.success_rate.request_volume);
        let mut outliers = Vec::new();
        if !rated.is_empty() && rated.len() >= policy.success_rate.minimum_hosts as usize {
            let threshold = rate_threshold(&rated, policy.success_rate.stdev_factor);
            outliers.extend(
                rated
                    .iter()
                    .filter(|(_, rate)| *rate < threshold)
                    .map(|(host, _)| (*host, rate_rule)),
            );
        }
        let rated = enough(policy.failure_percentage.request_volume);
        if !rated.is_empty() && rated.len() >= policy.failure_percentage.minimum_hosts as usize {
            let threshold = f64::from(policy.failure_percentage.threshold);
            let failing = rated.iter().filter(|(_, rate)| 100.0 - rate >= threshold);
            outliers.extend(failing.map(|(host, _)| (*host, percentage_rule)));
        }
        for (host, rule) in outliers {
            if !host.shared.monitor.is_ejected() {
                events.push(self.eject(policy, sets, host, rule, now, random));
            }
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Origin {
    External,
    Local,
}

impl Origin {
    fn rules(self) -> (Rule, Rule) {
        match self {
            Self::External => (Rule::SuccessRate, Rule::FailurePercentage),
            Self::Local => (
                Rule::SuccessRateLocalOrigin,
                Rule::FailurePercentageLocalOrigin,
            ),
        }
    }
}

impl Enforcing {
    fn percent(&self, rule: Rule) -> u32 {
        match rule {
            Rule::Consecutive5xx => self.consecutive_5xx,
            Rule::ConsecutiveGatewayFailure => self.consecutive_gateway_failure,
            Rule::ConsecutiveLocalOriginFailure => self.consecutive_local_origin_failure,
            Rule::SuccessRate => self.success_rate,
            Rule::SuccessRateLocalOrigin => self.local_origin_success_rate,
            Rule::FailurePercentage => self.failure_percentage,
            Rule::FailurePercentageLocalOrigin => self.failure_percentage_local_origin,
        }
    }
}

fn room_for_one_more(policy: &OutlierPolicy, active: usize, hosts: usize) -> bool {
    if active == 0 && policy.always_eject_one_host {
        return true;
    }
    // Envoy 1.40 counts the host in question: of three hosts none is ejected at 10 %.
    let ejected = 100.0 * (active + 1) as f64 / hosts.max(1) as f64;
    ejected <= f64::from(policy.max_ejection_percent.min(100))
}

fn rate_threshold(rated: &[(&Arc<Host>, f64)], factor: u32) -> f64 {
    let count = rated.len() as f64;
    let mean = rated.iter().map(|(_, rate)| rate).sum::<f64>() / count;
    let variance = rated
        .iter()
        .map(|(_, rate)| (rate - mean).powi(2))
        .sum::<f64>()
        / count;
    mean - variance.sqrt() * f64::from(factor) / 1000.0
}
