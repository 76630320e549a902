//! The work queue: each key at most once, never twice at a time, failures later and later. Pure: time
//! comes in.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::hash::Hash;
use std::time::Duration;

use tokio::time::Instant;

const FIRST_RETRY: Duration = Duration::from_millis(50);
const LAST_RETRY: Duration = Duration::from_secs(30);

/// Keys to be worked on.
#[derive(Debug)]
pub(crate) struct Queue<K> {
    ready: BTreeSet<K>,
    later: BTreeSet<(Instant, K)>,
    due: HashMap<K, Instant>,
    busy: HashSet<K>,
    failures: HashMap<K, u32>,
}

impl<K> Default for Queue<K> {
    fn default() -> Self {
        Self {
            ready: BTreeSet::new(),
            later: BTreeSet::new(),
            due: HashMap::new(),
            busy: HashSet::new(),
            failures: HashMap::new(),
        }
    }
}

impl<K: Ord + Hash + Clone> Queue<K> {
    /// Something about the key changed.
    pub(crate) fn add(&mut self, key: K) {
        self.ready.insert(key);
    }

    /// The key is to be looked at in a while, if nothing happens before.
    pub(crate) fn add_at(&mut self, key: K, at: Instant) {
        if let Some(known) = self.due.get(&key).copied() {
            if known <= at {
                return;
            }
            self.later.remove(&(known, key.clone()));
        }
        self.due.insert(key.clone(), at);
        self.later.insert((at, key));
    }

    /// The next key to work on; it stays busy until [`Queue::done`].
    pub(crate) fn take(&mut self, now: Instant) -> Option<K> {
        while let Some((at, key)) = self.later.first().cloned() {
            if at > now {
                break;
            }
            self.later.pop_first();
            self.due.remove(&key);
            self.ready.insert(key);
        }
        let key = self
            .ready
            .iter()
            .find(|k| !self.busy.contains(*k))
            .cloned()?;
        self.ready.remove(&key);
        self.busy.insert(key.clone());
        Some(key)
    }

    /// When [`Queue::take`] has something that it has not now.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.later.first().map(|(at, _)| *at)
    }

    pub(crate) fn done(&mut self, key: &K) {
        self.busy.remove(key);
        self.failures.remove(key);
    }

    /// The work failed and is to be tried again, after a pause that doubles with each failure.
    pub(crate) fn failed(&mut self, key: &K, now: Instant) {
        self.busy.remove(key);
        let failures = self.failures.entry(key.clone()).or_insert(0);
        let pause = (FIRST_RETRY * 2u32.saturating_pow((*failures).min(12))).min(LAST_RETRY);
        *failures += 1;
        // What changed meanwhile waits too: a refused object would otherwise be tried in a tight loop,
        // as each failure changes a status.
        self.ready.remove(key);
        self.add_at(key.clone(), now + pause);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_queued_once_and_never_worked_on_twice_at_a_time() {
        let now = Instant::now();
        let mut queue = Queue::default();
        queue.add(1);
        queue.add(1);
        assert_eq!(queue.take(now), Some(1));
        queue.add(1);
        assert_eq!(queue.take(now), None);
        queue.done(&1);
        assert_eq!(queue.take(now), Some(1));
    }

    #[test]
    fn failures_are_retried_later_and_later_and_success_forgets_them() {
        let mut now = Instant::now();
        let mut queue = Queue::default();
        queue.add(1);
        let mut pauses = Vec::new();
        for _ in 0..12 {
            assert_eq!(queue.take(now), Some(1));
            queue.failed(&1, now);
            assert_eq!(queue.take(now), None);
            let next = queue.next().unwrap();
            pauses.push(next - now);
            now = next;
        }
        assert!(pauses.is_sorted() && pauses[0] == FIRST_RETRY && pauses[11] == LAST_RETRY);
        assert_eq!(queue.take(now), Some(1));
        queue.done(&1);
        queue.add(1);
        queue.take(now);
        queue.failed(&1, now);
        assert_eq!(queue.next(), Some(now + FIRST_RETRY));
    }

    #[test]
    fn the_earliest_appointment_counts() {
        let now = Instant::now();
        let mut queue = Queue::default();
        queue.add_at(1, now + Duration::from_secs(5));
        queue.add_at(1, now + Duration::from_secs(1));
        queue.add_at(1, now + Duration::from_secs(9));
        assert_eq!(queue.next(), Some(now + Duration::from_secs(1)));
        assert_eq!(queue.take(now + Duration::from_secs(1)), Some(1));
        queue.done(&1);
        assert_eq!(queue.next(), None);
    }
}
