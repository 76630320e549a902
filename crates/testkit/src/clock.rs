//! A clock that stands still until the test moves it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// Monotonic and wall time in step. Clones share the time.
#[derive(Debug, Clone)]
pub struct FakeClock {
    start: Instant,
    elapsed: Arc<Mutex<Duration>>,
    epoch: SystemTime,
}

impl Default for FakeClock {
    fn default() -> Self {
        // 2026-01-01T00:00:00Z: a fixed date keeps generated timestamps comparable.
        Self::at(1_767_225_600)
    }
}

impl FakeClock {
    /// A clock which shows this unix time.
    #[must_use]
    pub fn at(unix_seconds: u64) -> Self {
        Self {
            start: Instant::now(),
            elapsed: Arc::default(),
            epoch: SystemTime::UNIX_EPOCH + Duration::from_secs(unix_seconds),
        }
    }

    fn elapsed(&self) -> Duration {
        *self.elapsed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn advance(&self, by: Duration) {
        *self.elapsed.lock().unwrap_or_else(PoisonError::into_inner) += by;
    }

    #[must_use]
    pub fn instant(&self) -> Instant {
        self.start + self.elapsed()
    }

    #[must_use]
    pub fn system(&self) -> SystemTime {
        self.epoch + self.elapsed()
    }

    /// Unix seconds.
    #[must_use]
    pub fn unix(&self) -> i64 {
        let since = self.system().duration_since(SystemTime::UNIX_EPOCH);
        since.map_or(0, |d| i64::try_from(d.as_secs()).unwrap_or(i64::MAX))
    }
}
