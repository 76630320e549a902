//! `cargo xtask test`: everything that must hold, and one summary.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, bail, ensure};

use crate::summary::Summary;
use crate::{layers, peers};

/// How much is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    Usual,
    /// Also long churn runs.
    Long,
}

pub(crate) fn run(extent: Extent) -> anyhow::Result<()> {
    let found = peers::obtain()?;
    peers::print(&found);
    let mut summary = Summary::default();
    summary.step("cargo fmt --check", cargo(&["fmt", "--all", "--check"]));
    summary.step("layers", layers::check());
    summary.step("cargo deny check", deny());
    summary.step(
        "cargo clippy",
        cargo(&[
            "clippy",
            "--workspace",
            "--all-targets",
            "--quiet",
            "--",
            "-D",
            "warnings",
        ]),
    );
    summary.step(
        "cargo build",
        cargo(&["build", "--workspace", "--bins", "--quiet"]),
    );
    let skips = found
        .directory
        .join(format!("skipped-{}", std::process::id()));
    let _ = std::fs::remove_file(&skips);
    tests(extent, &found.directory, &skips, &mut summary)?;
    let text = std::fs::read_to_string(&skips).unwrap_or_default();
    let _ = std::fs::remove_file(&skips);
    summary.skipped.extend(text.lines().map(str::to_owned));
    summary.skipped.extend(
        found
            .missing
            .iter()
            .map(|m| format!("peer {}: {}", m.name, m.reason)),
    );
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
fn deny() -> anyhow::Result<()> {
    let present = Command::new(env!("CARGO"))
        .args(["deny", "--version"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !present {
        println!("cargo-deny is not installed; deny.toml is not checked");
        return Ok(());
    }
    cargo(&["deny", "check"])
}

fn tests(extent: Extent, peers: &Path, skips: &Path, summary: &mut Summary) -> anyhow::Result<()> {
    println!("> cargo test --workspace");
    let mut command = Command::new(env!("CARGO"));
    command
        .args(["test", "--workspace", "--no-fail-fast"])
        .env("FERROMESH_PEERS", peers)
        .env("FERROMESH_ENVOY", peers.join("bin/envoy"))
        .env("FERROMESH_SKIPS", skips)
        .stdout(Stdio::piped());
    if extent == Extent::Long {
        command.env("FERROMESH_LONG", "1");
    }
    let mut child = command.spawn()?;
    let output = child.stdout.take().context("cargo test's output")?;
    for line in BufReader::new(output).lines() {
        let line = line?;
        println!("{line}");
        summary.read(&line);
    }
    let status = child.wait()?;
    if !status.success() && summary.failed == 0 {
        summary.step(
            "cargo test",
            Err(anyhow::anyhow!(
                "{status}; a test binary could not be built or died"
            )),
        );
    }
    Ok(())
}
