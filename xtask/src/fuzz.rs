//! Runs the fuzz targets of `fuzz/` under libFuzzer, each for a bounded time.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail, ensure};

use crate::summary::{Step, Summary};

/// Seconds for each target; `FERROMESH_FUZZ_SECONDS` says otherwise.
const SECONDS: u64 = 60;
/// One input may take so many seconds, and all of them so many MiB.
const SLOWEST: u64 = 20;
const MEMORY: u64 = 2048;

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz")
}

/// Names of the targets.
fn targets() -> anyhow::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(directory().join("fuzz_targets"))? {
        let path = entry?.path();
        let name = path.file_stem().and_then(|stem| stem.to_str());
        names.push(name.context("a target's name")?.to_owned());
    }
    names.sort();
    Ok(names)
}

/// Runs one target, or all of them; notes in the summary what was run.
pub(crate) fn run(only: Option<&str>, summary: &mut Summary) {
    let seconds = std::env::var("FERROMESH_FUZZ_SECONDS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(SECONDS);
    let ready = install().and_then(|()| {
        let mut names = targets()?;
        names.retain(|name| only.is_none_or(|only| only == name));
        ensure!(!names.is_empty(), "no such target");
        build(only)?;
        Ok(names)
    });
    let names = match ready {
        Ok(names) => names,
        Err(error) => return summary.step("fuzz", Err(error)),
    };
    for name in names {
        println!("> fuzz {name} for {seconds} s");
        let result = target(&name, seconds).map(|runs| {
            summary
                .notes
                .push(format!("fuzzed   {name}: {runs} inputs in {seconds} s"));
            Step::Done
        });
        summary.step(&format!("fuzz {name}"), result);
    }
}

fn install() -> anyhow::Result<()> {
    let present = Command::new(env!("CARGO"))
        .args(["fuzz", "--version"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if present {
        return Ok(());
    }
    println!("> cargo install cargo-fuzz --locked");
    let status = Command::new(env!("CARGO"))
        .args(["install", "cargo-fuzz", "--locked", "--quiet"])
        .status()?;
    ensure!(status.success(), "cargo install cargo-fuzz: {status}");
    Ok(())
}

/// Coverage needs no nightly compiler; sanitizers do, and there is no unsafe code in what is fuzzed.
fn cargo_fuzz(command: &str) -> Command {
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .args(["fuzz", command, "--sanitizer", "none"])
        .current_dir(directory());
    cargo
}

fn build(only: Option<&str>) -> anyhow::Result<()> {
    println!("> cargo fuzz build");
    let status = cargo_fuzz("build").args(only).status()?;
    ensure!(status.success(), "cargo fuzz build: {status}");
    Ok(())
}

/// The number of inputs that were tried.
fn target(name: &str, seconds: u64) -> anyhow::Result<u64> {
    let directory = directory();
    let corpus = directory.join("corpus").join(name);
    std::fs::create_dir_all(&corpus)?;
    let log = directory.join("target").join(format!("{name}.log"));
    let mut run = cargo_fuzz("run");
    run.arg(name)
        .arg(&corpus)
        .arg(directory.join("seeds").join(name))
        .arg("--")
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-timeout={SLOWEST}"))
        .arg(format!("-rss_limit_mb={MEMORY}"))
        .arg("-print_final_stats=1");
    let dictionary = directory.join("dictionaries").join(format!("{name}.dict"));
    if dictionary.exists() {
        run.arg(format!("-dict={}", dictionary.display()));
    }
    let status = run
        .stdout(Stdio::null())
        .stderr(File::create(&log)?)
        .status()?;
    let text = String::from_utf8_lossy(&std::fs::read(&log)?).into_owned();
    if !status.success() {
        let tail: Vec<&str> = text.lines().rev().take(40).collect();
        tail.iter().rev().for_each(|line| println!("{line}"));
        bail!(
            "{status}; the input is in fuzz/artifacts/{name}, the log {}",
            log.display()
        );
    }
    runs(&text).with_context(|| format!("no count in {}", log.display()))
}

fn runs(log: &str) -> Option<u64> {
    let line = log
        .lines()
        .find_map(|line| line.strip_prefix("stat::number_of_executed_units:"))?;
    line.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_of_inputs_is_read() {
        let log = "Done 12 runs in 3 second(s)\nstat::number_of_executed_units: 4711\n";
        assert_eq!(runs(log), Some(4711));
    }

    #[test]
    fn every_target_has_seeds_and_an_ordinary_test() {
        let mut tests = String::new();
        for entry in std::fs::read_dir(directory().join("../crates")).unwrap() {
            let file = entry.unwrap().path().join("tests/fuzzing.rs");
            tests.push_str(&std::fs::read_to_string(file).unwrap_or_default());
        }
        let names = targets().unwrap();
        assert!(!names.is_empty());
        let manifest = std::fs::read_to_string(directory().join("Cargo.toml")).unwrap();
        for name in names {
            assert!(directory().join("seeds").join(&name).is_dir(), "{name}");
            assert!(tests.split_whitespace().any(|word| word == name), "{name}");
            assert!(manifest.contains(&format!("name = \"{name}\"")), "{name}");
        }
    }
}
