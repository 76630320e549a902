//! Clusters as configured, and the state that all workers share of each.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use base::ContentHash;

use super::hcm::{Http1Options, Http2Options, Underscores};
use super::ids::ClusterId;
use super::route::{Metadata, Priority};
use super::tls::UpstreamTls;
use crate::balance::HostSets;
use crate::resilience::breaker::{Breaker, Limits};
use crate::resilience::outlier::OutlierPolicy;

/// A cluster: its configuration, its current endpoints, and what is counted for the whole process.
#[derive(Debug)]
pub struct Cluster {
    pub id: ClusterId,
    pub info: Arc<ClusterInfo>,
    /// Replaced whole by EDS and by ejections; load it anew for each attempt.
    pub hosts: ArcSwap<HostSets>,
    /// By [`Priority`]; carried over when the cluster's configuration changes.
    pub breakers: [Arc<Breaker>; 2],
}

impl Cluster {
    /// The circuit breaker for requests of this priority.
    #[must_use]
    pub fn breaker(&self, priority: Priority) -> &Arc<Breaker> {
        &self.breakers[priority as usize]
    }
}

/// Where endpoints come from.
#[derive(Debug, Clone, PartialEq)]
pub enum Discovery {
    /// In the message itself.
    Static,
    /// EDS by this resource name.
    Eds {
        service_name: Arc<str>,
        /// The cluster waits this long for endpoints, then serves without; `None`: for ever.
        fetch_timeout: Option<Duration>,
    },
    /// The connection's original destination.
    OriginalDst(OriginalDst),
    /// Names resolved again and again; all addresses are endpoints.
    StrictDns {
        refresh: Duration,
        respect_ttl: bool,
        family: DnsFamily,
    },
    /// As strict DNS, but only the first address is used for new connections.
    LogicalDns {
        refresh: Duration,
        respect_ttl: bool,
        family: DnsFamily,
    },
}

/// Which addresses of a name are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DnsFamily {
    #[default]
    Auto,
    V4Only,
    V6Only,
    V4Preferred,
    All,
}

/// Settings of pass-through clusters.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct OriginalDst {
    /// The destination is taken from this request header.
    pub header: Option<super::request::LowerName>,
    pub port_override: Option<u16>,
    /// Endpoints not used for this long are forgotten.
    pub cleanup_interval: Duration,
}

/// How an endpoint is chosen.
#[derive(Debug, Clone, PartialEq)]
pub enum Policy {
    RoundRobin,
    LeastRequest {
        /// How many are looked at: 2 by default.
        choices: u32,
        /// With unequal weights, weight is divided by (active + 1) to this power.
        active_request_bias: f64,
        /// Look at every host instead of a sample.
        full_scan: bool,
    },
    Random,
    /// The only one for [`Discovery::OriginalDst`].
    ClusterProvided,
}

/// Rules that hold for every policy.
#[derive(Debug, Clone, PartialEq)]
pub struct CommonBalancing {
    /// Percent of healthy hosts below which all are used.
    pub panic_threshold: f64,
    /// In panic, fail with 503 instead of using all.
    pub fail_traffic_on_panic: bool,
    /// Weights of localities are honoured.
    pub locality_weighted: bool,
    /// Percent; an assignment may override it.
    pub overprovisioning_factor: u32,
}

/// Upstream protocol selection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpstreamProtocol {
    Http1,
    Http2,
    /// By ALPN.
    Auto,
    /// What the downstream connection speaks.
    UseDownstream,
}

/// HTTP settings of a cluster.
#[derive(Debug, Clone)]
pub struct UpstreamHttp {
    pub protocol: UpstreamProtocol,
    pub http1: Http1Options,
    pub http2: Http2Options,
    /// `None`: Envoy's 1 hour; `Some(ZERO)`: none.
    pub idle_timeout: Option<Duration>,
    pub max_connection_duration: Option<Duration>,
    pub max_stream_duration: Option<Duration>,
    /// 0: no limit.
    pub max_requests_per_connection: u32,
    pub max_response_headers_count: u32,
    pub max_response_headers_bytes: usize,
    pub underscores: Underscores,
    /// The request's authority becomes the SNI.
    pub auto_sni: bool,
    pub auto_san_validation: bool,
    pub override_auto_sni_header: Option<super::request::LowerName>,
}

/// One `transport_socket_matches` entry.
#[derive(Debug, Clone)]
pub struct SocketMatch {
    pub name: Arc<str>,
    /// Every pair must be in the endpoint's `envoy.transport_socket_match` metadata.
    pub criteria: Box<[(Box<str>, serde_json::Value)]>,
    /// `None`: plaintext.
    pub tls: Option<Arc<UpstreamTls>>,
}

/// TCP keepalive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TcpKeepalive {
    pub probes: Option<u32>,
    pub time: Option<Duration>,
    pub interval: Option<Duration>,
}

/// A cluster's configuration.
#[derive(Debug)]
pub struct ClusterInfo {
    pub id: ClusterId,
    pub name: Arc<str>,
    /// `alt_stat_name`, or else the name.
    pub stat_name: Arc<str>,
    /// Content of the message: pools belong to one version.
    pub version: ContentHash,
    pub discovery: Discovery,
    pub policy: Policy,
    pub balancing: CommonBalancing,
    pub connect_timeout: Duration,
    pub buffer_limit: u32,
    pub limits: [Limits; 2],
    /// `None`: hosts are never ejected.
    pub outlier: Option<Arc<OutlierPolicy>>,
    pub http: UpstreamHttp,
    /// `None`: plaintext.
    pub tls: Option<Arc<UpstreamTls>>,
    pub socket_matches: Box<[SocketMatch]>,
    /// Sockets are bound to this address (127.0.0.6 for inbound pass-through).
    pub source_address: Option<IpAddr>,
    pub source_port: u16,
    pub keepalive: Option<TcpKeepalive>,
    /// Each downstream connection has its own upstream connection.
    pub connection_pool_per_downstream_connection: bool,
    pub wait_for_warm_on_init: bool,
    pub metadata: Metadata,
    /// Hosts of a static or DNS cluster, before resolution.
    pub assignment: Arc<Assignment>,
}

impl ClusterInfo {
    /// The secrets that its transports need.
    pub fn sds(&self) -> impl Iterator<Item = &super::tls::SdsRef> {
        let matches = self
            .socket_matches
            .iter()
            .filter_map(|entry| entry.tls.as_ref());
        self.tls
            .iter()
            .chain(matches)
            .flat_map(|tls| tls.common.sds())
    }

    /// The transport for an endpoint with this metadata; `None` is plaintext.
    #[must_use]
    pub fn transport(&self, endpoint: &Metadata) -> Option<&Arc<UpstreamTls>> {
        if self.socket_matches.is_empty() {
            return self.tls.as_ref();
        }
        let labels = endpoint.get("envoy.transport_socket_match", &[]);
        for entry in &self.socket_matches {
            let all = entry
                .criteria
                .iter()
                .all(|(key, value)| labels.and_then(|labels| labels.get(&**key)) == Some(value));
            if all {
                return entry.tls.as_ref();
            }
        }
        self.tls.as_ref()
    }
}

/// A ClusterLoadAssignment.
#[derive(Debug, Clone, Default)]
pub struct Assignment {
    pub version: ContentHash,
    pub localities: Vec<LocalityEndpoints>,
    /// Percent; 140 by default.
    pub overprovisioning_factor: Option<u32>,
    /// Share of traffic refused by the control plane, in millionths, with its category.
    pub drop_overloads: Vec<(Arc<str>, super::matcher::Fraction)>,
}

/// The endpoints of one locality at one priority.
#[derive(Debug, Clone)]
pub struct LocalityEndpoints {
    pub locality: Locality,
    pub priority: u32,
    /// 0 or absent: no traffic when localities are weighted.
    pub weight: Option<u32>,
    pub endpoints: Vec<Endpoint>,
}

/// Region, zone and sub zone.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Locality {
    pub region: Arc<str>,
    pub zone: Arc<str>,
    pub sub_zone: Arc<str>,
}

/// An endpoint's address.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EndpointAddress {
    Socket(SocketAddr),
    /// A DNS name of a strict or logical DNS cluster.
    Name {
        host: Arc<str>,
        port: u16,
    },
    Pipe(Arc<std::path::Path>),
}

/// What discovery says of an endpoint's health.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EdsHealth {
    #[default]
    Healthy,
    Degraded,
    Unhealthy,
    /// Draining: no new traffic, existing connections stay.
    Draining,
}

/// An endpoint as discovered.
#[derive(Debug, Clone)]
pub struct Endpoint {
    pub address: EndpointAddress,
    pub hostname: Arc<str>,
    /// At least 1.
    pub weight: u32,
    pub health: EdsHealth,
    pub metadata: Metadata,
}
