//! One endpoint: what discovery says of it, and what all workers count of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use crate::config::cluster::{EdsHealth, EndpointAddress, Locality};
use crate::config::route::Metadata;
use crate::config::tls::UpstreamTls;
use crate::resilience::outlier::HostMonitor;

/// An endpoint in one [`HostSets`](super::HostSets). Replaced when discovery says something new of it; its
/// [`HostShared`] stays as long as the address does.
#[derive(Debug)]
pub struct Host {
    pub address: EndpointAddress,
    pub hostname: Arc<str>,
    pub weight: u32,
    pub priority: u32,
    pub locality: Locality,
    pub health: EdsHealth,
    pub metadata: Metadata,
    /// The transport chosen by `transport_socket_matches`; `None` is plaintext.
    pub transport: Option<Arc<UpstreamTls>>,
    pub shared: Arc<HostShared>,
}

impl Host {
    /// Whether it may get traffic as a healthy host.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        self.health == EdsHealth::Healthy && !self.shared.monitor.is_ejected()
    }

    /// Whether it may get traffic when healthy hosts do not suffice.
    #[must_use]
    pub fn is_degraded(&self) -> bool {
        self.health == EdsHealth::Degraded && !self.shared.monitor.is_ejected()
    }

    /// The socket address, for endpoints that have one.
    #[must_use]
    pub fn socket_addr(&self) -> Option<std::net::SocketAddr> {
        match &self.address {
            EndpointAddress::Socket(address) => Some(*address),
            EndpointAddress::Name { .. } | EndpointAddress::Pipe(_) => None,
        }
    }
}

/// Counts of one address, shared by all workers; relaxed atomics on lines of their own.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct HostShared {
    active_requests: AtomicU32,
    active_connections: AtomicU32,
    removed: AtomicBool,
    pub totals: HostTotals,
    /// Outlier detection.
    pub monitor: HostMonitor,
}

/// Envoy's per-host counters, as `/clusters` shows them.
#[derive(Debug, Default)]
pub struct HostTotals {
    pub cx_total: AtomicU64,
    pub cx_connect_fail: AtomicU64,
    pub rq_total: AtomicU64,
    pub rq_success: AtomicU64,
    pub rq_error: AtomicU64,
    pub rq_timeout: AtomicU64,
}

impl HostTotals {
    /// Adds one to a counter.
    pub fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

impl HostShared {
    /// Requests in flight: what least-request looks at.
    #[must_use]
    pub fn active_requests(&self) -> u32 {
        self.active_requests.load(Ordering::Relaxed)
    }

    #[must_use]
    pub fn active_connections(&self) -> u32 {
        self.active_connections.load(Ordering::Relaxed)
    }

    /// A request begins; it ends when the guard is dropped.
    #[must_use]
    pub fn begin_request(self: &Arc<Self>) -> ActiveRequest {
        self.active_requests.fetch_add(1, Ordering::Relaxed);
        self.totals.rq_total.fetch_add(1, Ordering::Relaxed);
        ActiveRequest(Arc::clone(self))
    }

    /// A connection opens; it is closed when the guard is dropped.
    #[must_use]
    pub fn open_connection(self: &Arc<Self>) -> OpenConnection {
        self.active_connections.fetch_add(1, Ordering::Relaxed);
        self.totals.cx_total.fetch_add(1, Ordering::Relaxed);
        OpenConnection(Arc::clone(self))
    }

    /// Discovery no longer knows this address: idle connections are to be closed, no connection reused.
    #[must_use]
    pub fn is_removed(&self) -> bool {
        self.removed.load(Ordering::Relaxed)
    }

    pub(crate) fn set_removed(&self, removed: bool) {
        self.removed.store(removed, Ordering::Relaxed);
    }
}

/// A request in flight to a host.
#[derive(Debug)]
pub struct ActiveRequest(Arc<HostShared>);

impl Drop for ActiveRequest {
    fn drop(&mut self) {
        self.0.active_requests.fetch_sub(1, Ordering::Relaxed);
    }
}

/// An open connection to a host.
#[derive(Debug)]
pub struct OpenConnection(Arc<HostShared>);

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.active_connections.fetch_sub(1, Ordering::Relaxed);
    }
}
