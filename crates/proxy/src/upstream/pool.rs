//! Connections to one endpoint, kept by one worker: last in, first out; limits are the process's.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::h2pool::H2Connection;
use super::keepalive::KeepAliveLimit;
use crate::balance::Host;
use crate::config::cluster::ClusterInfo;
use crate::http::h1conn::H1Conn;
use crate::http::transport::IdleState;
use crate::observe::record::TlsFacts;
use crate::resilience::breaker::Permit;

static CONNECTION_IDS: AtomicU64 = AtomicU64::new(1);

/// A number for a new upstream connection.
#[must_use]
pub(crate) fn next_connection_id() -> u64 {
    CONNECTION_IDS.fetch_add(1, Ordering::Relaxed)
}

/// What a connection is, apart from its bytes.
#[derive(Debug)]
pub struct ConnectionMeta {
    pub id: u64,
    pub local: Option<SocketAddr>,
    pub remote: Option<SocketAddr>,
    pub tls: Option<Arc<TlsFacts>>,
    pub created: Instant,
    /// Requests begun on it.
    pub requests: Cell<u32>,
    pub(crate) _permit: Option<Permit>,
    pub(crate) _open: crate::balance::OpenConnection,
    pub(crate) counted: crate::observe::counted::UpstreamConnection,
}

impl ConnectionMeta {
    /// One more request begins on it; `most` is how many may (0: any number).
    pub(crate) fn begin_request(&self, most: u32) {
        self.requests.set(self.requests.get() + 1);
        if self.requests.get() == most {
            self.counted.max_requests();
        }
    }
}

/// An HTTP/1 connection of a pool, out of which it has been taken.
#[derive(Debug)]
pub struct Pooled {
    pub conn: Box<H1Conn>,
    pub meta: Rc<ConnectionMeta>,
    idle_since: Instant,
    slot: OpenSlot,
}

/// Counts one connection, be it idle, busy or connecting, in its pool.
#[derive(Debug)]
pub struct OpenSlot(Rc<Pool>);

impl OpenSlot {
    pub(super) fn pool(&self) -> &Rc<Pool> {
        &self.0
    }
}

impl Drop for OpenSlot {
    fn drop(&mut self) {
        self.0.open.set(self.0.open.get() - 1);
        self.0.wake_waiter(Handoff::Slot);
    }
}

/// What a waiting request gets.
#[derive(Debug)]
pub enum Handoff {
    Connection(Box<Pooled>),
    /// A connection ended: there may be room for a new one.
    Slot,
}

/// The connections of one pool key.
#[derive(Debug)]
pub struct Pool {
    pub host: Arc<Host>,
    pub info: Arc<ClusterInfo>,
    idle: RefCell<Vec<Pooled>>,
    pub(crate) h2: RefCell<Vec<Rc<H2Connection>>>,
    /// A shared HTTP/2 connection is being opened; these wait for it.
    pub(crate) h2_opening: RefCell<Option<super::h2pool::Opening>>,
    waiters: RefCell<VecDeque<oneshot::Sender<Handoff>>>,
    open: Cell<u32>,
    pub limit: RefCell<KeepAliveLimit>,
    last_used: Cell<Instant>,
}

impl Pool {
    #[must_use]
    pub fn new(host: Arc<Host>, info: Arc<ClusterInfo>, now: Instant) -> Rc<Self> {
        Rc::new(Self {
            host,
            info,
            idle: RefCell::default(),
            h2: RefCell::default(),
            h2_opening: RefCell::default(),
            waiters: RefCell::default(),
            open: Cell::new(0),
            limit: RefCell::default(),
            last_used: Cell::new(now),
        })
    }

    /// Counts a connection that is about to be opened.
    #[must_use]
    pub fn slot(self: &Rc<Self>) -> OpenSlot {
        self.open.set(self.open.get() + 1);
        OpenSlot(Rc::clone(self))
    }

    /// Connections idle, busy and connecting.
    #[must_use]
    pub fn open(&self) -> u32 {
        self.open.get()
    }

    /// Takes the connection used last, if it is alive and not about to be closed by its peer.
    #[must_use]
    pub fn take_idle(&self, now: Instant) -> Option<Pooled> {
        self.last_used.set(now);
        loop {
            let pooled = self.idle.borrow_mut().pop()?;
            if self.is_usable(&pooled, now) {
                self.limit
                    .borrow_mut()
                    .on_reuse(now.saturating_duration_since(pooled.idle_since));
                return Some(pooled);
            }
        }
    }

    fn is_usable(&self, pooled: &Pooled, now: Instant) -> bool {
        let age = now.saturating_duration_since(pooled.idle_since);
        match pooled.conn.io.idle_state() {
            IdleState::Quiet => {}
            IdleState::Closed => {
                self.limit.borrow_mut().on_close(age);
                pooled.meta.counted.closed_by_peer();
                return false;
            }
            IdleState::Spoke => return false,
        }
        self.limit
            .borrow()
            .usable_for()
            .is_none_or(|limit| age < limit)
    }

    /// Takes a connection back after an exchange that left it clean.
    pub fn put_idle(&self, mut pooled: Pooled, now: Instant) {
        let limits = &self.info.http;
        let served = pooled.meta.requests.get();
        let worn =
            limits.max_requests_per_connection > 0 && served >= limits.max_requests_per_connection;
        let old = limits
            .max_connection_duration
            .is_some_and(|max| now.duration_since(pooled.meta.created) >= max);
        if worn
            || old
            || self.host.shared.is_removed()
            || pooled.conn.unread() > 0
            || pooled.conn.eof
        {
            return;
        }
        pooled.conn.rest();
        pooled.idle_since = now;
        self.last_used.set(now);
        loop {
            let Some(waiter) = self.waiters.borrow_mut().pop_front() else {
                break;
            };
            match waiter.send(Handoff::Connection(Box::new(pooled))) {
                Ok(()) => return,
                Err(Handoff::Connection(back)) => pooled = *back,
                Err(Handoff::Slot) => return,
            }
        }
        self.idle.borrow_mut().push(pooled);
    }

    /// Makes a pooled connection of a fresh one.
    #[must_use]
    pub fn adopt(
        conn: Box<H1Conn>,
        meta: Rc<ConnectionMeta>,
        slot: OpenSlot,
        now: Instant,
    ) -> Pooled {
        Pooled {
            conn,
            meta,
            idle_since: now,
            slot,
        }
    }

    /// Waits for the next connection that is given back or ends.
    #[must_use]
    pub fn wait(&self) -> oneshot::Receiver<Handoff> {
        let (sender, receiver) = oneshot::channel();
        self.waiters.borrow_mut().push_back(sender);
        receiver
    }

    pub(crate) fn wake_waiter(&self, mut handoff: Handoff) {
        loop {
            let Some(waiter) = self.waiters.borrow_mut().pop_front() else {
                return;
            };
            match waiter.send(handoff) {
                Ok(()) => return,
                Err(back) => handoff = back,
            }
        }
    }

    /// Drops connections that are closed, too old, or to a host that is gone. Called about once a second.
    pub fn sweep(&self, now: Instant) {
        let idle_timeout = match self.info.http.idle_timeout {
            None => Some(Duration::from_secs(3600)),
            Some(Duration::ZERO) => None,
            some => some,
        };
        let removed = self.host.shared.is_removed();
        let idle = std::mem::take(&mut *self.idle.borrow_mut());
        let kept: Vec<Pooled> =
            idle.into_iter()
                .filter(|pooled| {
                    let age = now.saturating_duration_since(pooled.idle_since);
                    let fresh = idle_timeout.is_none_or(|limit| age < limit)
                        && self.info.http.max_connection_duration.is_none_or(|max| {
                            now.saturating_duration_since(pooled.meta.created) < max
                        });
                    if idle_timeout.is_some_and(|limit| age >= limit) {
                        pooled.meta.counted.idle_timeout();
                    }
                    !removed && fresh && self.is_usable(pooled, now)
                })
                .collect();
        let mut slot = self.idle.borrow_mut();
        let newer = std::mem::replace(&mut *slot, kept);
        slot.extend(newer);
        drop(slot);
        self.h2
            .borrow_mut()
            .retain(|connection| connection.keep(now, idle_timeout, removed));
    }

    /// Nothing is open and nobody has asked for a while: the pool may be forgotten.
    #[must_use]
    pub fn is_unused(&self, now: Instant) -> bool {
        self.open.get() == 0
            && self.waiters.borrow().is_empty()
            && now.saturating_duration_since(self.last_used.get()) > Duration::from_secs(60)
    }

    /// Closes all idle connections.
    pub fn close_idle(&self) {
        let idle = std::mem::take(&mut *self.idle.borrow_mut());
        drop(idle);
        self.h2.borrow_mut().clear();
    }
}

/// A connection's place in its pool while its bytes belong to an exchange.
#[derive(Debug)]
pub struct H1Lease {
    pub meta: Rc<ConnectionMeta>,
    slot: OpenSlot,
}

impl H1Lease {
    /// Gives a connection that was left clean back to its pool.
    pub fn give_back(self, conn: Box<H1Conn>, now: Instant) {
        let pool = Rc::clone(&self.slot.0);
        pool.put_idle(
            Pooled {
                conn,
                meta: self.meta,
                idle_since: now,
                slot: self.slot,
            },
            now,
        );
    }

    /// The pool it belongs to.
    #[must_use]
    pub fn pool(&self) -> &Rc<Pool> {
        &self.slot.0
    }
}

impl Pooled {
    /// Parts the bytes from the place in the pool.
    #[must_use]
    pub fn split(self) -> (Box<H1Conn>, H1Lease) {
        (
            self.conn,
            H1Lease {
                meta: self.meta,
                slot: self.slot,
            },
        )
    }

    /// The pool it belongs to.
    #[must_use]
    pub fn pool(&self) -> &Rc<Pool> {
        &self.slot.0
    }
}
