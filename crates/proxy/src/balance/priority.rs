//! Envoy's spread of load over priorities: health times overprovisioning, failover, panic.

/// Counts of one priority.
#[derive(Debug, Clone, Copy)]
pub struct PriorityState {
    pub hosts: usize,
    pub healthy: usize,
    pub degraded: usize,
}

/// The share of each priority, in percent.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Loads {
    pub healthy: Vec<u32>,
    pub degraded: Vec<u32>,
    /// Priorities that use all of their hosts, healthy or not.
    pub panic: Vec<bool>,
    pub overprovisioning_factor: u32,
}

/// Which hosts of a priority are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Availability {
    Healthy,
    Degraded,
}

impl Loads {
    /// `factor` is in percent (140), `panic_threshold` too (50.0; 0 switches panic off).
    #[must_use]
    pub fn compute(states: &[PriorityState], factor: u32, panic_threshold: f64) -> Self {
        let share = |part: usize, whole: usize| match whole {
            0 => 0,
            whole => (u64::from(factor) * part as u64 / whole as u64).min(100) as u32,
        };
        let healthy: Vec<u32> = states.iter().map(|s| share(s.healthy, s.hosts)).collect();
        let degraded: Vec<u32> = states.iter().map(|s| share(s.degraded, s.hosts)).collect();
        let total = (healthy.iter().sum::<u32>() + degraded.iter().sum::<u32>()).min(100);
        if total == 0 {
            return Self::without_health(states, factor, panic_threshold);
        }
        let mut loads = Self {
            healthy: vec![0; states.len()],
            degraded: vec![0; states.len()],
            panic: states
                .iter()
                .map(|state| total < 100 && in_panic(state, panic_threshold))
                .collect(),
            overprovisioning_factor: factor,
        };
        let mut left = 100;
        let first_healthy = distribute(&healthy, total, &mut left, &mut loads.healthy);
        let first_degraded = distribute(&degraded, total, &mut left, &mut loads.degraded);
        // Rounding leaves a rest: the first priority that has anything takes it.
        match (first_healthy, first_degraded) {
            (Some(at), _) => loads.healthy[at] += left,
            (None, Some(at)) => loads.degraded[at] += left,
            (None, None) => {}
        }
        loads
    }

    /// No priority has any usable host: by host counts if panic is allowed.
    fn without_health(states: &[PriorityState], factor: u32, panic_threshold: f64) -> Self {
        let mut healthy = vec![0; states.len()];
        let total: usize = states.iter().map(|state| state.hosts).sum();
        let panic = panic_threshold > 0.0 && total > 0;
        if panic {
            let mut left = 100;
            let mut first = None;
            for (at, state) in states.iter().enumerate() {
                let share = (100 * state.hosts / total) as u32;
                healthy[at] = share;
                left -= share;
                if state.hosts > 0 && first.is_none() {
                    first = Some(at);
                }
            }
            if let Some(at) = first {
                healthy[at] += left;
            }
        } else if let Some(first) = healthy.first_mut() {
            *first = 100;
        }
        let panic = vec![panic; states.len()];
        Self {
            healthy,
            degraded: vec![0; states.len()],
            panic,
            overprovisioning_factor: factor,
        }
    }

    /// The priority for a random value.
    #[must_use]
    pub fn choose(&self, random: u64) -> Option<(usize, Availability)> {
        let point = (random % 100) as u32 + 1;
        let mut sum = 0;
        for (kind, loads) in [
            (Availability::Healthy, &self.healthy),
            (Availability::Degraded, &self.degraded),
        ] {
            for (priority, load) in loads.iter().enumerate() {
                sum += load;
                if point <= sum {
                    return Some((priority, kind));
                }
            }
        }
        None
    }
}

fn in_panic(state: &PriorityState, threshold: f64) -> bool {
    let usable = match state.hosts {
        0 => 0.0,
        hosts => 100.0 * (state.healthy + state.degraded) as f64 / hosts as f64,
    };
    usable < threshold
}

/// Gives each priority its normalised share of what is left; answers the first that has any.
fn distribute(shares: &[u32], total: u32, left: &mut u32, loads: &mut [u32]) -> Option<usize> {
    let mut first = None;
    for (at, share) in shares.iter().enumerate() {
        if *share > 0 && first.is_none() {
            first = Some(at);
        }
        loads[at] = (share * 100 / total).min(*left);
        *left -= loads[at];
    }
    first
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loads(states: &[(usize, usize)]) -> Loads {
        let states: Vec<_> = states
            .iter()
            .map(|(hosts, healthy)| PriorityState {
                hosts: *hosts,
                healthy: *healthy,
                degraded: 0,
            })
            .collect();
        Loads::compute(&states, 140, 50.0)
    }

    // The table of Envoy's documentation, "Priority levels".
    #[test]
    fn two_priorities_fail_over_as_documented() {
        for (healthy, load) in [(100, 100), (72, 100), (71, 99), (50, 70), (25, 35), (0, 0)] {
            let loads = loads(&[(100, healthy), (100, 100)]);
            assert_eq!(loads.healthy, [load, 100 - load], "{healthy}");
            assert_eq!(loads.panic, [false, false]);
        }
    }

    #[test]
    fn shares_are_normalised_when_nothing_is_healthy_enough() {
        // Documentation: 20 % and 20 % healthy: 28 + 28 = 56, normalised to 50 and 50.
        let loads = loads(&[(100, 20), (100, 20)]);
        assert_eq!(loads.healthy, [50, 50]);
        assert_eq!(loads.panic, [true, true]);
    }

    #[test]
    fn panic_needs_a_total_below_100() {
        assert_eq!(loads(&[(10, 4)]).panic, [true]);
        assert_eq!(loads(&[(10, 8)]).panic, [false]);
        assert_eq!(loads(&[(10, 4), (10, 10)]).panic, [false, false]);
    }

    #[test]
    fn without_any_health_hosts_count() {
        let total = loads(&[(1, 0), (3, 0)]);
        assert_eq!(
            (total.healthy, total.panic),
            (vec![25, 75], vec![true, true])
        );
        let off = Loads::compute(
            &[PriorityState {
                hosts: 2,
                healthy: 0,
                degraded: 0,
            }],
            140,
            0.0,
        );
        assert_eq!((off.healthy, off.panic), (vec![100], vec![false]));
    }

    #[test]
    fn degraded_hosts_take_what_healthy_ones_cannot() {
        let state = PriorityState {
            hosts: 100,
            healthy: 25,
            degraded: 75,
        };
        let loads = Loads::compute(&[state], 140, 50.0);
        assert_eq!((loads.healthy, loads.degraded), (vec![35], vec![65]));
        assert_eq!(
            Loads::compute(&[state], 140, 50.0).choose(34),
            Some((0, Availability::Healthy))
        );
        assert_eq!(
            Loads::compute(&[state], 140, 50.0).choose(35),
            Some((0, Availability::Degraded))
        );
    }
}
