//! Prints what was measured, and how it stands to the targets.

use anyhow::ensure;

use crate::config::Scenario;
use crate::engine::{Account, Kind};
use crate::measure::{Rounds, Sample, Samples, of};

/// Targets, as ratios to Envoy.
const SATURATED: f64 = 0.30;
const PACED: f64 = 0.40;
const P99: f64 = 0.35;
const RSS: f64 = 0.25;

pub(crate) fn print_scenario(scenario: Scenario, samples: &Samples) {
    println!("\n{} (medians)", scenario.name());
    println!(
        "  {:<10} {:<10} {:>9} {:>7} {:>9} {:>9} {:>9} {:>8}",
        "load", "engine", "req/s", "core %", "µs/req", "p50 µs", "p99 µs", "RSS MiB"
    );
    for (load, rounds) in [("saturated", &samples.saturated), ("paced", &samples.paced)] {
        for (engine, samples) in [("ferromesh", &rounds.ferromesh), ("envoy", &rounds.envoy)] {
            row(load, engine, samples);
        }
        spread(rounds);
    }
}

fn row(load: &str, engine: &str, samples: &[Sample]) {
    println!(
        "  {load:<10} {engine:<10} {:>9.0} {:>7.0} {:>9.1} {:>9.0} {:>9.0} {:>8.1}",
        of(samples, |s| s.rate),
        of(samples, |s| s.core * 100.0),
        of(samples, |s| s.cost),
        of(samples, |s| s.p50),
        of(samples, |s| s.p99),
        of(samples, |s| s.rss),
    );
}

fn spread(rounds: &Rounds) {
    let ratios: Vec<String> = std::iter::zip(&rounds.ferromesh, &rounds.envoy)
        .map(|(ours, theirs)| format!("{:.2}", ours.cost / theirs.cost))
        .collect();
    println!("  {:<10} CPU ratio of each round: {}", "", ratios.join(" "));
}

pub(crate) fn print_summary(table: &[(Scenario, Samples)]) {
    println!("\nratio to Envoy in the same run (target)");
    println!(
        "  {:<15} {:>18} {:>18} {:>18} {:>14}",
        "", "CPU saturated", "CPU paced", "p99 paced", "RSS"
    );
    for (scenario, samples) in table {
        let figures = [
            (samples.saturated.ratio(|s| s.cost), SATURATED),
            (samples.paced.ratio(|s| s.cost), PACED),
            (samples.paced.ratio(|s| s.p99), P99),
            (samples.paced.ratio(|s| s.rss), RSS),
        ];
        let cells: Vec<String> = figures
            .iter()
            .map(|(ratio, target)| {
                let verdict = if ratio <= target { "met" } else { "missed" };
                format!("{ratio:.2} ({target:.2} {verdict})")
            })
            .collect();
        println!(
            "  {:<15} {:>18} {:>18} {:>18} {:>14}",
            scenario.name(),
            cells[0],
            cells[1],
            cells[2],
            cells[3]
        );
    }
}

/// Log lines, counters and the client's own count must agree.
pub(crate) fn print_accounting(kind: Kind, account: &Account) -> anyhow::Result<()> {
    let Account {
        requests,
        log_lines,
        downstream,
        upstream,
    } = account;
    println!(
        "{}: {requests} requests, {log_lines} log lines, downstream_rq_2xx {downstream}, upstream_rq_200 {upstream}",
        kind.name()
    );
    ensure!(
        [log_lines, downstream, upstream]
            .iter()
            .all(|n| *n == requests),
        "{}: client, log and statistics disagree",
        kind.name()
    );
    Ok(())
}
