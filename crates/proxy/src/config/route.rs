//! Route tables: virtual hosts, routes and their actions.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use base::ContentHash;
use serde_json::Value;

use super::headers::LevelMutations;
use super::ids::ClusterId;
use super::matcher::{Fraction, HeaderMatcher, QueryMatcher, Regex, Substitution, Text};
use super::request::LowerName;
use super::retry::RetryPolicy;
use crate::filters::cors::CorsPolicy;
use crate::filters::fault::FaultPolicy;

/// A route configuration.
#[derive(Debug, Default)]
pub struct RouteTable {
    pub name: Arc<str>,
    pub version: ContentHash,
    pub(crate) vhosts: Vec<Arc<VirtualHost>>,
    pub(crate) domains: Domains,
    pub headers: LevelMutations,
    pub options: TableOptions,
    pub metadata: Metadata,
}

/// What a route table sets for all of its virtual hosts.
#[derive(Debug, Clone, Default)]
pub struct TableOptions {
    /// Route-level mutations come last instead of first (Envoy: `most_specific_header_mutations_wins`).
    pub most_specific_wins: bool,
    /// Header mutations of requests before they are matched see the `Host` without its port.
    pub ignore_port_in_host: bool,
    pub ignore_path_parameters: bool,
    /// Removed from requests of external clients.
    pub internal_only_headers: Box<[LowerName]>,
    /// Bodies of direct responses may not be longer.
    pub max_direct_response_body: usize,
    pub mirror: Box<[MirrorPolicy]>,
}

/// Finds a virtual host without allocating: exact hash, then the longest suffix, then the longest prefix, then `*`.
#[derive(Debug, Default)]
pub struct Domains {
    /// Lower-case names.
    pub(crate) exact: HashMap<Box<[u8]>, u32>,
    /// `*.example.com` as `.example.com`.
    pub(crate) suffix: ByLength,
    /// `example.*` as `example.`.
    pub(crate) prefix: ByLength,
    pub(crate) any: Option<u32>,
}

/// Texts with their virtual hosts, by length, longest first: one hash look-up a length.
pub(crate) type ByLength = Vec<(usize, HashMap<Box<[u8]>, u32>)>;

/// When a virtual host answers plain HTTP with a redirect to HTTPS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RequireTls {
    #[default]
    None,
    ExternalOnly,
    All,
}

/// A virtual host.
#[derive(Debug, Default)]
pub struct VirtualHost {
    pub name: Arc<str>,
    /// As configured: for config_dump.
    pub domains: Vec<Box<str>>,
    pub routes: Vec<Arc<Route>>,
    pub require_tls: RequireTls,
    pub headers: LevelMutations,
    /// `x-envoy-attempt-count` in upstream requests.
    pub include_request_attempt_count: bool,
    /// `x-envoy-attempt-count` in responses.
    pub include_attempt_count_in_response: bool,
    /// `x-envoy-is-timeout-retry` in upstream requests.
    pub include_is_timeout_retry_header: bool,
    pub metadata: Metadata,
}

/// The path condition of a route.
#[derive(Debug, Clone)]
pub enum PathMatch {
    /// Compared with the path without its query, as all of these are.
    Prefix(Text),
    /// Compared with the path without its query.
    Exact(Text),
    /// A prefix that ends at a segment; without trailing slash.
    SegmentPrefix(Text),
    /// Matches the path without its query.
    Regex(Regex),
    /// CONNECT requests.
    Connect,
}

/// All conditions of a route.
#[derive(Debug, Clone)]
pub struct RouteMatch {
    pub path: PathMatch,
    pub headers: Box<[HeaderMatcher]>,
    pub query: Box<[QueryMatcher]>,
    /// Only gRPC requests (`application/grpc` or `application/grpc+…`).
    pub grpc: bool,
    pub tls: Option<TlsMatch>,
    pub fraction: Option<Fraction>,
}

/// `tls_context` of a route match.
#[derive(Debug, Clone, Copy)]
pub struct TlsMatch {
    pub presented: Option<bool>,
    pub validated: Option<bool>,
}

/// A route.
#[derive(Debug)]
pub struct Route {
    /// `route_name` in access logs.
    pub name: Arc<str>,
    pub matcher: RouteMatch,
    pub action: Action,
    pub headers: LevelMutations,
    pub metadata: Metadata,
    pub stat_prefix: Arc<str>,
    /// Retry and mirror bodies are kept up to this size; beyond it they are streamed and not replayed.
    pub body_buffer_limit: Option<u64>,
    /// Filters of this route: the most specific setting of route, then virtual host, then table.
    pub filters: RouteFilters,
}

/// Per-route filter settings after the levels were merged at compile time.
#[derive(Debug, Clone, Default)]
pub struct RouteFilters {
    pub cors: Option<Arc<CorsPolicy>>,
    pub fault: Option<Arc<FaultPolicy>>,
    /// This route switches a filter on that is `disabled` in the connection manager.
    pub cors_enabled: bool,
    pub fault_enabled: bool,
    pub cors_disabled: bool,
    pub fault_disabled: bool,
    /// `filter_metadata["ferromesh"].fault_in_retry`: injected aborts are retriable and delays count against the
    /// route's timeout.
    pub fault_in_retry: bool,
}

/// Static metadata: filter namespace to JSON object.
#[derive(Debug, Clone, Default)]
pub struct Metadata(pub Option<Arc<Value>>);

impl Metadata {
    /// The value at `namespace` and `path`.
    #[must_use]
    pub fn get(&self, namespace: &str, path: &[&str]) -> Option<&Value> {
        let root = self.0.as_ref()?.get(namespace)?;
        path.iter().try_fold(root, |value, key| value.get(key))
    }
}

/// What a route does.
#[derive(Debug)]
pub enum Action {
    Forward(Box<Forward>),
    Redirect(Box<Redirect>),
    Direct(Box<DirectResponse>),
}

/// Which cluster gets the request.
#[derive(Debug)]
pub enum ClusterChoice {
    One(ClusterId),
    /// The value of a request header is the name.
    Header(LowerName),
    Weighted(Weighted),
}

/// Clusters by weight.
#[derive(Debug)]
pub struct Weighted {
    pub clusters: Box<[WeightedCluster]>,
    pub total: u64,
    /// A request header with a decimal number that replaces the random value.
    pub random_header: Option<LowerName>,
}

/// One weighted cluster.
#[derive(Debug)]
pub struct WeightedCluster {
    pub cluster: WeightedTarget,
    /// The running sum up to and including this cluster.
    pub upper: u64,
    pub weight: u32,
    pub headers: LevelMutations,
    pub host_rewrite: Option<Arc<str>>,
    /// The route's filters with this cluster's own on top.
    pub filters: RouteFilters,
}

/// The name of a weighted cluster.
#[derive(Debug)]
pub enum WeightedTarget {
    Id(ClusterId),
    Header(LowerName),
}

/// How the path changes on its way upstream.
#[derive(Debug)]
pub enum PathRewrite {
    /// Replaces what the route's prefix or path matched.
    Prefix(Box<[u8]>),
    /// Replaces the path, keeps the query: of regex routes.
    Whole(Box<[u8]>),
    Regex(Substitution),
}

/// How the authority changes on its way upstream.
#[derive(Debug)]
pub enum HostRewrite {
    Literal(Arc<str>),
    /// The endpoint's host name (strict DNS or EDS `hostname`).
    Auto,
    Header(LowerName),
    PathRegex(Substitution),
}

impl Forward {
    /// One of the route's weighted clusters.
    #[must_use]
    pub fn weighted_cluster(&self, index: Option<usize>) -> Option<&WeightedCluster> {
        match &self.cluster {
            ClusterChoice::Weighted(all) => all.clusters.get(index?),
            _ => None,
        }
    }
}

/// A forwarding route.
#[derive(Debug)]
pub struct Forward {
    pub cluster: ClusterChoice,
    /// 503, 404 or 500.
    pub cluster_not_found_status: u16,
    pub path_rewrite: Option<PathRewrite>,
    pub host_rewrite: Option<HostRewrite>,
    pub append_x_forwarded_host: bool,
    /// The whole response must be there in time; `None`: no limit. Envoy's default is 15 s.
    pub timeout: Option<Duration>,
    /// Overrides the connection manager's stream idle timeout; `Some(ZERO)` disables it.
    pub idle_timeout: Option<Duration>,
    pub max_stream_duration: Option<MaxStreamDuration>,
    /// Takes the place of `timeout` for gRPC, and `grpc-timeout` may shorten it; `Some(ZERO)`: as long as that says.
    pub max_grpc_timeout: Option<Duration>,
    pub retry: Option<Arc<RetryPolicy>>,
    pub mirror: Box<[MirrorPolicy]>,
    pub priority: Priority,
    /// Overrides of the connection manager's upgrades; lower-case type and whether it is allowed.
    pub upgrades: Box<[(Box<str>, bool)]>,
}

/// `max_stream_duration` of a route.
#[derive(Debug, Clone, Copy, Default)]
pub struct MaxStreamDuration {
    /// `Some(ZERO)`: no limit, whatever the connection manager says.
    pub max: Option<Duration>,
    /// `Some(ZERO)`: the header is taken without a bound.
    pub grpc_header_max: Option<Duration>,
    pub grpc_header_offset: Option<Duration>,
}

/// Envoy's routing priority: each has its own circuit breakers and pools.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Priority {
    #[default]
    Default,
    High,
}

/// Copies of requests, answers of which are dropped.
#[derive(Debug, Clone)]
pub struct MirrorPolicy {
    pub cluster: MirrorTarget,
    pub fraction: Fraction,
    /// Append `-shadow` to the host.
    pub append_shadow: bool,
    pub host_rewrite: Option<Arc<str>>,
}

/// Where a copy goes.
#[derive(Debug, Clone)]
pub enum MirrorTarget {
    Id(ClusterId),
    Header(LowerName),
}

/// A redirect.
#[derive(Debug)]
pub struct Redirect {
    pub status: u16,
    pub scheme: SchemeRedirect,
    pub host: Option<Box<str>>,
    pub port: Option<u16>,
    pub path: PathRedirect,
    pub strip_query: bool,
}

/// The scheme of a redirect.
#[derive(Debug, Clone)]
pub enum SchemeRedirect {
    Keep,
    Https,
    To(Box<str>),
}

/// The path of a redirect.
#[derive(Debug)]
pub enum PathRedirect {
    Keep,
    Path(Box<str>),
    Prefix(Box<[u8]>),
    Regex(Substitution),
}

/// An answer without an upstream.
#[derive(Debug)]
pub struct DirectResponse {
    pub status: u16,
    pub body: bytes::Bytes,
}
