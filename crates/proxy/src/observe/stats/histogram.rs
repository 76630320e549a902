//! Histograms of milliseconds. One worker writes, readers merge.

use std::sync::atomic::{AtomicU64, Ordering};

use super::Cell;

/// Upper bounds that Prometheus output shows, in milliseconds (Envoy's defaults).
pub(super) const BOUNDS: [f64; 19] = [
    0.5,
    1.0,
    5.0,
    10.0,
    25.0,
    50.0,
    100.0,
    250.0,
    500.0,
    1000.0,
    2500.0,
    5000.0,
    10_000.0,
    30_000.0,
    60_000.0,
    300_000.0,
    600_000.0,
    1_800_000.0,
    3_600_000.0,
];

/// Steps a power of two: values are known to about 6 %.
const STEPS: u64 = 16;
const BUCKETS: usize = 16 * 24;

/// One worker's part.
#[derive(Debug)]
pub struct Histogram {
    buckets: Box<[AtomicU64]>,
    sum: Cell,
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            buckets: (0..BUCKETS).map(|_| AtomicU64::new(0)).collect(),
            sum: Cell::default(),
        }
    }
}

fn bucket(value: u64) -> usize {
    if value < STEPS {
        return usize::try_from(value).unwrap_or(0);
    }
    let power = u64::from(63 - value.leading_zeros());
    let step = (value >> (power - 4)) & (STEPS - 1);
    let index = (power - 3) * STEPS + step;
    usize::try_from(index).unwrap_or(BUCKETS).min(BUCKETS - 1)
}

/// The middle of a bucket.
fn value(bucket: usize) -> f64 {
    let (power, step) = (bucket as u64 / STEPS, bucket as u64 % STEPS);
    if power == 0 {
        return step as f64;
    }
    let width = (1_u64 << (power - 1)) as f64;
    (STEPS + step) as f64 * width + (width - 1.0) / 2.0
}

impl Histogram {
    pub fn record(&self, milliseconds: u64) {
        let cell = &self.buckets[bucket(milliseconds)];
        cell.store(cell.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        self.sum.add(milliseconds);
    }
}

/// Histograms of all workers, added up.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    buckets: Vec<u64>,
    pub count: u64,
    pub sum: u64,
}

impl Summary {
    #[must_use]
    pub fn of<'a>(parts: impl Iterator<Item = &'a Histogram>) -> Self {
        let mut summary = Self {
            buckets: vec![0; BUCKETS],
            count: 0,
            sum: 0,
        };
        for part in parts {
            for (total, bucket) in summary.buckets.iter_mut().zip(&part.buckets) {
                *total += bucket.load(Ordering::Relaxed);
            }
            summary.sum += part.sum.get();
        }
        summary.count = summary.buckets.iter().sum();
        summary
    }

    /// The value below which this share (0 to 1) of the recorded ones lie.
    #[must_use]
    pub fn quantile(&self, share: f64) -> Option<f64> {
        if self.count == 0 {
            return None;
        }
        let wanted = (share * self.count as f64).ceil().max(1.0) as u64;
        let mut seen = 0;
        self.buckets.iter().enumerate().find_map(|(index, n)| {
            seen += n;
            (seen >= wanted).then(|| value(index))
        })
    }

    /// Cumulative counts at [`BOUNDS`].
    #[must_use]
    pub fn cumulative(&self) -> Vec<(f64, u64)> {
        BOUNDS
            .iter()
            .map(|bound| {
                let below = self
                    .buckets
                    .iter()
                    .enumerate()
                    .filter(|(i, _)| value(*i) <= *bound);
                (*bound, below.map(|(_, n)| n).sum())
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_kept_within_a_sixteenth() {
        for wanted in [0_u64, 1, 15, 16, 17, 100, 999, 12_345, 3_600_000] {
            let got = value(bucket(wanted));
            assert!(
                (got - wanted as f64).abs() <= wanted as f64 / 16.0 + 0.5,
                "{wanted}: {got}"
            );
        }
    }

    #[test]
    fn quantiles_and_bounds_add_up_over_workers() {
        let (a, b) = (Histogram::default(), Histogram::default());
        (1..=50).for_each(|ms| a.record(ms));
        (51..=100).for_each(|ms| b.record(ms));
        let summary = Summary::of([&a, &b].into_iter());
        assert_eq!((summary.count, summary.sum), (100, 5050));
        let median = summary.quantile(0.5).unwrap();
        assert!((47.0..=53.0).contains(&median), "{median}");
        assert_eq!(summary.cumulative().last().map(|(_, n)| *n), Some(100));
    }
}
