//! What the person at the terminal sees while things start.

use std::io::Write;
use std::time::{Duration, Instant};

/// Prints one line a step, with the time since the start.
#[derive(Debug)]
pub(crate) struct Progress {
    start: Instant,
}

impl Progress {
    pub(crate) fn new() -> Self {
        Self {
            start: Instant::now(),
        }
    }

    /// A step that is done.
    pub(crate) fn done(&self, what: &str) {
        self.line("ok  ", what);
    }

    /// A step that takes a while and has begun.
    pub(crate) fn begin(&self, what: &str) {
        self.line("... ", what);
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    fn line(&self, mark: &str, what: &str) {
        let mut out = std::io::stdout().lock();
        // A closed terminal must not stop the mesh.
        let _ = writeln!(
            out,
            "{:6.1}s  {mark}  {what}",
            self.start.elapsed().as_secs_f64()
        );
        let _ = out.flush();
    }
}
