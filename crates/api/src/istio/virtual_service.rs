//! VirtualService: how requests to a host are routed.

use std::collections::BTreeMap;

use super::macros::{choice, message};
use crate::Duration;
use k8s_openapi::ByteString;

message! {
    /// Istio's `VirtualService`.
    pub struct VirtualService {
        /// Hosts whose requests are routed.
        pub hosts: Vec<String>,
        /// Gateways it applies to; `mesh` stands for all sidecars.
        pub gateways: Vec<String>,
        /// HTTP routes; the first that matches.
        pub http: Vec<HttpRoute>,
        /// Routes of TLS that is not ended, by SNI.
        pub tls: Vec<TlsRoute>,
        /// TCP routes.
        pub tcp: Vec<TcpRoute>,
        /// Namespaces that see it: `.`, `*` or names; empty means the mesh's default.
        pub export_to: Vec<String>,
    }
}

message! {
    /// Istio's `Destination`.
    pub struct Destination {
        /// Name of the service.
        pub host: String,
        /// Subset of its DestinationRule.
        pub subset: String,
        /// Port; may be left out if it has only one.
        pub port: Option<PortSelector>,
    }
}

message! {
    /// Istio's `HTTPRoute`.
    #[serde(rename = "HTTPRoute")]
    pub struct HttpRoute {
        /// Name, for logs and statistics.
        pub name: String,
        /// When it applies: one of these; always if empty.
        pub r#match: Vec<HttpMatchRequest>,
        /// Where requests go, by weight.
        pub route: Vec<HttpRouteDestination>,
        /// Redirects instead.
        pub redirect: Option<HttpRedirect>,
        /// Answers instead.
        pub direct_response: Option<HttpDirectResponse>,
        /// Takes the routes of another VirtualService.
        pub delegate: Option<Delegate>,
        /// Changes path and authority before sending on.
        pub rewrite: Option<HttpRewrite>,
        /// How long a request with its retries may take; without limit where absent.
        pub timeout: Option<Duration>,
        /// When and how often requests are repeated.
        pub retries: Option<HttpRetry>,
        /// Delays and errors to inject.
        pub fault: Option<HttpFaultInjection>,
        /// Where a copy of the requests goes.
        pub mirror: Option<Destination>,
        /// Where copies of the requests go.
        pub mirrors: Vec<HttpMirrorPolicy>,
        /// Deprecated; see `mirror_percentage`.
        pub mirror_percent: Option<u32>,
        /// Share of the requests that is copied; all where absent.
        pub mirror_percentage: Option<Percent>,
        /// Cross-origin resource sharing.
        pub cors_policy: Option<CorsPolicy>,
        /// Changes of headers.
        pub headers: Option<Headers>,
    }
}

message! {
    /// Istio's `Delegate`.
    pub struct Delegate {
        /// Name of the VirtualService.
        pub name: String,
        /// Its namespace.
        pub namespace: String,
    }
}

message! {
    /// Istio's `Headers`.
    pub struct Headers {
        /// Before the request is sent on.
        pub request: Option<HeaderOperations>,
        /// Before the response is sent back.
        pub response: Option<HeaderOperations>,
    }
}

message! {
    /// Istio's `Headers.HeaderOperations`.
    #[serde(rename = "Headers.HeaderOperations")]
    pub struct HeaderOperations {
        /// Overwrites.
        pub set: BTreeMap<String, String>,
        /// Appends.
        pub add: BTreeMap<String, String>,
        /// Removes.
        pub remove: Vec<String>,
    }
}

message! {
    /// Istio's `TLSRoute`.
    #[serde(rename = "TLSRoute")]
    pub struct TlsRoute {
        /// When it applies.
        pub r#match: Vec<TlsMatchAttributes>,
        /// Where connections go, by weight.
        pub route: Vec<RouteDestination>,
    }
}

message! {
    /// Istio's `TCPRoute`.
    #[serde(rename = "TCPRoute")]
    pub struct TcpRoute {
        /// When it applies: one of these; always if empty.
        pub r#match: Vec<L4MatchAttributes>,
        /// Where connections go, by weight.
        pub route: Vec<RouteDestination>,
    }
}

message! {
    /// Istio's `HTTPMatchRequest`.
    #[serde(rename = "HTTPMatchRequest")]
    pub struct HttpMatchRequest {
        /// Name, for logs.
        pub name: String,
        /// Path, without the query.
        pub uri: Option<StringMatch>,
        /// Scheme.
        pub scheme: Option<StringMatch>,
        /// Method.
        pub method: Option<StringMatch>,
        /// Authority.
        pub authority: Option<StringMatch>,
        /// Headers; an empty match means presence.
        pub headers: BTreeMap<String, StringMatch>,
        /// Port that is called.
        pub port: u32,
        /// Labels that the client's workload must carry.
        pub source_labels: BTreeMap<String, String>,
        /// Gateways it applies to; `mesh` stands for all sidecars.
        pub gateways: Vec<String>,
        /// Parameters of the query.
        pub query_params: BTreeMap<String, StringMatch>,
        /// Compares exact and prefix matches of the path without case.
        pub ignore_uri_case: bool,
        /// Headers that must not match.
        pub without_headers: BTreeMap<String, StringMatch>,
        /// Namespace of the client.
        pub source_namespace: String,
        /// Name of statistics of the route.
        pub stat_prefix: String,
    }
}

message! {
    /// Istio's `HTTPRouteDestination`.
    #[serde(rename = "HTTPRouteDestination")]
    pub struct HttpRouteDestination {
        /// Where the requests go.
        pub destination: Option<Destination>,
        /// Share of the requests, relative to the other destinations.
        pub weight: i32,
        /// Changes of headers for this destination.
        pub headers: Option<Headers>,
    }
}

message! {
    /// Istio's `RouteDestination`.
    pub struct RouteDestination {
        /// Where the requests go.
        pub destination: Option<Destination>,
        /// Share of the requests, relative to the other destinations.
        pub weight: i32,
    }
}

message! {
    /// Istio's `L4MatchAttributes`.
    pub struct L4MatchAttributes {
        /// Addresses or blocks that the client connects to.
        pub destination_subnets: Vec<String>,
        /// Port that is called.
        pub port: u32,
        /// Nothing reads it.
        pub source_subnet: String,
        /// Labels that the client's workload must carry.
        pub source_labels: BTreeMap<String, String>,
        /// Gateways it applies to; `mesh` stands for all sidecars.
        pub gateways: Vec<String>,
        /// Namespace of the client.
        pub source_namespace: String,
    }
}

message! {
    /// Istio's `TLSMatchAttributes`.
    #[serde(rename = "TLSMatchAttributes")]
    pub struct TlsMatchAttributes {
        /// Server names; may begin with `*`.
        pub sni_hosts: Vec<String>,
        /// Addresses or blocks that the client connects to.
        pub destination_subnets: Vec<String>,
        /// Port that is called.
        pub port: u32,
        /// Labels that the client's workload must carry.
        pub source_labels: BTreeMap<String, String>,
        /// Gateways it applies to; `mesh` stands for all sidecars.
        pub gateways: Vec<String>,
        /// Namespace of the client.
        pub source_namespace: String,
    }
}

message! {
    /// Istio's `HTTPRedirect`.
    #[serde(rename = "HTTPRedirect")]
    pub struct HttpRedirect {
        /// New path; replaces the whole.
        pub uri: String,
        /// New authority.
        pub authority: String,
        /// New port.
        pub port: Option<u32>,
        /// Where the new port comes from.
        pub derive_port: Option<RedirectPortSelection>,
        /// New scheme.
        pub scheme: String,
        /// Status; 301 where absent.
        pub redirect_code: u32,
        /// Replaces the matched prefix.
        pub prefix_rewrite: String,
    }
}

choice! {
    /// Istio's `HTTPRedirect.RedirectPortSelection`.
    pub enum RedirectPortSelection {
        /// `FROM_PROTOCOL_DEFAULT`.
        FromProtocolDefault = "FROM_PROTOCOL_DEFAULT",
        /// `FROM_REQUEST_PORT`.
        FromRequestPort = "FROM_REQUEST_PORT",
    }
}

message! {
    /// Istio's `HTTPDirectResponse`.
    #[serde(rename = "HTTPDirectResponse")]
    pub struct HttpDirectResponse {
        /// Status.
        pub status: u32,
        /// Body.
        pub body: Option<HttpBody>,
    }
}

message! {
    /// Istio's `HTTPBody`.
    #[serde(rename = "HTTPBody")]
    pub struct HttpBody {
        /// As text.
        pub string: Option<String>,
        /// As base64.
        pub bytes: Option<ByteString>,
    }
}

message! {
    /// Istio's `HTTPRewrite`.
    #[serde(rename = "HTTPRewrite")]
    pub struct HttpRewrite {
        /// New path, or new prefix where a prefix matched.
        pub uri: String,
        /// New authority.
        pub authority: String,
        /// Rewrites by a regular expression.
        pub uri_regex_rewrite: Option<RegexRewrite>,
    }
}

message! {
    /// Istio's `RegexRewrite`.
    pub struct RegexRewrite {
        /// The expression (RE2).
        pub r#match: String,
        /// The replacement, with `\1` for groups.
        pub rewrite: String,
    }
}

message! {
    /// Istio's `StringMatch`.
    pub struct StringMatch {
        /// The whole text.
        pub exact: Option<String>,
        /// Its beginning.
        pub prefix: Option<String>,
        /// A regular expression (RE2) for the whole text.
        pub regex: Option<String>,
    }
}

message! {
    /// Istio's `HTTPRetry`.
    #[serde(rename = "HTTPRetry")]
    pub struct HttpRetry {
        /// Most repetitions; 0 turns retries off.
        pub attempts: i32,
        /// How long each try may take.
        pub per_try_timeout: Option<Duration>,
        /// Conditions and statuses, separated by commas.
        pub retry_on: String,
        /// Whether other localities are tried.
        pub retry_remote_localities: Option<bool>,
        /// Whether endpoints that failed are avoided.
        pub retry_ignore_previous_hosts: Option<bool>,
        /// Least pause between tries; 25 ms.
        pub backoff: Option<Duration>,
    }
}

message! {
    /// Istio's `CorsPolicy`.
    pub struct CorsPolicy {
        /// Deprecated; see `allow_origins`.
        pub allow_origin: Vec<String>,
        /// Allowed origins.
        pub allow_origins: Vec<StringMatch>,
        /// Allowed methods.
        pub allow_methods: Vec<String>,
        /// Allowed headers.
        pub allow_headers: Vec<String>,
        /// Headers that scripts may read.
        pub expose_headers: Vec<String>,
        /// How long a preflight may be cached.
        pub max_age: Option<Duration>,
        /// Whether credentials may be sent.
        pub allow_credentials: Option<bool>,
        /// What becomes of preflights of other origins.
        pub unmatched_preflights: UnmatchedPreflights,
    }
}

choice! {
    /// Istio's `CorsPolicy.UnmatchedPreflights`.
    pub enum UnmatchedPreflights {
        /// `UNSPECIFIED`.
        Unspecified = "UNSPECIFIED",
        /// `FORWARD`.
        Forward = "FORWARD",
        /// `IGNORE`.
        Ignore = "IGNORE",
    }
}

message! {
    /// Istio's `HTTPFaultInjection`.
    #[serde(rename = "HTTPFaultInjection")]
    pub struct HttpFaultInjection {
        /// Delays.
        pub delay: Option<FaultDelay>,
        /// Errors.
        pub abort: Option<FaultAbort>,
    }
}

message! {
    /// Istio's `HTTPFaultInjection.Delay`.
    #[serde(rename = "HTTPFaultInjection.Delay")]
    pub struct FaultDelay {
        /// Deprecated; see `percentage`.
        pub percent: i32,
        /// Delay of each request that is chosen.
        pub fixed_delay: Option<Duration>,
        /// Not supported by Istio.
        pub exponential_delay: Option<Duration>,
        /// Share of the requests, in percent.
        pub percentage: Option<Percent>,
    }
}

message! {
    /// Istio's `HTTPFaultInjection.Abort`.
    #[serde(rename = "HTTPFaultInjection.Abort")]
    pub struct FaultAbort {
        /// HTTP status.
        pub http_status: Option<i32>,
        /// gRPC status, by name.
        pub grpc_status: Option<String>,
        /// Not supported by Istio.
        pub http2_error: Option<String>,
        /// Share of the requests, in percent.
        pub percentage: Option<Percent>,
    }
}

message! {
    /// Istio's `HTTPMirrorPolicy`.
    #[serde(rename = "HTTPMirrorPolicy")]
    pub struct HttpMirrorPolicy {
        /// Where the copies go.
        pub destination: Option<Destination>,
        /// Share of the requests; all where absent.
        pub percentage: Option<Percent>,
    }
}

message! {
    /// Istio's `PortSelector`.
    pub struct PortSelector {
        /// The port's number.
        pub number: u32,
    }
}

message! {
    /// Istio's `Percent`.
    pub struct Percent {
        /// The value.
        pub value: f64,
    }
}
