//! The arithmetic of a rollout: how many replicas each ReplicaSet should have next. Pure numbers.

use serde_json::Value;

/// How pods are replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Strategy {
    Recreate,
    Rolling {
        /// Pods over the wanted number.
        surge: i64,
        /// Pods that may be missing.
        unavailable: i64,
    },
}

impl Strategy {
    /// Reads `spec.strategy`; percentages are of `replicas`: surge rounds up, unavailable down.
    pub(crate) fn of(spec: &Value, replicas: i64) -> Self {
        let strategy = &spec["strategy"];
        if strategy["type"] == "Recreate" {
            return Self::Recreate;
        }
        let rolling = &strategy["rollingUpdate"];
        let surge = resolve(&rolling["maxSurge"], replicas, true);
        let unavailable = resolve(&rolling["maxUnavailable"], replicas, false);
        // With both zero nothing could ever move.
        let unavailable = if surge == 0 && unavailable == 0 {
            1
        } else {
            unavailable.min(replicas)
        };
        Self::Rolling { surge, unavailable }
    }

    pub(crate) fn surge(self) -> i64 {
        match self {
            Self::Recreate => 0,
            Self::Rolling { surge, .. } => surge,
        }
    }

    pub(crate) fn unavailable(self) -> i64 {
        match self {
            Self::Recreate => 0,
            Self::Rolling { unavailable, .. } => unavailable,
        }
    }
}

fn resolve(value: &Value, replicas: i64, up: bool) -> i64 {
    let percent = match value {
        Value::Number(number) => return number.as_i64().unwrap_or(0).max(0),
        Value::String(text) => match text.strip_suffix('%') {
            Some(percent) => percent.parse::<i64>().unwrap_or(25),
            None => return text.parse::<i64>().unwrap_or(0).max(0),
        },
        _ => 25,
    };
    let scaled = percent.clamp(0, 1000).saturating_mul(replicas);
    if up {
        (scaled + 99) / 100
    } else {
        scaled / 100
    }
}

/// The counts of a ReplicaSet that a rollout looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Counts {
    /// Wanted.
    pub(crate) spec: i64,
    pub(crate) available: i64,
}

/// The next size of the new ReplicaSet, given the sizes of the old ones.
pub(crate) fn grow_new(replicas: i64, strategy: Strategy, new: i64, old_total: i64) -> i64 {
    if new >= replicas {
        return replicas;
    }
    match strategy {
        Strategy::Recreate => replicas,
        Strategy::Rolling { surge, .. } => {
            let room = (replicas + surge - new - old_total).max(0);
            new + room.min(replicas - new)
        }
    }
}

/// The next sizes of the old ReplicaSets, oldest first: unhealthy pods go at once, healthy ones as long
/// as enough stay available.
pub(crate) fn shrink_old(
    replicas: i64,
    strategy: Strategy,
    new: Counts,
    old: &[Counts],
) -> Vec<i64> {
    let mut sizes: Vec<i64> = old.iter().map(|counts| counts.spec).collect();
    let minimum = replicas - strategy.unavailable();
    let total = new.spec + sizes.iter().sum::<i64>();
    let new_unavailable = (new.spec - new.available).max(0);
    let mut removable = total - minimum - new_unavailable;
    if removable <= 0 {
        return sizes;
    }
    for (size, counts) in sizes.iter_mut().zip(old) {
        let unhealthy = (*size - counts.available).max(0).min(removable);
        *size -= unhealthy;
        removable -= unhealthy;
    }
    let available = new.available + old.iter().map(|counts| counts.available).sum::<i64>();
    let mut spare = available - minimum;
    for size in &mut sizes {
        let gone = spare.max(0).min(*size);
        *size -= gone;
        spare -= gone;
    }
    sizes
}

/// A ReplicaSet whose share is to follow a change of the Deployment's size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Share {
    pub(crate) spec: i64,
    /// The most pods the Deployment allowed when this size was chosen.
    pub(crate) max_before: i64,
}

/// Spreads `allowed` pods over ReplicaSets in proportion to their sizes. The first takes what rounding
/// leaves: callers order them by who should.
pub(crate) fn spread(allowed: i64, shares: &[Share]) -> Vec<i64> {
    let total: i64 = shares.iter().map(|share| share.spec).sum();
    let to_add = allowed - total;
    let mut added = 0;
    let mut sizes: Vec<i64> = shares
        .iter()
        .map(|share| {
            if to_add == 0 || share.spec == 0 {
                return share.spec;
            }
            let before = if share.max_before > 0 {
                share.max_before
            } else {
                total.max(1)
            };
            // Rounded to the nearest, as Kubernetes does.
            let grown = (2 * share.spec.saturating_mul(allowed) + before) / (2 * before);
            let change = grown - share.spec;
            let left = to_add - added;
            let change = if to_add > 0 {
                change.clamp(0, left)
            } else {
                change.clamp(left, 0)
            };
            added += change;
            share.spec + change
        })
        .collect();
    if let Some(first) = sizes.first_mut() {
        *first = (*first + to_add - added).max(0);
    }
    sizes
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn strategy(surge: &Value, unavailable: &Value, replicas: i64) -> Strategy {
        let spec = json!({ "strategy": { "rollingUpdate": {
            "maxSurge": surge, "maxUnavailable": unavailable
        } } });
        Strategy::of(&spec, replicas)
    }

    #[test]
    fn percentages_round_in_favour_of_progress_and_availability() {
        let rolling = |surge, unavailable| Strategy::Rolling { surge, unavailable };
        assert_eq!(Strategy::of(&json!({}), 4), rolling(1, 1));
        assert_eq!(Strategy::of(&json!({}), 1), rolling(1, 0));
        assert_eq!(strategy(&json!("30%"), &json!("30%"), 5), rolling(2, 1));
        assert_eq!(strategy(&json!(0), &json!(0), 3), rolling(0, 1));
        assert_eq!(strategy(&json!(0), &json!(9), 3), rolling(0, 3));
    }

    #[test]
    fn a_rollout_never_leaves_its_bounds_and_always_ends() {
        for replicas in 0..8 {
            for surge in 0..4 {
                for unavailable in 0..4 {
                    let strategy = strategy(&json!(surge), &json!(unavailable), replicas);
                    roll(replicas, strategy);
                }
            }
        }
    }

    /// Pods become available one step after they are asked for.
    fn roll(replicas: i64, strategy: Strategy) {
        let (mut new, mut old) = (
            Counts::default(),
            Counts {
                spec: replicas,
                available: replicas,
            },
        );
        for _ in 0..100 {
            new.spec = grow_new(replicas, strategy, new.spec, old.spec);
            old.spec = shrink_old(replicas, strategy, new, &[old])[0];
            old.available = old.available.min(old.spec);
            assert!(new.spec + old.spec <= replicas + strategy.surge());
            assert!(new.available + old.available >= replicas - strategy.unavailable());
            new.available = new.spec;
            if (new.spec, old.spec) == (replicas, 0) {
                return;
            }
        }
        panic!("{replicas} {strategy:?} stuck at {new:?} {old:?}");
    }

    #[test]
    fn unhealthy_old_pods_make_way_first() {
        let strategy = strategy(&json!(1), &json!(0), 3);
        let old = [
            Counts {
                spec: 2,
                available: 2,
            },
            Counts {
                spec: 1,
                available: 0,
            },
        ];
        let new = Counts {
            spec: 1,
            available: 0,
        };
        assert_eq!(shrink_old(3, strategy, new, &old), [2, 1]);
        let new = Counts {
            spec: 1,
            available: 1,
        };
        assert_eq!(shrink_old(3, strategy, new, &old), [2, 0]);
    }

    #[test]
    fn a_resize_in_mid_rollout_keeps_the_proportions() {
        let share = |spec, max_before| Share { spec, max_before };
        assert_eq!(spread(20, &[share(5, 10), share(5, 10)]), [10, 10]);
        assert_eq!(
            spread(5, &[share(5, 10), share(5, 10)]).iter().sum::<i64>(),
            5
        );
        assert_eq!(
            spread(11, &[share(5, 10), share(5, 10)])
                .iter()
                .sum::<i64>(),
            11
        );
        assert_eq!(spread(0, &[share(3, 4), share(1, 4)]), [0, 0]);
    }
}
