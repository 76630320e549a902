//! HTTP/2 connections upstream: shared by many requests, each driven by a task of its own.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use h2::client::SendRequest;
use tokio::sync::watch;

use super::connect::ConnectError;
use super::pool::{ConnectionMeta, Handoff, OpenSlot, Pool};
use crate::config::hcm::Http2Options;
use crate::downstream::h2::bounded_window;
use crate::http::h2ping;
use crate::http::transport::{Metered, Transport, Wire};

/// Requests that wait for the same connection watch this.
pub(crate) type Opening = watch::Receiver<Option<Result<(), ConnectError>>>;

/// One HTTP/2 connection.
#[derive(Debug)]
pub struct H2Connection {
    pub meta: Rc<ConnectionMeta>,
    sender: RefCell<SendRequest<Bytes>>,
    active: Cell<u32>,
    /// No further streams: GOAWAY, an error, or the last of its requests.
    closed: Cell<bool>,
    max_streams: u32,
    idle_since: Cell<Instant>,
    pool: std::rc::Weak<Pool>,
    wire: Rc<Wire>,
}

/// One stream's share of a connection.
#[derive(Debug)]
pub struct H2Lease {
    pub connection: Rc<H2Connection>,
}

impl Drop for H2Lease {
    fn drop(&mut self) {
        let connection = &self.connection;
        connection.active.set(connection.active.get() - 1);
        connection.idle_since.set(Instant::now());
        let (received, sent) = connection.wire.lap();
        connection.meta.counted.bytes(received, sent);
        if let Some(pool) = connection.pool.upgrade() {
            pool.wake_waiter(Handoff::Slot);
        }
    }
}

impl H2Connection {
    /// Speaks the preface and starts the task that drives the connection. It ends when the peer closes or when
    /// nobody holds the connection and its streams any more.
    pub async fn open(
        transport: Transport,
        options: &Http2Options,
        meta: Rc<ConnectionMeta>,
        slot: OpenSlot,
    ) -> Result<Rc<Self>, h2::Error> {
        let window = bounded_window(slot.pool().info.buffer_limit);
        let (transport, wire) = Metered::new(transport);
        let (sender, mut driver) = h2::client::Builder::new()
            .initial_window_size(options.initial_stream_window.min(window))
            .initial_connection_window_size(options.initial_connection_window.min(4 * window))
            .header_table_size(options.header_table_size)
            .enable_push(false)
            .max_header_list_size(1 << 20)
            .handshake::<_, Bytes>(transport)
            .await?;
        let connection = Rc::new(Self {
            meta,
            sender: RefCell::new(sender),
            active: Cell::new(0),
            closed: Cell::new(false),
            max_streams: options.max_concurrent_streams,
            idle_since: Cell::new(Instant::now()),
            pool: Rc::downgrade(slot.pool()),
            wire,
        });
        let weak = Rc::downgrade(&connection);
        let keepalive = options
            .keepalive
            .and_then(|settings| Some((driver.ping_pong()?, settings)));
        tokio::task::spawn_local(async move {
            let silent = async {
                match keepalive {
                    Some((peer, settings)) => h2ping::watch(peer, settings).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                ended = driver => tracing::trace!(?ended, "upstream HTTP/2 connection ended"),
                () = silent => tracing::debug!("upstream HTTP/2 connection does not answer PING"),
            }
            if let Some(connection) = weak.upgrade() {
                connection.closed.set(true);
                connection.meta.counted.closed_by_peer();
                if connection.active.get() > 0 {
                    connection.meta.counted.interrupted();
                }
            }
            drop(slot);
        });
        Ok(connection)
    }

    /// Whether one more stream may begin.
    #[must_use]
    pub fn has_room(&self, max_requests: u32) -> bool {
        let peer = self.sender.borrow().current_max_send_streams();
        !self.closed.get()
            && self.active.get() < self.max_streams
            && (self.active.get() as usize) < peer
            && (max_requests == 0 || self.meta.requests.get() < max_requests)
    }

    #[must_use]
    pub fn allows_extended_connect(&self) -> bool {
        self.sender.borrow().is_extended_connect_protocol_enabled()
    }

    /// Begins a stream's use of the connection.
    #[must_use]
    pub fn lease(self: &Rc<Self>) -> H2Lease {
        self.active.set(self.active.get() + 1);
        let most = self
            .pool
            .upgrade()
            .map_or(0, |pool| pool.info.http.max_requests_per_connection);
        self.meta.begin_request(most);
        H2Lease {
            connection: Rc::clone(self),
        }
    }

    /// A handle to send one request with.
    #[must_use]
    pub fn sender(&self) -> SendRequest<Bytes> {
        self.sender.borrow().clone()
    }

    /// The connection refused a stream: no more are begun on it.
    pub fn retire(&self) {
        self.closed.set(true);
    }

    /// Whether the pool keeps it.
    #[must_use]
    pub(super) fn keep(&self, now: Instant, idle_timeout: Option<Duration>, removed: bool) -> bool {
        let idle = self.active.get() == 0;
        let age = now.saturating_duration_since(self.idle_since.get());
        let stale = idle && idle_timeout.is_some_and(|limit| age >= limit);
        if stale && !self.closed.get() {
            self.meta.counted.idle_timeout();
        }
        !(self.closed.get() || stale || idle && removed)
    }
}
