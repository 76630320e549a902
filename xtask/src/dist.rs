//! `cargo xtask dist`: the proxy as it ships, compiled by a profile of itself at work.
//!
//! Most requests find the processor's caches cold: what counts then is how little code a request touches. A
//! profile lets the compiler lay that code out together. It is made in three steps: an instrumented build, the
//! load of the bench through it, and the build that reads the counts.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};

/// Optimised as far as the compiler goes.
const PROFILE: &str = "dist";

/// Seconds of each measurement while the profile is taken; there are eight.
const SECONDS: &str = "2";

/// Builds the proxy; gives back where it is.
pub(crate) fn build() -> anyhow::Result<PathBuf> {
    let tools = Tools::find()?;
    let work = crate::bench::target_directory()?.join("guided");
    let profiles = work.join("profiles");
    if profiles.exists() {
        std::fs::remove_dir_all(&profiles)?;
    }
    println!("> 1 of 3: build that counts what runs");
    let counting = tools.proxy(&work, &format!("-Cprofile-generate={}", profiles.display()))?;
    println!("> 2 of 3: load");
    let bench = crate::bench::build()?;
    run(Command::new(bench).arg("--ferromesh").arg(&counting).args([
        "--rounds",
        "1",
        "--seconds",
        SECONDS,
    ]))?;
    let merged = work.join("proxy.profdata");
    run(Command::new(&tools.merger)
        .arg("merge")
        .arg("--output")
        .arg(&merged)
        .arg(&profiles))?;
    println!("> 3 of 3: build by the profile");
    let built = tools.proxy(&work, &format!("-Cprofile-use={}", merged.display()))?;
    println!("{}", built.display());
    Ok(built)
}

/// The compiler's own tools.
struct Tools {
    host: String,
    merger: PathBuf,
}

impl Tools {
    fn find() -> anyhow::Result<Self> {
        let host = rustc(&["--version", "--verbose"])?
            .lines()
            .find_map(|line| line.strip_prefix("host: "))
            .context("rustc --version --verbose names no host")?
            .to_owned();
        let sysroot = PathBuf::from(rustc(&["--print", "sysroot"])?.trim());
        let merger = sysroot
            .join("lib/rustlib")
            .join(&host)
            .join("bin/llvm-profdata");
        if !merger.exists() {
            println!("> rustup component add llvm-tools");
            run(Command::new("rustup").args(["component", "add", "llvm-tools"]))
                .context("profiles cannot be merged without rustup's component llvm-tools")?;
        }
        ensure!(merger.exists(), "{} is missing", merger.display());
        Ok(Self { host, merger })
    }

    /// With a target named, the flags are for the program alone and not for build scripts.
    fn proxy(&self, work: &Path, flags: &str) -> anyhow::Result<PathBuf> {
        run(Command::new(env!("CARGO"))
            .env("RUSTFLAGS", flags)
            .args(["build", "--quiet", "--profile", PROFILE])
            .args(["--package", "cli", "--bin", "ferromesh-proxy"])
            .args(["--target", &self.host])
            .arg("--target-dir")
            .arg(work))?;
        Ok(work.join(&self.host).join(PROFILE).join("ferromesh-proxy"))
    }
}

fn rustc(arguments: &[&str]) -> anyhow::Result<String> {
    let output = Command::new("rustc").args(arguments).output()?;
    ensure!(output.status.success(), "rustc: {}", output.status);
    Ok(String::from_utf8(output.stdout)?)
}

/// Runs a command whose output goes to the terminal.
pub(crate) fn run(command: &mut Command) -> anyhow::Result<()> {
    let status = command
        .status()
        .with_context(|| format!("{}", command.get_program().display()))?;
    ensure!(
        status.success(),
        "{}: {status}",
        command.get_program().display()
    );
    Ok(())
}
