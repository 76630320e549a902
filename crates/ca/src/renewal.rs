//! When to renew what. Pure: time and randomness come in.

use std::time::Duration;

const DAY: i64 = 24 * 3600;
const YEAR: i64 = 365 * DAY;

/// A new root is announced when the old one has less than this left: more than an intermediate lives,
/// so that none outlives its root.
const ROOT_MARGIN: i64 = 2 * YEAR;

/// When a leaf certificate is to be replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Renewal {
    /// Unix seconds.
    pub not_before: i64,
    pub not_after: i64,
}

impl Renewal {
    /// Half of its life, a tenth of it earlier or later: `jitter` is in 0..1. In unix seconds.
    #[must_use]
    pub fn at(self, jitter: f64) -> i64 {
        let life = (self.not_after - self.not_before).max(0);
        // Lifetimes are far below 2⁵² seconds.
        #[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss)]
        let shift = (life as f64 * 0.1 * (jitter.clamp(0.0, 1.0) - 0.5)) as i64;
        self.not_before + life / 2 + shift
    }

    /// How long to wait from `now`; zero when it is overdue.
    #[must_use]
    pub fn wait(self, now: i64, jitter: f64) -> Duration {
        Duration::from_secs(u64::try_from(self.at(jitter) - now).unwrap_or(0))
    }
}

/// What the self-signed authority consists of, for the planner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ages {
    pub(crate) root_not_after: i64,
    pub(crate) intermediate: Renewal,
    /// Since when the next root is announced.
    pub(crate) next_since: Option<i64>,
    /// How long an announcement takes to be everywhere, in seconds.
    pub(crate) overlap: i64,
}

/// The next step of the self-signed authority's rotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Rest,
    /// A third of its life is left: a new one under the same root.
    RenewIntermediate,
    /// Make the next root, and let everybody trust it first.
    AnnounceRoot,
    /// Everybody trusts it by now: sign with it.
    SwitchRoot,
}

impl Step {
    pub(crate) fn plan(ages: &Ages, now: i64) -> Self {
        let Ages {
            root_not_after,
            intermediate,
            next_since,
            overlap,
        } = *ages;
        match next_since {
            Some(since) if now >= since + overlap => return Self::SwitchRoot,
            None if root_not_after - now < ROOT_MARGIN => return Self::AnnounceRoot,
            _ => {}
        }
        let life = intermediate.not_after - intermediate.not_before;
        if intermediate.not_after - now < life / 3 {
            return Self::RenewIntermediate;
        }
        Self::Rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leaf_is_renewed_around_half_of_its_life() {
        let leaf = Renewal {
            not_before: 0,
            not_after: DAY,
        };
        assert_eq!(leaf.at(0.5), DAY / 2);
        assert_eq!(leaf.at(0.0), DAY * 45 / 100);
        assert_eq!(leaf.at(1.0), DAY * 55 / 100);
        assert_eq!(leaf.wait(DAY, 0.5), Duration::ZERO);
    }

    #[test]
    fn each_certificate_is_replaced_before_it_expires_and_a_root_is_announced_before_use() {
        let (mut root, mut inter) = (
            10 * YEAR,
            Renewal {
                not_before: 0,
                not_after: YEAR,
            },
        );
        let mut next: Option<i64> = None;
        let mut steps = Vec::new();
        for day in 0..(12 * 365) {
            let now = day * DAY;
            let ages = Ages {
                root_not_after: root,
                intermediate: inter,
                next_since: next,
                overlap: 2 * DAY,
            };
            let step = Step::plan(&ages, now);
            match step {
                Step::Rest => {}
                Step::RenewIntermediate => {
                    inter = Renewal {
                        not_before: now,
                        not_after: now + YEAR,
                    };
                }
                Step::AnnounceRoot => next = Some(now),
                Step::SwitchRoot => {
                    assert!(now - next.unwrap() >= 2 * DAY);
                    (root, next) = (now + 10 * YEAR, None);
                    inter = Renewal {
                        not_before: now,
                        not_after: now + YEAR,
                    };
                }
            }
            assert!(inter.not_after > now && inter.not_after <= root);
            if step != Step::Rest && step != Step::RenewIntermediate {
                steps.push(step);
            }
        }
        assert_eq!(steps, [Step::AnnounceRoot, Step::SwitchRoot]);
    }
}
