//! Tells the connections of one listener to end: first after their current request, at last at once.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::task::Waker;

use crate::observe::counted::Accepted;

/// How far a drain has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) enum Phase {
    #[default]
    Running,
    /// Responses say `Connection: close`; HTTP/2 connections get GOAWAY; idle connections stay, since a request may
    /// be under way on them.
    Draining,
    /// Connections without a request are closed.
    Ending,
    /// All connections are closed.
    Ended,
}

/// One listener generation's connections on one worker.
#[derive(Debug, Default)]
pub(crate) struct DrainState {
    phase: Cell<Phase>,
    next: Cell<u64>,
    wakers: RefCell<HashMap<u64, Option<Waker>>>,
}

impl DrainState {
    pub(crate) fn phase(&self) -> Phase {
        self.phase.get()
    }

    /// Goes on to `phase`, never back.
    pub(crate) fn advance(&self, phase: Phase) {
        if phase > self.phase.get() {
            self.phase.set(phase);
            self.wakers
                .borrow()
                .values()
                .flatten()
                .for_each(Waker::wake_by_ref);
        }
    }

    /// Open connections.
    #[must_use]
    pub(crate) fn connections(&self) -> usize {
        self.wakers.borrow().len()
    }

    /// Counts a connection in.
    #[must_use]
    pub(crate) fn join(self: &Rc<Self>) -> DrainGuard {
        let id = self.next.get();
        self.next.set(id + 1);
        self.wakers.borrow_mut().insert(id, None);
        DrainGuard {
            state: Rc::clone(self),
            id,
            counted: None,
        }
    }
}

/// One connection's place in a [`DrainState`].
#[derive(Debug)]
pub(crate) struct DrainGuard {
    state: Rc<DrainState>,
    id: u64,
    /// Ends with the connection.
    counted: Option<Accepted>,
}

impl DrainGuard {
    /// Takes the connection over from `earlier`.
    pub(crate) fn succeed(&mut self, earlier: Self) {
        let mut earlier = earlier;
        self.counted = earlier.counted.take();
    }

    /// Keeps the connection counted for as long as it lives.
    pub(crate) fn keep(&mut self, counted: Accepted) {
        self.counted = Some(counted);
    }

    #[must_use]
    pub(crate) fn phase(&self) -> Phase {
        self.state.phase.get()
    }

    /// The task to wake when the phase changes; the same for the connection's whole life.
    pub(crate) fn register(&self, waker: &Waker) {
        if let Some(slot) = self.state.wakers.borrow_mut().get_mut(&self.id)
            && slot.as_ref().is_none_or(|old| !old.will_wake(waker))
        {
            *slot = Some(waker.clone());
        }
    }
}

impl Drop for DrainGuard {
    fn drop(&mut self) {
        self.state.wakers.borrow_mut().remove(&self.id);
    }
}
