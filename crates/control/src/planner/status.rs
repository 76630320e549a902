//! What the owner of an object is told: where it is live, what it lacks, and what is odd about it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use api::Condition;
use base::ObjectRef;

/// The shortest time between two reports about one object.
const PACE: Duration = Duration::from_secs(1);

/// What an object's status should say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusUpdate {
    pub object: ObjectRef,
    /// The generation that the conditions are about.
    pub generation: i64,
    pub conditions: Vec<Condition>,
    /// How many proxies have it in force, of how many that should; `None` where the object reaches no proxy by itself.
    pub live: Option<Live>,
}

/// `m` proxies have resources that derive from an object; `n` of them use its present generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Live {
    pub acknowledged: usize,
    pub wanted: usize,
}

/// Lets a report through only if it says something new, and at most one a second an object. Pure: time comes in.
#[derive(Debug, Default)]
pub(crate) struct Pacer {
    sent: BTreeMap<ObjectRef, (StatusUpdate, Instant)>,
}

impl Pacer {
    /// The reports that are due now, of all that hold; and whether some have to wait.
    pub(crate) fn due(
        &mut self,
        now: Instant,
        all: Vec<StatusUpdate>,
    ) -> (Vec<StatusUpdate>, bool) {
        let mut due = Vec::new();
        let mut waiting = false;
        let present: std::collections::BTreeSet<ObjectRef> =
            all.iter().map(|update| update.object.clone()).collect();
        self.sent.retain(|object, _| present.contains(object));
        for update in all {
            match self.sent.get(&update.object) {
                Some((last, _)) if *last == update => {}
                Some((_, at)) if now.duration_since(*at) < PACE => waiting = true,
                _ => {
                    self.sent
                        .insert(update.object.clone(), (update.clone(), now));
                    due.push(update);
                }
            }
        }
        (due, waiting)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn update(wanted: usize) -> StatusUpdate {
        StatusUpdate {
            object: ObjectRef::new("VirtualService", "a", "b"),
            generation: 1,
            conditions: Vec::new(),
            live: Some(Live {
                acknowledged: 0,
                wanted,
            }),
        }
    }

    #[test]
    fn an_object_is_reported_when_it_changes_and_once_a_second() {
        let mut pacer = Pacer::default();
        let start = Instant::now();
        assert_eq!(pacer.due(start, vec![update(1)]).0.len(), 1);
        assert_eq!(pacer.due(start, vec![update(1)]), (vec![], false));
        assert_eq!(
            pacer.due(start, vec![update(2)]),
            (vec![], true),
            "too early"
        );
        let (due, waiting) = pacer.due(start + PACE, vec![update(3)]);
        assert_eq!(
            (due, waiting),
            (vec![update(3)], false),
            "the newest, once the second is over"
        );
    }
}
