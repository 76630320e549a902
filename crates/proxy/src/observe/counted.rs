//! What is counted in for as long as it lives: connections, requests, and requests that wait for a connection.

use std::cell::Cell;
use std::sync::Arc;

use super::local::with;
use super::stats::{
    Cell as Counter, ClusterGroup, ClusterScope, HttpGroup, HttpScope, ListenerScope,
};
use crate::config::listener::ListenAddress;
use crate::config::{Cluster, Hcm, Listener};
use crate::http::Version;
use crate::worker::Worker;

/// A scope and the worker whose slot of it is written.
type Place<S> = Option<(Arc<S>, usize)>;

/// An accepted connection.
#[derive(Debug)]
pub struct Accepted(Place<ListenerScope>);

impl Accepted {
    #[must_use]
    pub fn new(_worker: &Worker, listener: &Listener) -> Self {
        let mut place = None;
        with(|local| {
            let worker = local.worker;
            let scope = local.listener(&listener_name(listener)).clone();
            let group = &scope.slot(worker).group;
            group.downstream_cx_total.inc();
            group.downstream_cx_active.inc();
            place = Some((scope, worker));
        });
        Self(place)
    }
}

impl Drop for Accepted {
    fn drop(&mut self) {
        if let Some((scope, worker)) = &self.0 {
            let group = &scope.slot(*worker).group;
            group.downstream_cx_active.dec();
            group.downstream_cx_destroy.inc();
        }
    }
}

/// Envoy: `stat_prefix`, or else the address with its colon replaced.
pub(super) fn listener_name(listener: &Listener) -> Arc<str> {
    if let Some(prefix) = &listener.stat_prefix {
        return prefix.clone();
    }
    match listener.addresses.first() {
        Some(ListenAddress::Tcp(address)) => format!("{}_{}", address.ip(), address.port()).into(),
        Some(ListenAddress::Pipe { path, .. }) => path.display().to_string().into(),
        None => listener.name.clone(),
    }
}

/// A downstream connection that a connection manager serves.
#[derive(Debug)]
pub struct HttpConnection {
    place: Place<HttpScope>,
    tls: bool,
    version: Cell<Option<Version>>,
    by_us: Cell<bool>,
    interrupted: Cell<bool>,
}

impl HttpConnection {
    #[must_use]
    pub fn new(hcm: &Hcm, tls: bool) -> Self {
        let mut place = None;
        with(|local| {
            let worker = local.worker;
            let scope = local.http_arc(&hcm.stat_prefix);
            let group = &scope.slot(worker).group;
            group.downstream_cx_total.inc();
            group.downstream_cx_active.inc();
            if tls {
                group.downstream_cx_ssl_total.inc();
                group.downstream_cx_ssl_active.inc();
            }
            place = Some((scope, worker));
        });
        Self {
            place,
            tls,
            version: Cell::default(),
            by_us: Cell::default(),
            interrupted: Cell::default(),
        }
    }

    fn group(&self) -> Option<&HttpGroup> {
        let (scope, worker) = self.place.as_ref()?;
        Some(&scope.slot(*worker).group)
    }

    /// The client began to speak.
    pub fn speaks(&self, version: Version) {
        if self.version.replace(Some(version)).is_some() {
            return;
        }
        if let Some(group) = self.group() {
            let (total, active) = by_version(group, version);
            total.inc();
            active.inc();
        }
    }

    /// Bytes came and went that are not counted with a request.
    pub fn bytes(&self, received: u64, sent: u64) {
        if let Some(group) = self.group() {
            group.downstream_cx_rx_bytes_total.add(received);
            group.downstream_cx_tx_bytes_total.add(sent);
        }
    }

    /// It is the proxy that ends it.
    pub fn closed_by_us(&self) {
        self.by_us.set(true);
    }

    /// The client left with a request on it.
    pub fn interrupted(&self) {
        self.interrupted.set(true);
    }
}

fn by_version(group: &HttpGroup, version: Version) -> (&Counter, &Counter) {
    match version {
        Version::Http2 => (
            &group.downstream_cx_http2_total,
            &group.downstream_cx_http2_active,
        ),
        Version::Http10 | Version::Http11 => (
            &group.downstream_cx_http1_total,
            &group.downstream_cx_http1_active,
        ),
    }
}

impl Drop for HttpConnection {
    fn drop(&mut self) {
        let Some(group) = self.group() else {
            return;
        };
        group.downstream_cx_active.dec();
        group.downstream_cx_destroy.inc();
        if self.by_us.get() {
            group.downstream_cx_destroy_local.inc();
        } else {
            group.downstream_cx_destroy_remote.inc();
        }
        if self.interrupted.get() {
            group.downstream_cx_destroy_active_rq.inc();
            group.downstream_cx_destroy_remote_active_rq.inc();
        }
        if let Some(version) = self.version.get() {
            by_version(group, version).1.dec();
        }
        if self.tls {
            group.downstream_cx_ssl_active.dec();
        }
    }
}

/// A request, from its head to its log line.
#[derive(Debug)]
pub struct Request<'c>(&'c Hcm);

impl<'c> Request<'c> {
    #[must_use]
    pub fn new(hcm: &'c Hcm, version: Version) -> Self {
        with(|local| {
            let worker = local.worker;
            let group = &local.http(&hcm.stat_prefix).slot(worker).group;
            group.downstream_rq_total.inc();
            group.downstream_rq_active.inc();
            match version {
                Version::Http2 => group.downstream_rq_http2_total.inc(),
                Version::Http10 | Version::Http11 => group.downstream_rq_http1_total.inc(),
            }
        });
        Self(hcm)
    }
}

impl Drop for Request<'_> {
    fn drop(&mut self) {
        with(|local| {
            let worker = local.worker;
            let group = &local.http(&self.0.stat_prefix).slot(worker).group;
            group.downstream_rq_active.dec();
        });
    }
}

/// A connection that has been upgraded to another protocol.
#[derive(Debug)]
pub struct Upgrade<'c>(&'c Hcm);

impl<'c> Upgrade<'c> {
    #[must_use]
    pub fn new(hcm: &'c Hcm) -> Self {
        with(|local| {
            let worker = local.worker;
            let group = &local.http(&hcm.stat_prefix).slot(worker).group;
            group.downstream_cx_upgrades_total.inc();
            group.downstream_cx_upgrades_active.inc();
        });
        Self(hcm)
    }
}

impl Drop for Upgrade<'_> {
    fn drop(&mut self) {
        with(|local| {
            let worker = local.worker;
            let group = &local.http(&self.0.stat_prefix).slot(worker).group;
            group.downstream_cx_upgrades_active.dec();
        });
    }
}

/// A connection to an upstream endpoint.
#[derive(Debug)]
pub struct UpstreamConnection {
    place: Place<ClusterScope>,
    by_peer: Cell<bool>,
    interrupted: Cell<bool>,
}

impl UpstreamConnection {
    #[must_use]
    pub fn new(_worker: &Worker, cluster: &Cluster) -> Self {
        let mut place = None;
        with(|local| {
            let (worker, scope) = (local.worker, local.cluster_arc(&cluster.info));
            let group = &scope.slot(worker).group;
            group.upstream_cx_total.inc();
            group.upstream_cx_active.inc();
            place = Some((scope, worker));
        });
        Self {
            place,
            by_peer: Cell::default(),
            interrupted: Cell::default(),
        }
    }

    /// What HTTP it is for.
    pub fn speaks(&self, version: Version) {
        if let Some(group) = self.group() {
            match version {
                Version::Http2 => group.upstream_cx_http2_total.inc(),
                Version::Http10 | Version::Http11 => group.upstream_cx_http1_total.inc(),
            }
        }
    }

    fn group(&self) -> Option<&ClusterGroup> {
        let (scope, worker) = self.place.as_ref()?;
        Some(&scope.slot(*worker).group)
    }

    /// Bytes came and went that are not counted with a request.
    pub fn bytes(&self, received: u64, sent: u64) {
        if let Some(group) = self.group() {
            group.upstream_cx_rx_bytes_total.add(received);
            group.upstream_cx_tx_bytes_total.add(sent);
        }
    }

    /// It was the peer who ended it.
    pub fn closed_by_peer(&self) {
        self.by_peer.set(true);
    }

    /// One of its streams was reset, by the peer or by us.
    pub fn stream_reset(&self, by_peer: bool) {
        if let Some(group) = self.group() {
            if by_peer {
                group.upstream_rq_rx_reset.inc();
            } else {
                group.upstream_rq_tx_reset.inc();
            }
        }
    }

    /// It has served as many requests as it may.
    pub fn max_requests(&self) {
        if let Some(group) = self.group() {
            group.upstream_cx_max_requests.inc();
        }
    }

    /// It was idle for too long.
    pub fn idle_timeout(&self) {
        if let Some(group) = self.group() {
            group.upstream_cx_idle_timeout.inc();
        }
    }

    /// The peer broke the protocol.
    pub fn protocol_error(&self) {
        if let Some(group) = self.group() {
            group.upstream_cx_protocol_error.inc();
        }
    }

    /// A request was still on it.
    pub fn interrupted(&self) {
        self.interrupted.set(true);
    }
}

impl Drop for UpstreamConnection {
    fn drop(&mut self) {
        let Some(group) = self.group() else {
            return;
        };
        group.upstream_cx_active.dec();
        group.upstream_cx_destroy.inc();
        let interrupted = self.interrupted.get();
        if interrupted {
            group.upstream_cx_destroy_with_active_rq.inc();
        }
        let (ended, with_request) = if self.by_peer.get() {
            (
                &group.upstream_cx_destroy_remote,
                &group.upstream_cx_destroy_remote_with_active_rq,
            )
        } else {
            (
                &group.upstream_cx_destroy_local,
                &group.upstream_cx_destroy_local_with_active_rq,
            )
        };
        ended.inc();
        if interrupted {
            with_request.inc();
        }
    }
}

/// A request that waits for a connection; given up when dropped without an end.
#[derive(Debug)]
pub struct Pending<'c> {
    cluster: &'c Cluster,
    over: bool,
}

impl<'c> Pending<'c> {
    #[must_use]
    pub fn new(cluster: &'c Cluster) -> Self {
        with(|local| {
            let worker = local.worker;
            let group = &local.cluster(&cluster.info).slot(worker).group;
            group.upstream_rq_pending_total.inc();
            group.upstream_rq_pending_active.inc();
        });
        Self {
            cluster,
            over: false,
        }
    }

    /// It got a connection, or learned that it gets none.
    pub fn end(mut self, connected: bool) {
        self.over = true;
        if !connected {
            with(|local| {
                let worker = local.worker;
                let group = &local.cluster(&self.cluster.info).slot(worker).group;
                group.upstream_rq_pending_failure_eject.inc();
            });
        }
    }
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        with(|local| {
            let worker = local.worker;
            let group = &local.cluster(&self.cluster.info).slot(worker).group;
            group.upstream_rq_pending_active.dec();
            if !self.over {
                group.upstream_rq_cancelled.inc();
            }
        });
    }
}
