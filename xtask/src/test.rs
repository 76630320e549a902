//! `cargo xtask test`: everything that must hold, and one summary.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{bail, ensure};

use crate::follow::{Ended, Stream, follow};
use crate::summary::{Step, Summary};
use crate::{fuzz, layers, peers, unused};

/// How much is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    Usual,
    /// Also fuzzing and long churn runs.
    Long,
}

impl Extent {
    /// For how long the tests may say nothing before they count as hung: `FERROMESH_TEST_SILENCE`, in seconds.
    fn silence(self) -> u64 {
        let usual = match self {
            Self::Usual => 900,
            Self::Long => 1800,
        };
        std::env::var("FERROMESH_TEST_SILENCE")
            .ok()
            .and_then(|text| text.parse().ok())
            .unwrap_or(usual)
    }
}

pub(crate) fn run(extent: Extent) -> anyhow::Result<()> {
    let found = peers::obtain()?;
    peers::print(&found);
    let mut summary = Summary::default();
    let done = |result: anyhow::Result<()>| result.map(|()| Step::Done);
    summary.step(
        "cargo fmt --check",
        done(cargo(&["fmt", "--all", "--check"])),
    );
    summary.step("layers", done(layers::check()));
    summary.step("unused dependencies", done(unused::check()));
    summary.step("cargo deny check", deny(&["bans", "licenses", "sources"]));
    summary.step("cargo deny check advisories", advisories());
    let clippy = ["clippy", "--workspace", "--all-targets", "--quiet"];
    let strict = ["--", "-D", "warnings"];
    summary.step(
        "cargo clippy",
        done(cargo(&[&clippy[..], &strict].concat())),
    );
    summary.step(
        "cargo build",
        done(cargo(&["build", "--workspace", "--bins", "--quiet"])),
    );
    tests(extent, &found.directory, &mut summary)?;
    if extent == Extent::Long {
        fuzz::run(None, &mut summary);
    }
    let missing = found.missing.iter();
    summary
        .skipped
        .extend(missing.map(|m| format!("peer {}: {}", m.name, m.reason)));
    end(&summary)
}

/// Fuzzes alone.
pub(crate) fn fuzz(only: Option<&str>) -> anyhow::Result<()> {
    let mut summary = Summary::default();
    fuzz::run(only, &mut summary);
    end(&summary)
}

fn end(summary: &Summary) -> anyhow::Result<()> {
    summary.print();
    if summary.failed > 0 {
        bail!("{} failed", summary.failed);
    }
    Ok(())
}

fn cargo(args: &[&str]) -> anyhow::Result<()> {
    println!("> cargo {}", args.join(" "));
    let status = Command::new(env!("CARGO")).args(args).status()?;
    ensure!(status.success(), "cargo {}: {status}", args[0]);
    Ok(())
}

/// `deny.toml` is checked where cargo-deny is installed.
fn deny(checks: &[&str]) -> anyhow::Result<Step> {
    if !has_deny() {
        return Ok(Step::Skipped("cargo-deny is not installed".into()));
    }
    cargo(&[&["deny", "check"], checks].concat()).map(|()| Step::Done)
}

fn has_deny() -> bool {
    Command::new(env!("CARGO"))
        .args(["deny", "--version"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Advisories are in a repository of their own, which not every machine can reach.
fn advisories() -> anyhow::Result<Step> {
    if !has_deny() {
        return Ok(Step::Skipped("cargo-deny is not installed".into()));
    }
    println!("> cargo deny fetch db");
    let fetched = Command::new(env!("CARGO"))
        .args(["deny", "fetch", "db"])
        .stderr(Stdio::null())
        .status()?;
    if !fetched.success() {
        let why = "the advisory database cannot be reached";
        return Ok(Step::Skipped(why.into()));
    }
    deny(&["advisories"])
}

fn tests(extent: Extent, peers: &Path, summary: &mut Summary) -> anyhow::Result<()> {
    println!("> cargo test --workspace");
    let skips = peers.join(format!("skipped-{}", std::process::id()));
    let _ = std::fs::remove_file(&skips);
    let mut command = Command::new(env!("CARGO"));
    command
        .args(["test", "--workspace", "--no-fail-fast"])
        .env("FERROMESH_PEERS", peers)
        .env("FERROMESH_ENVOY", peers.join("bin/envoy"))
        .env("FERROMESH_SKIPS", &skips);
    if extent == Extent::Long {
        command.env("FERROMESH_LONG", "1");
    }
    let silence = extent.silence();
    let limit = Duration::from_secs(silence);
    let ended = follow(&mut command, limit, |stream, line| {
        match stream {
            Stream::Out => println!("{line}"),
            Stream::Err => eprintln!("{line}"),
        }
        summary.read(stream, line);
    })?;
    match ended {
        Ended::Itself(status) => summary.check(status.success()),
        Ended::Silent => summary.hung(silence),
    }
    summary.read_skips(&std::fs::read_to_string(&skips).unwrap_or_default());
    let _ = std::fs::remove_file(&skips);
    Ok(())
}
