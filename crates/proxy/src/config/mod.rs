//! The compiled configuration: immutable, swapped whole, read by every request without a lock.
//!
//! [`Config`] is one consistent snapshot. A connection keeps the [`Listener`] and [`FilterChain`] it was accepted
//! with (as Envoy's do, until drained); a request loads the current [`Config`] once and finds its route table and
//! clusters there by integer id. Ids are given to names once and never reused, so a route may name a cluster that does
//! not exist yet.

pub mod access_log;
pub mod chain_match;
pub mod cluster;
pub mod compile;
pub mod format;
pub mod hcm;
pub mod headers;
pub mod ids;
pub mod listener;
pub mod matcher;
pub mod operator;
pub mod request;
pub mod retry;
pub mod route;
pub mod route_match;
pub mod tls;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use access_log::{AccessLog, LogFilter, LogFormat, LogSink};
pub use cluster::{Cluster, ClusterInfo, UpstreamProtocol};
pub use hcm::Hcm;
pub use ids::{ClusterId, Ids, RouteTableId};
pub use listener::{FilterChain, ListenAddress, Listener, NetworkFilter, TcpProxy};
pub use request::{LowerName, RequestView};
pub use route::{Route, RouteTable, VirtualHost};
pub use tls::{DownstreamTls, Secret, SecretRef, UpstreamTls};

/// One consistent configuration.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// Grows by one with each publication.
    pub generation: u64,
    /// Warmed listeners, by name.
    pub listeners: BTreeMap<Arc<str>, Arc<Listener>>,
    clusters: Vec<Option<Arc<Cluster>>>,
    routes: Vec<Option<Arc<RouteTable>>>,
    /// Secrets by SDS name; TLS contexts name them and the TLS layer caches what it builds of them by
    /// [`Secret::version`].
    pub secrets: BTreeMap<Arc<str>, Arc<Secret>>,
}

impl Config {
    /// The warmed cluster with this id; `None` is Envoy's `NC`.
    #[must_use]
    pub fn cluster(&self, id: ClusterId) -> Option<&Arc<Cluster>> {
        self.clusters.get(id.index())?.as_ref()
    }

    /// The route table with this id; `None` until RDS has delivered it.
    #[must_use]
    pub fn route_table(&self, id: RouteTableId) -> Option<&Arc<RouteTable>> {
        self.routes.get(id.index())?.as_ref()
    }

    /// All clusters, in the order of their ids.
    pub fn clusters(&self) -> impl Iterator<Item = &Arc<Cluster>> {
        self.clusters.iter().flatten()
    }

    /// All route tables received by RDS.
    pub fn route_tables(&self) -> impl Iterator<Item = &Arc<RouteTable>> {
        self.routes.iter().flatten()
    }

    /// Sets or removes a cluster.
    pub fn put_cluster(&mut self, id: ClusterId, cluster: Option<Arc<Cluster>>) {
        put(&mut self.clusters, id.index(), cluster);
    }

    /// Sets or removes a route table.
    pub fn put_route_table(&mut self, id: RouteTableId, table: Option<Arc<RouteTable>>) {
        put(&mut self.routes, id.index(), table);
    }
}

fn put<T>(slots: &mut Vec<Option<T>>, index: usize, value: Option<T>) {
    if index >= slots.len() {
        if value.is_none() {
            return;
        }
        slots.resize_with(index + 1, || None);
    }
    slots[index] = value;
}
