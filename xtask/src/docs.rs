//! The reference in `docs/reference`, which a test of `cli` makes from the code.

use std::process::Command;

use anyhow::ensure;

/// Writes the pages.
pub(crate) fn write() -> anyhow::Result<()> {
    run(true)
}

/// Fails when a page is not what the code says.
pub(crate) fn check() -> anyhow::Result<()> {
    run(false)
}

fn run(write: bool) -> anyhow::Result<()> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["test", "--quiet", "--package", "cli", "--test", "reference"]);
    if write {
        cargo.env("FERROMESH_WRITE_REFERENCE", "1");
    }
    let status = cargo.status()?;
    ensure!(
        status.success(),
        "docs/reference is not current: run `cargo xtask docs`"
    );
    Ok(())
}
