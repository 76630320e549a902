//! Counts what the test runs said.

use std::collections::BTreeSet;

use crate::follow::Stream;

/// Passed, failed and skipped tests, and why the latter were.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Summary {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) skipped: Vec<String>,
    pub(crate) failures: Vec<String>,
    /// What was done beyond tests, such as fuzzing.
    pub(crate) notes: Vec<String>,
    /// Test binaries that cargo started, and those that said what came of them.
    started: u64,
    finished: u64,
    /// The binary that runs.
    binary: String,
    /// Tests that libtest reported as running for long.
    slow: BTreeSet<String>,
}

impl Summary {
    /// Reads one line of cargo's or libtest's output.
    pub(crate) fn read(&mut self, stream: Stream, line: &str) {
        match stream {
            Stream::Out => self.read_results(line),
            Stream::Err => self.read_progress(line.trim_start()),
        }
    }

    fn read_progress(&mut self, line: &str) {
        let begun = line
            .strip_prefix("Running ")
            .or_else(|| line.strip_prefix("Doc-tests "));
        if let Some(binary) = begun {
            self.started += 1;
            binary.clone_into(&mut self.binary);
            self.slow.clear();
        } else if line.contains("(signal:") {
            let failure = format!("{}: {line}", self.binary);
            self.fail(failure);
        }
    }

    fn read_results(&mut self, line: &str) {
        if let Some(rest) = line.strip_prefix("test result: ") {
            self.finished += 1;
            self.add(rest);
            return;
        }
        let Some(rest) = line.strip_prefix("test ") else {
            return;
        };
        if let Some(name) = rest.strip_suffix(" has been running for over 60 seconds") {
            self.slow.insert(name.to_owned());
        } else if let Some((name, outcome)) = rest.split_once(" ... ") {
            self.slow.remove(name);
            if outcome == "FAILED" {
                self.failures.push(name.to_owned());
            } else if outcome.starts_with("ignored") {
                self.skipped.push(format!("{name}: {outcome}"));
            }
        }
    }

    fn add(&mut self, result: &str) {
        for part in result.split([';', '.']) {
            let mut words = part.split_whitespace().rev();
            let (Some(word), Some(count)) = (words.next(), words.next()) else {
                continue;
            };
            let Ok(count) = count.parse::<u64>() else {
                continue;
            };
            match word {
                "passed" => self.passed += count,
                "failed" => self.failed += count,
                _ => {}
            }
        }
    }

    /// Tests that said themselves, one a line, that they checked nothing: libtest counts them as passed.
    pub(crate) fn read_skips(&mut self, text: &str) {
        let skips: BTreeSet<&str> = text.lines().collect();
        let tests: BTreeSet<&str> = skips
            .iter()
            .map(|line| line.split_once(": ").map_or(*line, |(test, _)| test))
            .collect();
        self.passed = self.passed.saturating_sub(tests.len() as u64);
        self.skipped.extend(skips.into_iter().map(str::to_owned));
    }

    /// The run was ended because nothing more came.
    pub(crate) fn hung(&mut self, seconds: u64) {
        let tests: Vec<&str> = self.slow.iter().map(String::as_str).collect();
        let which = if tests.is_empty() {
            "a test that had run for less than a minute, or the build".to_owned()
        } else {
            tests.join(", ")
        };
        let failure = format!(
            "nothing was heard for {seconds} s; ended while {} ran: {which}",
            self.binary
        );
        self.fail(failure);
    }

    /// Holds the counts against how cargo ended.
    pub(crate) fn check(&mut self, success: bool) {
        if self.finished < self.started {
            let missing = self.started - self.finished;
            self.fail(format!(
                "{missing} of {} test binaries ended without a result",
                self.started
            ));
        }
        if !success && self.failed == 0 {
            self.fail("cargo test failed: a test binary could not be built or run".into());
        }
    }

    fn fail(&mut self, failure: String) {
        self.failed += 1;
        self.failures.push(failure);
    }

    /// A step that is not a test.
    pub(crate) fn step(&mut self, name: &str, result: anyhow::Result<Step>) {
        match result {
            Ok(Step::Done) => self.passed += 1,
            Ok(Step::Skipped(why)) => self.skipped.push(format!("{name}: {why}")),
            Err(error) => self.fail(format!("{name}: {error:#}")),
        }
    }

    pub(crate) fn print(&self) {
        println!("\nsummary");
        for note in &self.notes {
            println!("  {note}");
        }
        for failure in &self.failures {
            println!("  failed   {failure}");
        }
        for skip in &self.skipped {
            println!("  skipped  {skip}");
        }
        println!(
            "{} passed, {} failed, {} skipped",
            self.passed,
            self.failed,
            self.skipped.len()
        );
    }
}

/// What came of a step.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Done,
    Skipped(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(lines: &[(Stream, &str)]) -> Summary {
        let mut summary = Summary::default();
        lines
            .iter()
            .for_each(|(stream, line)| summary.read(*stream, line));
        summary
    }

    const RUNNING: (Stream, &str) = (Stream::Err, "     Running unittests src/lib.rs (target/x)");
    const OK: (Stream, &str) = (
        Stream::Out,
        "test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.1s",
    );

    #[test]
    fn adds_up_results_and_names_failures() {
        let mut summary = summary(&[
            RUNNING,
            (Stream::Out, "test a::b ... FAILED"),
            (Stream::Out, "test a::c ... ignored, for now"),
            (
                Stream::Out,
                "test result: FAILED. 3 passed; 1 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.1s",
            ),
            RUNNING,
            OK,
        ]);
        summary.check(false);
        assert_eq!((summary.passed, summary.failed), (5, 1));
        assert_eq!(summary.failures, ["a::b"]);
        assert_eq!(summary.skipped, ["a::c: ignored, for now"]);
    }

    #[test]
    fn a_binary_that_dies_is_a_failure() {
        let mut summary = summary(&[RUNNING, OK, RUNNING]);
        summary.check(false);
        assert_eq!(summary.failed, 1);
        assert_eq!(
            summary.failures,
            ["1 of 2 test binaries ended without a result"]
        );
    }

    #[test]
    fn tests_that_checked_nothing_did_not_pass() {
        let mut summary = summary(&[RUNNING, OK]);
        summary.read_skips("a: envoy is not installed\na: curl is not installed\n");
        summary.check(true);
        assert_eq!((summary.passed, summary.failed), (1, 0));
        assert_eq!(summary.skipped.len(), 2);
    }

    #[test]
    fn a_hung_test_is_named() {
        let slow = "test x::never has been running for over 60 seconds";
        let done = "test x::late has been running for over 60 seconds";
        let mut summary = summary(&[
            RUNNING,
            (Stream::Out, slow),
            (Stream::Out, done),
            (Stream::Out, "test x::late ... ok"),
        ]);
        summary.hung(600);
        assert!(summary.failures[0].ends_with(": x::never"), "{summary:?}");
    }
}
