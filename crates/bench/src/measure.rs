//! One measurement in figures, and medians of many.

use std::time::Duration;

use anyhow::ensure;

use crate::client::Outcome;
use crate::engine::Kind;

/// One measurement of one engine.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    /// Requests a second.
    pub(crate) rate: f64,
    /// CPU microseconds a request.
    pub(crate) cost: f64,
    /// Share of one core that the proxy used.
    pub(crate) core: f64,
    /// Microseconds.
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    /// MiB.
    pub(crate) rss: f64,
}

impl Sample {
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    pub(crate) fn new(outcome: &Outcome, cpu: Duration, rss: u64) -> anyhow::Result<Self> {
        ensure!(
            outcome.requests > 100,
            "only {} requests were made",
            outcome.requests
        );
        let requests = outcome.requests as f64;
        let mut latencies: Vec<f64> = outcome
            .latencies
            .iter()
            .map(|l| l.as_secs_f64() * 1e6)
            .collect();
        latencies.sort_by(f64::total_cmp);
        let at = |share: usize| latencies[(latencies.len() - 1) * share / 100];
        Ok(Self {
            rate: requests / outcome.elapsed.as_secs_f64(),
            cost: cpu.as_secs_f64() * 1e6 / requests,
            core: cpu.as_secs_f64() / outcome.elapsed.as_secs_f64(),
            p50: at(50),
            p99: at(99),
            rss: rss as f64 / 1024.0,
        })
    }
}

/// Both engines' rounds of one scenario; round `n` of one beside round `n` of the other.
#[derive(Debug, Default)]
pub(crate) struct Samples {
    pub(crate) saturated: Rounds,
    pub(crate) paced: Rounds,
}

#[derive(Debug, Default)]
pub(crate) struct Rounds {
    pub(crate) ferromesh: Vec<Sample>,
    pub(crate) envoy: Vec<Sample>,
}

impl Samples {
    pub(crate) fn push(&mut self, kind: Kind, saturated: Sample, paced: Sample) {
        self.saturated.of(kind).push(saturated);
        self.paced.of(kind).push(paced);
    }
}

impl Rounds {
    fn of(&mut self, kind: Kind) -> &mut Vec<Sample> {
        match kind {
            Kind::Ferromesh => &mut self.ferromesh,
            Kind::Envoy => &mut self.envoy,
        }
    }

    /// The median of the rounds' ratios, ours to Envoy's.
    pub(crate) fn ratio(&self, figure: fn(&Sample) -> f64) -> f64 {
        median(
            std::iter::zip(&self.ferromesh, &self.envoy)
                .map(|(ours, theirs)| figure(ours) / figure(theirs))
                .collect(),
        )
    }
}

/// The median of one figure.
pub(crate) fn of(samples: &[Sample], figure: fn(&Sample) -> f64) -> f64 {
    median(samples.iter().map(figure).collect())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => values[n / 2],
        n => f64::midpoint(values[n / 2 - 1], values[n / 2]),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_median_of_an_even_number_lies_between_the_middle_two() {
        assert!((super::median(vec![4.0, 1.0, 3.0, 2.0]) - 2.5).abs() < 1e-9);
        assert!((super::median(vec![9.0, 1.0, 5.0]) - 5.0).abs() < 1e-9);
    }
}
