//! `cargo xtask bench proxy`: builds what is shipped, then measures it beside stock Envoy.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Context;

use crate::{dist, peers};

pub(crate) fn proxy(arguments: &[&str]) -> anyhow::Result<()> {
    let found = peers::obtain()?;
    let (proxy, bench) = (dist::build()?, build()?);
    dist::run(
        Command::new(bench)
            .arg("--ferromesh")
            .arg(proxy)
            .arg("--envoy")
            .arg(found.directory.join("bin/envoy"))
            .args(arguments),
    )
}

/// Builds the load client; gives back where it is.
pub(crate) fn build() -> anyhow::Result<PathBuf> {
    println!("> cargo build --release --bin proxy-bench");
    dist::run(
        Command::new(env!("CARGO"))
            .args(["build", "--release", "--quiet"])
            .args(["--package", "bench", "--bin", "proxy-bench"]),
    )?;
    Ok(target_directory()?.join("release/proxy-bench"))
}

pub(crate) fn target_directory() -> anyhow::Result<PathBuf> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--no-deps"])
        .output()?;
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let directory = metadata["target_directory"]
        .as_str()
        .context("target_directory")?;
    Ok(directory.into())
}
