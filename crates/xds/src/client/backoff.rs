//! How long to wait before connecting again: exponential with full jitter, as Envoy does.

use std::time::Duration;

/// Envoy's defaults for its xDS streams.
const BASE: Duration = Duration::from_millis(500);
const MAX: Duration = Duration::from_secs(30);

/// Grows with each failure in a row; randomness is passed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backoff {
    base: Duration,
    max: Duration,
    ceiling: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self::new(BASE, MAX)
    }
}

impl Backoff {
    /// Starts below `base` and doubles up to `max`.
    #[must_use]
    pub fn new(base: Duration, max: Duration) -> Self {
        Self {
            base,
            max,
            ceiling: base,
        }
    }

    /// The next delay: `random`, in 0..1, times the ceiling, which then doubles.
    pub fn next_delay(&mut self, random: f64) -> Duration {
        let delay = self.ceiling.mul_f64(random.clamp(0.0, 1.0));
        self.ceiling = (self.ceiling * 2).min(self.max);
        delay
    }

    /// A connection proved good.
    pub fn reset(&mut self) {
        self.ceiling = self.base;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_up_to_the_maximum_and_starts_over_after_success() {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(5));
        let delays: Vec<_> = (0..4).map(|_| backoff.next_delay(1.0).as_secs()).collect();
        assert_eq!(delays, [1, 2, 4, 5]);
        backoff.reset();
        assert_eq!(backoff.next_delay(0.5), Duration::from_millis(500));
    }
}
