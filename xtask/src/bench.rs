//! `cargo xtask bench proxy`: builds what is shipped, then measures it beside stock Envoy.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, ensure};

use crate::peers;

/// What images ship.
const PROFILE: &str = "dist";

pub(crate) fn proxy(arguments: &[&str]) -> anyhow::Result<()> {
    let found = peers::obtain()?;
    for package in [["cli", "ferromesh-proxy"], ["bench", "proxy-bench"]] {
        println!("> cargo build --profile {PROFILE} --bin {}", package[1]);
        let status = Command::new(env!("CARGO"))
            .args([
                "build",
                "--profile",
                PROFILE,
                "--quiet",
                "--package",
                package[0],
                "--bin",
                package[1],
            ])
            .status()?;
        ensure!(status.success(), "cargo build: {status}");
    }
    let built = target_directory()?.join(PROFILE);
    let status = Command::new(built.join("proxy-bench"))
        .arg("--ferromesh")
        .arg(built.join("ferromesh-proxy"))
        .arg("--envoy")
        .arg(found.directory.join("bin/envoy"))
        .args(arguments)
        .status()
        .context("proxy-bench")?;
    ensure!(status.success(), "proxy-bench: {status}");
    Ok(())
}

fn target_directory() -> anyhow::Result<PathBuf> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--no-deps"])
        .output()?;
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let directory = metadata["target_directory"]
        .as_str()
        .context("target_directory")?;
    Ok(directory.into())
}
