//! `proxy-bench`: what our proxy costs beside stock Envoy, in one interleaved run.
//!
//! One proxy thread is pinned on core 1; the load client and the backend share core 0. Each round measures both
//! engines in shuffled order: closed loop for the cost at saturation, open loop (Poisson, latency from the
//! intended send) at a fixed rate. CPU is the kernel's run time of all threads of the process.
//!
//! Ratios to Envoy 1.40 of one run of what `cargo xtask dist` builds (medians of six rounds of 3 s, two shared cores,
//! 2026-11-27):
//!
//! | | CPU saturated | CPU at 3,000/s | p99 at 3,000/s | memory |
//! |---|---|---|---|---|
//! | HTTP/1.1 | 0.16 | 0.30 | 0.10 | 0.16 |
//! | HTTP/2 | 0.18 | 0.35 | 0.18 | 0.19 |
//! | HTTP/1.1, mTLS | 0.16 | 0.29 | 0.06 | 0.21 |
//! | HTTP/2, mTLS | 0.25 | 0.34 | 0.06 | 0.22 |
//! | to reach | 0.30 | 0.40 | 0.35 | 0.25 |
//!
//! The build is guided by a profile that this load makes: without it the four took 0.20, 0.28, 0.20, 0.24 saturated and
//! 0.34, 0.41, 0.35, 0.44 at 3,000/s, for what a lone request costs is how much cold code it touches. Single rounds scatter by a
//! tenth at 3,000/s and by a third at saturation. Memory is what is resident (`VmRSS`): 20 MiB against 88 MiB, of which some 13 MiB were won by
//! giving freed memory back once a configuration is compiled, and some 6 MiB by profile `dist` and by unmapping the code that only
//! started the program, which the kernel counts as resident while it is mapped. Another allocator (jemalloc, mimalloc) made no
//! difference to the CPU and took more memory.

mod backend;
mod client;
mod config;
mod engine;
mod http1;
mod http2;
mod measure;
mod poll;
mod report;
mod transport;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, ensure};
use clap::Parser;

use crate::backend::Backend;
use crate::client::{Client, Load};
use crate::config::{Credentials, LISTENERS, Scenario};
use crate::engine::{Engine, Kind};
use crate::measure::{Sample, Samples};

/// Measures ferromesh-proxy and Envoy side by side.
#[derive(Debug, Parser)]
struct Args {
    /// The proxy under test.
    #[arg(long, value_name = "FILE")]
    ferromesh: PathBuf,
    /// Stock Envoy. Without it our proxy runs alone and nothing is compared.
    #[arg(long, value_name = "FILE")]
    envoy: Option<PathBuf>,
    /// Rounds of each scenario; medians are printed.
    #[arg(long, default_value_t = 6)]
    rounds: usize,
    /// Length of one measurement.
    #[arg(long, default_value_t = 3.0, value_name = "SECONDS")]
    seconds: f64,
    /// Rate of the open loop, requests a second.
    #[arg(long, default_value_t = 3000.0)]
    rate: f64,
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// Only scenarios whose name contains this.
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
}

/// Core of the load client and the backend.
const LOAD_CORE: usize = 0;

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let cores = std::thread::available_parallelism()?.get();
    ensure!(
        cores >= 2,
        "the bench needs two cores: one for the proxy, one for the load"
    );
    net::tls::install_provider();
    poll::pin(LOAD_CORE)?;
    let directory = directory()?;
    let credentials = Credentials::make(&directory)?;
    let backend = Backend::start()?;
    let mut engines = Vec::new();
    let ours = (Kind::Ferromesh, &args.ferromesh);
    let envoy = args.envoy.as_ref().map(|program| (Kind::Envoy, program));
    for (kind, program) in std::iter::once(ours).chain(envoy) {
        let engine = Engine::start(kind, program, &directory, backend.address)
            .with_context(|| format!("starting {}", program.display()))?;
        engines.push(engine);
    }
    let scenarios = Scenario::all().filter(|s| {
        args.only
            .as_ref()
            .is_none_or(|text| s.name().contains(text.as_str()))
    });
    let mut table = Vec::new();
    for scenario in scenarios {
        let samples = run(&args, scenario, &mut engines, &credentials)?;
        if args.envoy.is_some() {
            report::print_scenario(scenario, &samples);
        }
        table.push((scenario, samples));
    }
    if args.envoy.is_some() {
        report::print_summary(&table);
    }
    for engine in &mut engines {
        report::print_accounting(engine.kind, &engine.account()?)?;
    }
    for engine in engines {
        engine.stop()?;
    }
    std::fs::remove_dir_all(&directory)?;
    Ok(())
}

fn directory() -> anyhow::Result<PathBuf> {
    let directory = std::env::temp_dir().join(format!("ferromesh-bench-{}", std::process::id()));
    std::fs::create_dir_all(&directory)?;
    Ok(directory)
}

/// All rounds of one scenario.
fn run(
    args: &Args,
    scenario: Scenario,
    engines: &mut [Engine],
    credentials: &Credentials,
) -> anyhow::Result<Samples> {
    let mut samples = Samples::default();
    let length = Duration::from_secs_f64(args.seconds);
    let mut clients = Vec::new();
    for engine in &*engines {
        let address = engine.address(LISTENERS[scenario.listener()]);
        clients.push(Client::connect(
            address,
            scenario,
            credentials,
            args.connections,
        )?);
    }
    for round in 0..=args.rounds {
        let mut order: Vec<usize> = (0..engines.len()).collect();
        fastrand::shuffle(&mut order);
        for index in order {
            let (engine, client) = (&mut engines[index], &mut clients[index]);
            let warm_up = round == 0;
            let mut measure = |load: Load| -> anyhow::Result<Sample> {
                let before = engine.cpu()?;
                let outcome = client.run(load, if warm_up { length / 3 } else { length })?;
                let cpu = engine.cpu()? - before;
                engine.requests += outcome.requests;
                ensure!(
                    outcome.failed == 0,
                    "{}: {} of {} requests failed",
                    engine.kind.name(),
                    outcome.failed,
                    outcome.requests
                );
                Sample::new(&outcome, cpu, engine.rss()?)
            };
            let saturated = measure(Load::Closed)?;
            let paced = measure(Load::Open { rate: args.rate })?;
            if !warm_up {
                samples.push(engine.kind, saturated, paced);
            }
        }
        eprint!("\r{}: round {round} of {} ", scenario.name(), args.rounds);
    }
    eprintln!();
    Ok(samples)
}
