//! Runs a fuzz target as an ordinary test: over its seeds and over what random edits make of them, so that targets
//! cannot rot between the long runs under libFuzzer.

use std::path::{Path, PathBuf};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

/// Inputs made of each target's seeds.
const CASES: u32 = 300;

/// Runs `entry` over `fuzz/seeds/<target>` and over random edits of those.
///
/// # Panics
/// When `entry` panics, or the target has no seeds; the input is printed escaped.
pub fn holds(target: &str, entry: fn(&[u8])) {
    let seeds = seeds(target);
    for (file, seed) in &seeds {
        println!("{target}: {}", file.display());
        entry(seed);
    }
    let mut runner = TestRunner::new(Config {
        cases: CASES,
        failure_persistence: None,
        ..Config::default()
    });
    let texts: Vec<Vec<u8>> = seeds.into_iter().map(|(_, seed)| seed).collect();
    let inputs = (0..texts.len(), vec(edit(), 0..6)).prop_map(move |(seed, edits)| {
        let mut input = Input(texts[seed].clone());
        edits.iter().for_each(|edit| edit.apply(&mut input.0));
        input
    });
    let outcome = runner.run(&inputs, |input| {
        entry(&input.0);
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{target}: {error}");
    }
}

/// The seeds of a target, by file name.
fn seeds(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../fuzz/seeds")
        .join(target);
    let entries = std::fs::read_dir(&directory)
        .unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.expect("the directory can be read").path())
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{} is empty", directory.display());
    let read = |file: PathBuf| {
        let bytes = std::fs::read(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        (file, bytes)
    };
    files.into_iter().map(read).collect()
}

/// Shown escaped when a test fails.
#[derive(Clone)]
struct Input(Vec<u8>);

impl std::fmt::Debug for Input {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "b\"{}\"", self.0.escape_ascii())
    }
}

/// A change of an input; places are taken modulo its length.
#[derive(Debug, Clone)]
enum Edit {
    Put(usize, u8),
    Insert(usize, Vec<u8>),
    Remove(usize, usize),
    /// Repeats a piece of the input at another place.
    Repeat(usize, usize, usize),
    Truncate(usize),
}

fn edit() -> impl Strategy<Value = Edit> {
    let place = 0..1_usize << 16;
    prop_oneof![
        3 => (place.clone(), any::<u8>()).prop_map(|(at, byte)| Edit::Put(at, byte)),
        2 => (place.clone(), vec(any::<u8>(), 1..12)).prop_map(|(at, bytes)| Edit::Insert(at, bytes)),
        2 => (place.clone(), 1..24_usize).prop_map(|(at, length)| Edit::Remove(at, length)),
        2 => (place.clone(), 1..64_usize, place.clone())
            .prop_map(|(from, length, to)| Edit::Repeat(from, length, to)),
        1 => place.prop_map(Edit::Truncate),
    ]
}

impl Edit {
    fn apply(&self, input: &mut Vec<u8>) {
        let place = |at: usize| at % (input.len() + 1);
        match self {
            Self::Put(at, byte) => {
                let at = place(*at);
                if let Some(old) = input.get_mut(at) {
                    *old = *byte;
                }
            }
            Self::Insert(at, bytes) => {
                let at = place(*at);
                input.splice(at..at, bytes.iter().copied());
            }
            Self::Remove(at, length) => {
                let at = place(*at);
                input.drain(at..input.len().min(at + length));
            }
            Self::Repeat(from, length, to) => {
                let (from, to) = (place(*from), place(*to));
                let piece = input[from..input.len().min(from + length)].to_vec();
                input.splice(to..to, piece);
            }
            Self::Truncate(at) => {
                let at = place(*at);
                input.truncate(at);
            }
        }
    }
}

/// One test for each of the named targets of the module `fuzzing` that is in scope.
#[macro_export]
macro_rules! fuzz_targets {
    ($($target:ident)+) => {$(
        #[test]
        fn $target() {
            $crate::fuzz::holds(stringify!($target), fuzzing::$target);
        }
    )+};
}
