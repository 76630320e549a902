//! How long a container that ended waits before it is started again: not at all the first time, then
//! 10 s, doubling to 5 min; forgotten after 10 min of running, as in Kubernetes.

use super::Millis;

pub(super) const FIRST: Millis = 10_000;
const LONGEST: Millis = 300_000;
const FORGET: Millis = 2 * LONGEST;

#[derive(Debug, Clone, Default)]
pub(super) struct Backoff {
    delay: Millis,
    updated: Millis,
}

impl Backoff {
    /// The delay after a run that ended at `now`.
    pub(super) fn delay(&mut self, now: Millis) -> Millis {
        self.next(now)
    }

    /// Returns the present delay and doubles the next.
    pub(super) fn next(&mut self, now: Millis) -> Millis {
        // What was waited is no running time.
        if now - self.updated > FORGET + self.delay {
            self.delay = 0;
        }
        let delay = self.delay;
        self.delay = if delay == 0 {
            FIRST
        } else {
            (delay * 2).min(LONGEST)
        };
        self.updated = now;
        delay
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_from_ten_seconds_to_five_minutes_and_forgets() {
        let mut backoff = Backoff::default();
        let mut now = 1_000_000;
        let mut delays = Vec::new();
        for _ in 0..8 {
            let delay = backoff.next(now);
            delays.push(delay / 1000);
            now += delay + 1;
        }
        assert_eq!(delays, [0, 10, 20, 40, 80, 160, 300, 300]);
        now += FORGET + LONGEST + 1;
        assert_eq!(backoff.next(now), 0);
    }
}
