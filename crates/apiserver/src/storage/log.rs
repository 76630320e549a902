//! The recent past of one resource, bounded: what watches read. A reader that fell behind the bound is
//! told so and has to list again.

use std::collections::VecDeque;
use std::sync::Arc;

use super::{Object, ObjectName};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EventKind {
    Added,
    Modified,
    Deleted,
}

/// One change. `previous` lets a filtered watch see objects enter and leave its selection.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    pub(crate) kind: EventKind,
    pub(crate) revision: u64,
    pub(crate) name: ObjectName,
    pub(crate) object: Arc<Object>,
    pub(crate) previous: Option<Arc<Object>>,
}

/// The asked revision is older than what is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Expired {
    pub(crate) oldest: u64,
}

#[derive(Debug)]
pub(crate) struct Log {
    events: VecDeque<Event>,
    /// Everything after this revision is in `events`.
    floor: u64,
    capacity: usize,
}

impl Log {
    pub(crate) fn new(floor: u64, capacity: usize) -> Self {
        Self {
            events: VecDeque::new(),
            floor,
            capacity,
        }
    }

    pub(crate) fn push(&mut self, event: Event) {
        if self.events.len() >= self.capacity
            && let Some(dropped) = self.events.pop_front()
        {
            self.floor = dropped.revision;
        }
        self.events.push_back(event);
    }

    pub(crate) fn after(&self, since: u64, limit: usize) -> Result<Vec<Event>, Expired> {
        if since < self.floor {
            return Err(Expired { oldest: self.floor });
        }
        let start = self.events.partition_point(|event| event.revision <= since);
        Ok(self.events.range(start..).take(limit).cloned().collect())
    }
}
