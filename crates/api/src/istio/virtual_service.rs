//! VirtualService: how requests to a host are routed.

use std::collections::BTreeMap;

use super::macros::choice;
use super::macros::message;
use crate::Duration;
use k8s_openapi::ByteString;

message! {
    /// `VirtualService`.
    pub struct VirtualService {
        /// TODO-DOC VirtualService.hosts
        pub hosts: Vec<String>,
        /// TODO-DOC VirtualService.gateways
        pub gateways: Vec<String>,
        /// TODO-DOC VirtualService.http
        pub http: Vec<HttpRoute>,
        /// TODO-DOC VirtualService.tls
        pub tls: Vec<TlsRoute>,
        /// TODO-DOC VirtualService.tcp
        pub tcp: Vec<TcpRoute>,
        /// TODO-DOC VirtualService.export_to
        pub export_to: Vec<String>,
    }
}

message! {
    /// `Destination`.
    pub struct Destination {
        /// TODO-DOC Destination.host
        pub host: String,
        /// TODO-DOC Destination.subset
        pub subset: String,
        /// TODO-DOC Destination.port
        pub port: Option<PortSelector>,
    }
}

message! {
    /// `HTTPRoute`.
    pub struct HttpRoute {
        /// TODO-DOC HTTPRoute.name
        pub name: String,
        /// TODO-DOC HTTPRoute.match
        pub r#match: Vec<HttpMatchRequest>,
        /// TODO-DOC HTTPRoute.route
        pub route: Vec<HttpRouteDestination>,
        /// TODO-DOC HTTPRoute.redirect
        pub redirect: Option<HttpRedirect>,
        /// TODO-DOC HTTPRoute.direct_response
        pub direct_response: Option<HttpDirectResponse>,
        /// TODO-DOC HTTPRoute.delegate
        pub delegate: Option<Delegate>,
        /// TODO-DOC HTTPRoute.rewrite
        pub rewrite: Option<HttpRewrite>,
        /// TODO-DOC HTTPRoute.timeout
        pub timeout: Option<Duration>,
        /// TODO-DOC HTTPRoute.retries
        pub retries: Option<HttpRetry>,
        /// TODO-DOC HTTPRoute.fault
        pub fault: Option<HttpFaultInjection>,
        /// TODO-DOC HTTPRoute.mirror
        pub mirror: Option<Destination>,
        /// TODO-DOC HTTPRoute.mirrors
        pub mirrors: Vec<HttpMirrorPolicy>,
        /// TODO-DOC HTTPRoute.mirror_percent
        pub mirror_percent: Option<u32>,
        /// TODO-DOC HTTPRoute.mirror_percentage
        pub mirror_percentage: Option<Percent>,
        /// TODO-DOC HTTPRoute.cors_policy
        pub cors_policy: Option<CorsPolicy>,
        /// TODO-DOC HTTPRoute.headers
        pub headers: Option<Headers>,
    }
}

message! {
    /// `Delegate`.
    pub struct Delegate {
        /// TODO-DOC Delegate.name
        pub name: String,
        /// TODO-DOC Delegate.namespace
        pub namespace: String,
    }
}

message! {
    /// `Headers`.
    pub struct Headers {
        /// TODO-DOC Headers.request
        pub request: Option<HeaderOperations>,
        /// TODO-DOC Headers.response
        pub response: Option<HeaderOperations>,
    }
}

message! {
    /// `Headers.HeaderOperations`.
    pub struct HeaderOperations {
        /// TODO-DOC HeaderOperations.set
        pub set: BTreeMap<String, String>,
        /// TODO-DOC HeaderOperations.add
        pub add: BTreeMap<String, String>,
        /// TODO-DOC HeaderOperations.remove
        pub remove: Vec<String>,
    }
}

message! {
    /// `TLSRoute`.
    pub struct TlsRoute {
        /// TODO-DOC TLSRoute.match
        pub r#match: Vec<TlsMatchAttributes>,
        /// TODO-DOC TLSRoute.route
        pub route: Vec<RouteDestination>,
    }
}

message! {
    /// `TCPRoute`.
    pub struct TcpRoute {
        /// TODO-DOC TCPRoute.match
        pub r#match: Vec<L4MatchAttributes>,
        /// TODO-DOC TCPRoute.route
        pub route: Vec<RouteDestination>,
    }
}

message! {
    /// `HTTPMatchRequest`.
    pub struct HttpMatchRequest {
        /// TODO-DOC HTTPMatchRequest.name
        pub name: String,
        /// TODO-DOC HTTPMatchRequest.uri
        pub uri: Option<StringMatch>,
        /// TODO-DOC HTTPMatchRequest.scheme
        pub scheme: Option<StringMatch>,
        /// TODO-DOC HTTPMatchRequest.method
        pub method: Option<StringMatch>,
        /// TODO-DOC HTTPMatchRequest.authority
        pub authority: Option<StringMatch>,
        /// TODO-DOC HTTPMatchRequest.headers
        pub headers: BTreeMap<String, StringMatch>,
        /// TODO-DOC HTTPMatchRequest.port
        pub port: u32,
        /// TODO-DOC HTTPMatchRequest.source_labels
        pub source_labels: BTreeMap<String, String>,
        /// TODO-DOC HTTPMatchRequest.gateways
        pub gateways: Vec<String>,
        /// TODO-DOC HTTPMatchRequest.query_params
        pub query_params: BTreeMap<String, StringMatch>,
        /// TODO-DOC HTTPMatchRequest.ignore_uri_case
        pub ignore_uri_case: bool,
        /// TODO-DOC HTTPMatchRequest.without_headers
        pub without_headers: BTreeMap<String, StringMatch>,
        /// TODO-DOC HTTPMatchRequest.source_namespace
        pub source_namespace: String,
        /// TODO-DOC HTTPMatchRequest.stat_prefix
        pub stat_prefix: String,
    }
}

message! {
    /// `HTTPRouteDestination`.
    pub struct HttpRouteDestination {
        /// TODO-DOC HTTPRouteDestination.destination
        pub destination: Option<Destination>,
        /// TODO-DOC HTTPRouteDestination.weight
        pub weight: i32,
        /// TODO-DOC HTTPRouteDestination.headers
        pub headers: Option<Headers>,
    }
}

message! {
    /// `RouteDestination`.
    pub struct RouteDestination {
        /// TODO-DOC RouteDestination.destination
        pub destination: Option<Destination>,
        /// TODO-DOC RouteDestination.weight
        pub weight: i32,
    }
}

message! {
    /// `L4MatchAttributes`.
    pub struct L4MatchAttributes {
        /// TODO-DOC L4MatchAttributes.destination_subnets
        pub destination_subnets: Vec<String>,
        /// TODO-DOC L4MatchAttributes.port
        pub port: u32,
        /// TODO-DOC L4MatchAttributes.source_subnet
        pub source_subnet: String,
        /// TODO-DOC L4MatchAttributes.source_labels
        pub source_labels: BTreeMap<String, String>,
        /// TODO-DOC L4MatchAttributes.gateways
        pub gateways: Vec<String>,
        /// TODO-DOC L4MatchAttributes.source_namespace
        pub source_namespace: String,
    }
}

message! {
    /// `TLSMatchAttributes`.
    pub struct TlsMatchAttributes {
        /// TODO-DOC TLSMatchAttributes.sni_hosts
        pub sni_hosts: Vec<String>,
        /// TODO-DOC TLSMatchAttributes.destination_subnets
        pub destination_subnets: Vec<String>,
        /// TODO-DOC TLSMatchAttributes.port
        pub port: u32,
        /// TODO-DOC TLSMatchAttributes.source_labels
        pub source_labels: BTreeMap<String, String>,
        /// TODO-DOC TLSMatchAttributes.gateways
        pub gateways: Vec<String>,
        /// TODO-DOC TLSMatchAttributes.source_namespace
        pub source_namespace: String,
    }
}

message! {
    /// `HTTPRedirect`.
    pub struct HttpRedirect {
        /// TODO-DOC HTTPRedirect.uri
        pub uri: String,
        /// TODO-DOC HTTPRedirect.authority
        pub authority: String,
        /// TODO-DOC HTTPRedirect.port
        pub port: Option<u32>,
        /// TODO-DOC HTTPRedirect.derive_port
        pub derive_port: Option<RedirectPortSelection>,
        /// TODO-DOC HTTPRedirect.scheme
        pub scheme: String,
        /// TODO-DOC HTTPRedirect.redirect_code
        pub redirect_code: u32,
        /// TODO-DOC HTTPRedirect.prefix_rewrite
        pub prefix_rewrite: String,
    }
}

choice! {
    /// `HTTPRedirect.RedirectPortSelection`.
    pub enum RedirectPortSelection {
        /// `FROM_PROTOCOL_DEFAULT`.
        FromProtocolDefault = "FROM_PROTOCOL_DEFAULT",
        /// `FROM_REQUEST_PORT`.
        FromRequestPort = "FROM_REQUEST_PORT",
    }
}

message! {
    /// `HTTPDirectResponse`.
    pub struct HttpDirectResponse {
        /// TODO-DOC HTTPDirectResponse.status
        pub status: u32,
        /// TODO-DOC HTTPDirectResponse.body
        pub body: Option<HttpBody>,
    }
}

message! {
    /// `HTTPBody`.
    pub struct HttpBody {
        /// TODO-DOC HTTPBody.string
        pub string: Option<String>,
        /// TODO-DOC HTTPBody.bytes
        pub bytes: Option<ByteString>,
    }
}

message! {
    /// `HTTPRewrite`.
    pub struct HttpRewrite {
        /// TODO-DOC HTTPRewrite.uri
        pub uri: String,
        /// TODO-DOC HTTPRewrite.authority
        pub authority: String,
        /// TODO-DOC HTTPRewrite.uri_regex_rewrite
        pub uri_regex_rewrite: Option<RegexRewrite>,
    }
}

message! {
    /// `RegexRewrite`.
    pub struct RegexRewrite {
        /// TODO-DOC RegexRewrite.match
        pub r#match: String,
        /// TODO-DOC RegexRewrite.rewrite
        pub rewrite: String,
    }
}

message! {
    /// `StringMatch`.
    pub struct StringMatch {
        /// TODO-DOC StringMatch.exact
        pub exact: Option<String>,
        /// TODO-DOC StringMatch.prefix
        pub prefix: Option<String>,
        /// TODO-DOC StringMatch.regex
        pub regex: Option<String>,
    }
}

message! {
    /// `HTTPRetry`.
    pub struct HttpRetry {
        /// TODO-DOC HTTPRetry.attempts
        pub attempts: i32,
        /// TODO-DOC HTTPRetry.per_try_timeout
        pub per_try_timeout: Option<Duration>,
        /// TODO-DOC HTTPRetry.retry_on
        pub retry_on: String,
        /// TODO-DOC HTTPRetry.retry_remote_localities
        pub retry_remote_localities: Option<bool>,
        /// TODO-DOC HTTPRetry.retry_ignore_previous_hosts
        pub retry_ignore_previous_hosts: Option<bool>,
        /// TODO-DOC HTTPRetry.backoff
        pub backoff: Option<Duration>,
    }
}

message! {
    /// `CorsPolicy`.
    pub struct CorsPolicy {
        /// TODO-DOC CorsPolicy.allow_origin
        pub allow_origin: Vec<String>,
        /// TODO-DOC CorsPolicy.allow_origins
        pub allow_origins: Vec<StringMatch>,
        /// TODO-DOC CorsPolicy.allow_methods
        pub allow_methods: Vec<String>,
        /// TODO-DOC CorsPolicy.allow_headers
        pub allow_headers: Vec<String>,
        /// TODO-DOC CorsPolicy.expose_headers
        pub expose_headers: Vec<String>,
        /// TODO-DOC CorsPolicy.max_age
        pub max_age: Option<Duration>,
        /// TODO-DOC CorsPolicy.allow_credentials
        pub allow_credentials: Option<bool>,
        /// TODO-DOC CorsPolicy.unmatched_preflights
        pub unmatched_preflights: UnmatchedPreflights,
    }
}

choice! {
    /// `CorsPolicy.UnmatchedPreflights`.
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
    /// `HTTPFaultInjection`.
    pub struct HttpFaultInjection {
        /// TODO-DOC HTTPFaultInjection.delay
        pub delay: Option<FaultDelay>,
        /// TODO-DOC HTTPFaultInjection.abort
        pub abort: Option<FaultAbort>,
    }
}

message! {
    /// `HTTPFaultInjection.Delay`.
    pub struct FaultDelay {
        /// TODO-DOC Delay.percent
        pub percent: i32,
        /// TODO-DOC Delay.fixed_delay
        pub fixed_delay: Option<Duration>,
        /// TODO-DOC Delay.exponential_delay
        pub exponential_delay: Option<Duration>,
        /// TODO-DOC Delay.percentage
        pub percentage: Option<Percent>,
    }
}

message! {
    /// `HTTPFaultInjection.Abort`.
    pub struct FaultAbort {
        /// TODO-DOC Abort.http_status
        pub http_status: Option<i32>,
        /// TODO-DOC Abort.grpc_status
        pub grpc_status: Option<String>,
        /// TODO-DOC Abort.http2_error
        pub http2_error: Option<String>,
        /// TODO-DOC Abort.percentage
        pub percentage: Option<Percent>,
    }
}

message! {
    /// `HTTPMirrorPolicy`.
    pub struct HttpMirrorPolicy {
        /// TODO-DOC HTTPMirrorPolicy.destination
        pub destination: Option<Destination>,
        /// TODO-DOC HTTPMirrorPolicy.percentage
        pub percentage: Option<Percent>,
    }
}

message! {
    /// `PortSelector`.
    pub struct PortSelector {
        /// TODO-DOC PortSelector.number
        pub number: u32,
    }
}

message! {
    /// `Percent`.
    pub struct Percent {
        /// TODO-DOC Percent.value
        pub value: f64,
    }
}
