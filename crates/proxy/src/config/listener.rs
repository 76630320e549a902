//! Listeners and filter chains.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use base::ContentHash;

use super::access_log::AccessLog;
use super::chain_match::{ChainIndex, ChainMatch};
use super::hcm::Hcm;
use super::ids::ClusterId;
use super::route::Metadata;
use super::tls::DownstreamTls;

/// Where a listener listens.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ListenAddress {
    Tcp(SocketAddr),
    Pipe { path: PathBuf, mode: u32 },
}

/// Envoy's `traffic_direction`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Direction {
    #[default]
    Unspecified,
    Inbound,
    Outbound,
}

/// A listener.
#[derive(Debug)]
pub struct Listener {
    pub name: Arc<str>,
    /// Content of the message; a listener with the same version is not touched.
    pub version: ContentHash,
    pub addresses: Vec<ListenAddress>,
    /// False: reached only by hand-over from a listener with `use_original_dst`.
    pub bind_to_port: bool,
    /// Connections go to the listener of their original destination, if there is one.
    pub use_original_dst: bool,
    pub backlog: u32,
    /// Idle keep-alive etc. of accepted sockets.
    pub keepalive: Option<super::cluster::TcpKeepalive>,
    pub direction: Direction,
    /// `listener.<stat_prefix or address>.`
    pub stat_prefix: Option<Arc<str>>,
    pub inspection: Inspection,
    pub chains: Vec<Arc<FilterChain>>,
    pub default_chain: Option<Arc<FilterChain>>,
    pub index: ChainIndex,
    pub access_logs: Vec<Arc<AccessLog>>,
    /// Bytes buffered for one connection and direction before reading stops.
    pub buffer_limit: u32,
    pub metadata: Metadata,
}

/// What listener filters find out before a chain is chosen.
#[derive(Debug, Clone, Default)]
pub struct Inspection {
    /// `SO_ORIGINAL_DST` is the connection's destination.
    pub original_dst: bool,
    pub tls: Option<Inspector>,
    pub http: Option<Inspector>,
    /// `None`: no limit. Envoy's default is 15 s.
    pub timeout: Option<Duration>,
    /// After the timeout the connection goes on with what is known; otherwise it is closed.
    pub continue_on_timeout: bool,
}

/// A sniffing listener filter.
#[derive(Debug, Clone, Default)]
pub struct Inspector {
    /// Destinations for which the filter is off.
    pub disabled: Option<PortPredicate>,
}

impl Inspector {
    /// Whether this inspector runs for connections to this port.
    #[must_use]
    pub fn runs_for(&self, destination_port: u16) -> bool {
        !self
            .disabled
            .as_ref()
            .is_some_and(|predicate| predicate.matches(destination_port))
    }
}

/// Envoy's ListenerFilterChainMatchPredicate.
#[derive(Debug, Clone)]
pub enum PortPredicate {
    Or(Vec<PortPredicate>),
    And(Vec<PortPredicate>),
    Not(Box<PortPredicate>),
    Any,
    /// `start..end`
    Ports {
        start: u16,
        end: u32,
    },
}

impl Listener {
    /// All chains, the default one last.
    pub fn all_chains(&self) -> impl Iterator<Item = &Arc<FilterChain>> {
        self.chains.iter().chain(&self.default_chain)
    }

    /// The secrets that its chains need.
    pub fn sds(&self) -> impl Iterator<Item = &super::tls::SdsRef> {
        self.all_chains()
            .filter_map(|chain| chain.tls.as_ref())
            .flat_map(|tls| tls.common.sds())
    }

    /// The connection managers of its chains.
    pub fn connection_managers(&self) -> impl Iterator<Item = &Arc<Hcm>> {
        self.all_chains().filter_map(|chain| match &chain.filter {
            NetworkFilter::Hcm(hcm) => Some(hcm),
            NetworkFilter::TcpProxy(_) | NetworkFilter::Close => None,
        })
    }
}

impl PortPredicate {
    #[must_use]
    pub fn matches(&self, port: u16) -> bool {
        match self {
            Self::Or(rules) => rules.iter().any(|rule| rule.matches(port)),
            Self::And(rules) => rules.iter().all(|rule| rule.matches(port)),
            Self::Not(rule) => !rule.matches(port),
            Self::Any => true,
            Self::Ports { start, end } => port >= *start && u32::from(port) < *end,
        }
    }
}

/// A filter chain.
#[derive(Debug)]
pub struct FilterChain {
    pub name: Arc<str>,
    /// Content of the message: connections of an unchanged chain outlive a change of their listener.
    pub version: ContentHash,
    pub matcher: ChainMatch,
    pub tls: Option<Arc<DownstreamTls>>,
    /// The TLS handshake must be done in time; `None`: no limit.
    pub handshake_timeout: Option<Duration>,
    pub filter: NetworkFilter,
    pub metadata: Metadata,
}

/// What serves a connection.
#[derive(Debug)]
pub enum NetworkFilter {
    Hcm(Arc<Hcm>),
    TcpProxy(Arc<TcpProxy>),
    /// A chain without filters: the connection is closed.
    Close,
}

/// Forwards bytes.
#[derive(Debug)]
pub struct TcpProxy {
    /// `tcp.<stat_prefix>.`
    pub stat_prefix: Arc<str>,
    pub clusters: TcpClusters,
    /// No byte in either direction; Envoy's default is 1 hour; `None`: no limit.
    pub idle_timeout: Option<Duration>,
    pub max_duration: Option<Duration>,
    pub max_connect_attempts: u32,
    pub back_off_base: Option<Duration>,
    pub back_off_max: Option<Duration>,
    pub access_logs: Vec<Arc<AccessLog>>,
}

/// Which cluster gets the connection.
#[derive(Debug)]
pub enum TcpClusters {
    One(ClusterId),
    /// Running sums of weights.
    Weighted {
        clusters: Vec<(ClusterId, u64)>,
        total: u64,
    },
}

impl TcpClusters {
    /// Chooses by a random value.
    #[must_use]
    pub fn choose(&self, random: u64) -> ClusterId {
        match self {
            Self::One(id) => *id,
            Self::Weighted { clusters, total } => {
                let point = random % (*total).max(1);
                let at = clusters.partition_point(|(_, upper)| *upper <= point);
                clusters[at.min(clusters.len() - 1)].0
            }
        }
    }
}
