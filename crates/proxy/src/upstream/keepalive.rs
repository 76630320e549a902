//! Learns how long an upstream keeps idle connections, so that they are retired before it closes them: the race
//! between its close and our next request is behind most 503 UC.

use std::time::Duration;

/// What one upstream endpoint lets connections live idle.
#[derive(Debug, Default, Clone, Copy)]
pub struct KeepAliveLimit {
    /// From `Keep-Alive: timeout=`; the latest one counts.
    announced: Option<Duration>,
    /// The shortest idle age at which the peer closed.
    observed: Option<Duration>,
}

impl KeepAliveLimit {
    /// Closes seen earlier than this are restarts and errors, no keep-alive limit.
    const SHORTEST: Duration = Duration::from_millis(500);

    /// A response carried this `Keep-Alive` value.
    pub fn on_header(&mut self, value: &[u8]) {
        let timeout = value
            .split(|b| *b == b',')
            .filter_map(|part| part.trim_ascii().strip_prefix(b"timeout="))
            .find_map(|seconds| {
                std::str::from_utf8(seconds)
                    .ok()?
                    .trim_matches('"')
                    .parse::<u32>()
                    .ok()
            });
        if let Some(seconds) = timeout {
            self.announced = Some(Duration::from_secs(u64::from(seconds)));
        }
    }

    /// The peer closed a connection that had been idle for `age`.
    pub fn on_close(&mut self, age: Duration) {
        if age >= Self::SHORTEST {
            self.observed = Some(self.observed.map_or(age, |old| old.min(age)));
        }
    }

    /// A connection was used again after `age`: limits at or below it are outdated.
    pub fn on_reuse(&mut self, age: Duration) {
        if self.observed.is_some_and(|limit| limit <= age) {
            self.observed = None;
        }
    }

    /// How long a connection may be idle before it is no longer used: a margin before the limit.
    #[must_use]
    pub fn usable_for(&self) -> Option<Duration> {
        let limit = match (self.announced, self.observed) {
            (Some(a), Some(b)) => a.min(b),
            (a, b) => a.or(b)?,
        };
        // A tenth, but a second at most: enough for a request to reach the peer before its timer.
        let margin = (limit / 10).clamp(Duration::from_millis(50), Duration::from_secs(1));
        Some(limit.saturating_sub(margin))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_retire_before_the_announced_limit() {
        let mut limit = KeepAliveLimit::default();
        assert_eq!(limit.usable_for(), None);
        limit.on_header(b"timeout=5, max=100");
        assert_eq!(limit.usable_for(), Some(Duration::from_millis(4_500)));
    }

    #[test]
    fn a_close_teaches_and_a_later_reuse_unteaches() {
        let mut limit = KeepAliveLimit::default();
        limit.on_close(Duration::from_millis(10));
        assert_eq!(limit.usable_for(), None);
        limit.on_close(Duration::from_secs(60));
        assert_eq!(limit.usable_for(), Some(Duration::from_secs(59)));
        limit.on_reuse(Duration::from_secs(90));
        assert_eq!(limit.usable_for(), None);
    }
}
