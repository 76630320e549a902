//! Connections to upstream endpoints: pools per worker, limits per process.

pub(crate) mod connect;
pub(crate) mod h2pool;
pub(crate) mod keepalive;
pub(crate) mod key;
pub(crate) mod pool;

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::watch;

pub use connect::{ConnectError, ConnectOptions, Opened, connect};
pub use h2pool::{H2Connection, H2Lease};
pub use key::{PoolKey, PoolMap, PoolProtocol};
pub use pool::{ConnectionMeta, H1Lease, Handoff, Pool, Pooled};

use crate::balance::Host;
use crate::codec::h1::Limits;
use crate::config::route::Priority;
use crate::config::{Cluster, Config};
use crate::http::Version;
use crate::http::h1conn::H1Conn;
use crate::observe::counted::{Pending, UpstreamConnection};
use crate::observe::hooks;
use crate::resilience::breaker::{Permit, Resource};
use crate::worker::Worker;

/// Where a request is to go.
#[derive(Debug, Clone)]
pub struct Target {
    pub config: Arc<Config>,
    pub cluster: Arc<Cluster>,
    pub host: Arc<Host>,
    pub priority: Priority,
    pub protocol: PoolProtocol,
    pub options: ConnectOptions,
    /// The downstream connection's id where pools are not shared, or else 0.
    pub downstream: u64,
}

/// Why a request got no connection.
#[derive(Debug, Clone)]
pub enum AcquireError {
    /// Circuit breaker: Envoy's `overflow`, flag UO.
    Overflow,
    Connect(ConnectError),
}

/// A connection for one request.
#[derive(Debug)]
pub enum Acquired {
    H1(Pooled),
    H2(H2Lease),
}

impl Acquired {
    /// Gives the connection back without having used it.
    pub fn give_back(self, now: Instant) {
        if let Self::H1(pooled) = self {
            let pool = Rc::clone(pooled.pool());
            pool.put_idle(pooled, now);
        }
    }
}

/// What happened on the way to a connection.
#[derive(Debug, Clone, Copy, Default)]
pub struct Effort {
    pub begin: Option<Instant>,
    pub connected: Option<Instant>,
    pub secured: Option<Instant>,
}

impl Target {
    fn key(&self) -> PoolKey {
        PoolKey::new(
            &self.cluster.info,
            &self.host,
            self.protocol,
            self.priority,
            self.options.sni.as_deref(),
            self.downstream,
        )
    }

    /// The pool for this target.
    #[must_use]
    pub fn pool(&self, worker: &Worker, now: Instant) -> Rc<Pool> {
        worker.pool(self.key(), || {
            Pool::new(Arc::clone(&self.host), Arc::clone(&self.cluster.info), now)
        })
    }

    fn limits(&self) -> Limits {
        let http = &self.cluster.info.http;
        Limits {
            bytes: http.max_response_headers_bytes,
            fields: http.max_response_headers_count as usize,
        }
    }
}

/// A connection that is ready now.
#[must_use]
pub fn ready(pool: &Pool, now: Instant) -> Option<Acquired> {
    let most = pool.info.http.max_requests_per_connection;
    let shared = pool
        .h2
        .borrow()
        .iter()
        .rev()
        .find(|connection| connection.has_room(most))
        .map(H2Connection::lease);
    if let Some(lease) = shared {
        return Some(Acquired::H2(lease));
    }
    pool.take_idle(now).map(|pooled| {
        pooled.meta.begin_request(most);
        Acquired::H1(pooled)
    })
}

/// Waits for a connection: a new one, or one given back by another request while limits forbid new ones.
pub async fn acquire(
    worker: &Rc<Worker>,
    target: &Target,
    pool: &Rc<Pool>,
    effort: &Cell<Effort>,
) -> Result<Acquired, AcquireError> {
    let breaker = target.cluster.breaker(target.priority);
    let _permit = breaker.try_take(Resource::Pending).ok_or_else(|| {
        hooks::pending_overflow(worker, &target.cluster);
        AcquireError::Overflow
    })?;
    let pending = Pending::new(&target.cluster);
    let result = next_connection(worker, target, pool, effort).await;
    pending.end(result.is_ok());
    result
}

async fn next_connection(
    worker: &Rc<Worker>,
    target: &Target,
    pool: &Rc<Pool>,
    effort: &Cell<Effort>,
) -> Result<Acquired, AcquireError> {
    loop {
        if target.protocol == PoolProtocol::Http2 {
            if let Some(opening) = share_opening(worker, target, pool) {
                wait_for(opening).await.map_err(AcquireError::Connect)?;
                if let Some(found) = ready(pool, Instant::now()) {
                    return Ok(found);
                }
                // Others took all of its streams, or the peer allows none: wait for one to end.
            }
        } else if let Some(permit) = connection_permit(worker, target, pool) {
            return open(worker, target, pool, permit, effort)
                .await
                .map_err(AcquireError::Connect);
        }
        match pool.wait().await {
            Ok(Handoff::Connection(pooled)) => {
                pooled
                    .meta
                    .begin_request(pool.info.http.max_requests_per_connection);
                return Ok(Acquired::H1(*pooled));
            }
            Ok(Handoff::Slot) | Err(_) => {
                if let Some(found) = ready(pool, Instant::now()) {
                    return Ok(found);
                }
            }
        }
    }
}

/// Permission for one more connection. A pool without any connection always gets one, so that other pools of the
/// cluster cannot starve it (Envoy does the same).
fn connection_permit(worker: &Worker, target: &Target, pool: &Pool) -> Option<Permit> {
    let breaker = target.cluster.breaker(target.priority);
    if let Some(permit) = breaker.try_take(Resource::Connections) {
        return Some(permit);
    }
    hooks::connection_overflow(worker, &target.cluster);
    (pool.open() == 0).then(|| breaker.take(Resource::Connections))
}

async fn open(
    worker: &Rc<Worker>,
    target: &Target,
    pool: &Rc<Pool>,
    permit: Permit,
    effort: &Cell<Effort>,
) -> Result<Acquired, ConnectError> {
    let slot = pool.slot();
    effort.set(Effort {
        begin: Some(Instant::now()),
        ..Effort::default()
    });
    let (info, host) = (&target.cluster.info, &target.host);
    let counted = UpstreamConnection::new(worker, &target.cluster);
    match target.protocol {
        PoolProtocol::Http2 => counted.speaks(Version::Http2),
        PoolProtocol::Http1 => counted.speaks(Version::Http11),
        PoolProtocol::Auto | PoolProtocol::Tcp => {}
    }
    let opened = connect(&target.config, &worker.shared, info, host, &target.options)
        .await
        .inspect_err(|error| {
            crate::balance::HostTotals::count(&host.shared.totals.cx_connect_fail);
            hooks::connect_failed(worker, &target.cluster, error);
            if !error.is_timeout() {
                counted.closed_by_peer();
            }
        })?;
    effort.set(Effort {
        connected: Some(opened.connected_at),
        secured: opened.secured_at,
        ..effort.get()
    });
    let h2 = match target.protocol {
        PoolProtocol::Http2 => true,
        PoolProtocol::Auto => opened
            .tls
            .as_ref()
            .is_some_and(|tls| tls.alpn.as_deref() == Some(b"h2")),
        PoolProtocol::Http1 | PoolProtocol::Tcp => false,
    };
    if target.protocol == PoolProtocol::Auto {
        counted.speaks(if h2 { Version::Http2 } else { Version::Http11 });
    }
    let meta = Rc::new(ConnectionMeta {
        id: pool::next_connection_id(),
        local: opened.local,
        remote: opened.remote,
        tls: opened.tls,
        created: opened.connected_at,
        requests: Cell::new(0),
        _permit: Some(permit),
        _open: host.shared.open_connection(),
        counted,
    });
    if h2 {
        let connection = H2Connection::open(opened.transport, &info.http.http2, meta, slot)
            .await
            .map_err(|error| ConnectError::Remote(error.to_string().into()))?;
        let lease = connection.lease();
        pool.h2.borrow_mut().push(connection);
        return Ok(Acquired::H2(lease));
    }
    meta.begin_request(info.http.max_requests_per_connection);
    let mut conn = Box::new(H1Conn::new(opened.transport, Vec::new(), target.limits()));
    conn.configure(&info.http.http1);
    Ok(Acquired::H1(Pool::adopt(
        conn,
        meta,
        slot,
        opened.connected_at,
    )))
}

/// Joins the opening of a shared connection, or starts one; `None` when limits forbid it.
fn share_opening(worker: &Rc<Worker>, target: &Target, pool: &Rc<Pool>) -> Option<h2pool::Opening> {
    if let Some(opening) = pool.h2_opening.borrow().as_ref() {
        return Some(opening.clone());
    }
    let permit = connection_permit(worker, target, pool)?;
    let (sender, receiver) = watch::channel(None);
    *pool.h2_opening.borrow_mut() = Some(receiver.clone());
    let (worker, target, pool) = (Rc::clone(worker), target.clone(), Rc::clone(pool));
    tokio::task::spawn_local(async move {
        let effort = Cell::default();
        let result = open(&worker, &target, &pool, permit, &effort).await;
        *pool.h2_opening.borrow_mut() = None;
        sender.send_replace(Some(result.map(drop)));
    });
    Some(receiver)
}

async fn wait_for(mut opening: h2pool::Opening) -> Result<(), ConnectError> {
    let result = opening
        .wait_for(Option::is_some)
        .await
        .ok()
        .and_then(|result| result.clone());
    result.unwrap_or_else(|| {
        Err(ConnectError::Local(
            "the connection attempt was abandoned".into(),
        ))
    })
}
