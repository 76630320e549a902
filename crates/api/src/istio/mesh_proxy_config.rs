//! The proxy settings of MeshConfig (`defaultConfig`) and of the `proxy.istio.io/config` annotation.

use std::collections::BTreeMap;

use super::Sensitive;
use super::destination_rule::{ClientTlsSettings, TcpKeepalive};
use super::macros::choice;
use super::macros::message;
use super::proxy_config::ProxyImage;
use super::workload_group::ReadinessProbe;
use crate::Duration;

choice! {
    /// `AuthenticationPolicy`.
    pub enum AuthenticationPolicy {
        /// `NONE`.
        None = "NONE",
        /// `MUTUAL_TLS`.
        MutualTls = "MUTUAL_TLS",
        /// `INHERIT`.
        Inherit = "INHERIT",
    }
}

choice! {
    /// `ForwardClientCertDetails`.
    pub enum ForwardClientCertDetails {
        /// `UNDEFINED`.
        Undefined = "UNDEFINED",
        /// `SANITIZE`.
        Sanitize = "SANITIZE",
        /// `FORWARD_ONLY`.
        ForwardOnly = "FORWARD_ONLY",
        /// `APPEND_FORWARD`.
        AppendForward = "APPEND_FORWARD",
        /// `SANITIZE_SET`.
        SanitizeSet = "SANITIZE_SET",
        /// `ALWAYS_FORWARD_ONLY`.
        AlwaysForwardOnly = "ALWAYS_FORWARD_ONLY",
    }
}

message! {
    /// `Tracing`.
    pub struct Tracing {
        /// TODO-DOC Tracing.zipkin
        pub zipkin: Option<TracingZipkin>,
        /// TODO-DOC Tracing.lightstep
        pub lightstep: Option<TracingLightstep>,
        /// TODO-DOC Tracing.datadog
        pub datadog: Option<TracingDatadog>,
        /// TODO-DOC Tracing.stackdriver
        pub stackdriver: Option<TracingStackdriver>,
        /// TODO-DOC Tracing.open_census_agent
        pub open_census_agent: Option<TracingOpenCensusAgent>,
        /// TODO-DOC Tracing.custom_tags
        pub custom_tags: BTreeMap<String, TracingCustomTag>,
        /// TODO-DOC Tracing.max_path_tag_length
        pub max_path_tag_length: u32,
        /// TODO-DOC Tracing.sampling
        pub sampling: f64,
        /// TODO-DOC Tracing.tls_settings
        pub tls_settings: Option<ClientTlsSettings>,
        /// TODO-DOC Tracing.enable_istio_tags
        pub enable_istio_tags: Option<bool>,
    }
}

message! {
    /// `Tracing.Zipkin`.
    pub struct TracingZipkin {
        /// TODO-DOC Zipkin.address
        pub address: String,
    }
}

message! {
    /// `Tracing.Lightstep`.
    pub struct TracingLightstep {
        /// TODO-DOC Lightstep.address
        pub address: String,
        /// TODO-DOC Lightstep.access_token
        pub access_token: Sensitive,
    }
}

message! {
    /// `Tracing.Datadog`.
    pub struct TracingDatadog {
        /// TODO-DOC Datadog.address
        pub address: String,
    }
}

message! {
    /// `Tracing.Stackdriver`.
    pub struct TracingStackdriver {
        /// TODO-DOC Stackdriver.debug
        pub debug: bool,
        /// TODO-DOC Stackdriver.max_number_of_attributes
        pub max_number_of_attributes: Option<i64>,
        /// TODO-DOC Stackdriver.max_number_of_annotations
        pub max_number_of_annotations: Option<i64>,
        /// TODO-DOC Stackdriver.max_number_of_message_events
        pub max_number_of_message_events: Option<i64>,
    }
}

message! {
    /// `Tracing.OpenCensusAgent`.
    pub struct TracingOpenCensusAgent {
        /// TODO-DOC OpenCensusAgent.address
        pub address: String,
        /// TODO-DOC OpenCensusAgent.context
        pub context: Vec<OpenCensusAgentTraceContext>,
    }
}

choice! {
    /// `Tracing.OpenCensusAgent.TraceContext`.
    pub enum OpenCensusAgentTraceContext {
        /// `UNSPECIFIED`.
        Unspecified = "UNSPECIFIED",
        /// `W3C_TRACE_CONTEXT`.
        W3cTraceContext = "W3C_TRACE_CONTEXT",
        /// `GRPC_BIN`.
        GrpcBin = "GRPC_BIN",
        /// `CLOUD_TRACE_CONTEXT`.
        CloudTraceContext = "CLOUD_TRACE_CONTEXT",
        /// `B3`.
        B3 = "B3",
    }
}

message! {
    /// `Tracing.CustomTag`.
    pub struct TracingCustomTag {
        /// TODO-DOC CustomTag.literal
        pub literal: Option<TracingLiteral>,
        /// TODO-DOC CustomTag.environment
        pub environment: Option<TracingEnvironment>,
        /// TODO-DOC CustomTag.header
        pub header: Option<TracingRequestHeader>,
    }
}

message! {
    /// `Tracing.Literal`.
    pub struct TracingLiteral {
        /// TODO-DOC Literal.value
        pub value: String,
    }
}

message! {
    /// `Tracing.Environment`.
    pub struct TracingEnvironment {
        /// TODO-DOC Environment.name
        pub name: String,
        /// TODO-DOC Environment.default_value
        pub default_value: String,
    }
}

message! {
    /// `Tracing.RequestHeader`.
    pub struct TracingRequestHeader {
        /// TODO-DOC RequestHeader.name
        pub name: String,
        /// TODO-DOC RequestHeader.default_value
        pub default_value: String,
    }
}

message! {
    /// `SDS`.
    pub struct Sds {
        /// TODO-DOC SDS.enabled
        pub enabled: bool,
        /// TODO-DOC SDS.k8s_sa_jwt_path
        pub k8s_sa_jwt_path: String,
    }
}

message! {
    /// `Topology`.
    pub struct Topology {
        /// TODO-DOC Topology.num_trusted_proxies
        pub num_trusted_proxies: u32,
        /// TODO-DOC Topology.forward_client_cert_details
        pub forward_client_cert_details: ForwardClientCertDetails,
        /// TODO-DOC Topology.proxy_protocol
        pub proxy_protocol: Option<TopologyProxyProtocolConfiguration>,
    }
}

message! {
    /// `Topology.ProxyProtocolConfiguration`.
    pub struct TopologyProxyProtocolConfiguration {
    }
}

message! {
    /// `PrivateKeyProvider`.
    pub struct PrivateKeyProvider {
        /// TODO-DOC PrivateKeyProvider.cryptomb
        pub cryptomb: Option<PrivateKeyProviderCryptoMb>,
        /// TODO-DOC PrivateKeyProvider.qat
        pub qat: Option<PrivateKeyProviderQat>,
    }
}

message! {
    /// `PrivateKeyProvider.CryptoMb`.
    pub struct PrivateKeyProviderCryptoMb {
        /// TODO-DOC CryptoMb.poll_delay
        pub poll_delay: Option<Duration>,
        /// TODO-DOC CryptoMb.fallback
        pub fallback: Option<bool>,
    }
}

message! {
    /// `PrivateKeyProvider.QAT`.
    pub struct PrivateKeyProviderQat {
        /// TODO-DOC QAT.poll_delay
        pub poll_delay: Option<Duration>,
        /// TODO-DOC QAT.fallback
        pub fallback: Option<bool>,
    }
}

message! {
    /// `ProxyConfig`.
    pub struct ProxyConfig {
        /// TODO-DOC ProxyConfig.config_path
        pub config_path: String,
        /// TODO-DOC ProxyConfig.binary_path
        pub binary_path: String,
        /// TODO-DOC ProxyConfig.service_cluster
        pub service_cluster: Option<String>,
        /// TODO-DOC ProxyConfig.tracing_service_name
        pub tracing_service_name: Option<TracingServiceName>,
        /// TODO-DOC ProxyConfig.drain_duration
        pub drain_duration: Option<Duration>,
        /// TODO-DOC ProxyConfig.discovery_address
        pub discovery_address: String,
        /// TODO-DOC ProxyConfig.discovery_refresh_delay
        pub discovery_refresh_delay: Option<Duration>,
        /// TODO-DOC ProxyConfig.zipkin_address
        pub zipkin_address: String,
        /// TODO-DOC ProxyConfig.statsd_udp_address
        pub statsd_udp_address: String,
        /// TODO-DOC ProxyConfig.envoy_metrics_service_address
        pub envoy_metrics_service_address: String,
        /// TODO-DOC ProxyConfig.proxy_admin_port
        pub proxy_admin_port: i32,
        /// TODO-DOC ProxyConfig.availability_zone
        pub availability_zone: String,
        /// TODO-DOC ProxyConfig.control_plane_auth_policy
        pub control_plane_auth_policy: AuthenticationPolicy,
        /// TODO-DOC ProxyConfig.custom_config_file
        pub custom_config_file: String,
        /// TODO-DOC ProxyConfig.stat_name_length
        pub stat_name_length: i32,
        /// TODO-DOC ProxyConfig.concurrency
        pub concurrency: Option<i32>,
        /// TODO-DOC ProxyConfig.proxy_bootstrap_template_path
        pub proxy_bootstrap_template_path: String,
        /// TODO-DOC ProxyConfig.interception_mode
        pub interception_mode: InboundInterceptionMode,
        /// TODO-DOC ProxyConfig.tracing
        pub tracing: Option<Tracing>,
        /// TODO-DOC ProxyConfig.sds
        pub sds: Option<Sds>,
        /// TODO-DOC ProxyConfig.envoy_access_log_service
        pub envoy_access_log_service: Option<RemoteService>,
        /// TODO-DOC ProxyConfig.envoy_metrics_service
        pub envoy_metrics_service: Option<RemoteService>,
        /// TODO-DOC ProxyConfig.proxy_metadata
        pub proxy_metadata: BTreeMap<String, String>,
        /// TODO-DOC ProxyConfig.runtime_values
        pub runtime_values: BTreeMap<String, String>,
        /// TODO-DOC ProxyConfig.status_port
        pub status_port: i32,
        /// TODO-DOC ProxyConfig.extra_stat_tags
        pub extra_stat_tags: Vec<String>,
        /// TODO-DOC ProxyConfig.gateway_topology
        pub gateway_topology: Option<Topology>,
        /// TODO-DOC ProxyConfig.termination_drain_duration
        pub termination_drain_duration: Option<Duration>,
        /// TODO-DOC ProxyConfig.mesh_id
        pub mesh_id: String,
        /// TODO-DOC ProxyConfig.readiness_probe
        pub readiness_probe: Option<ReadinessProbe>,
        /// TODO-DOC ProxyConfig.proxy_stats_matcher
        pub proxy_stats_matcher: Option<ProxyStatsMatcher>,
        /// TODO-DOC ProxyConfig.hold_application_until_proxy_starts
        pub hold_application_until_proxy_starts: Option<bool>,
        /// TODO-DOC ProxyConfig.ca_certificates_pem
        pub ca_certificates_pem: Vec<String>,
        /// TODO-DOC ProxyConfig.image
        pub image: Option<ProxyImage>,
        /// TODO-DOC ProxyConfig.private_key_provider
        pub private_key_provider: Option<PrivateKeyProvider>,
        /// TODO-DOC ProxyConfig.proxy_headers
        pub proxy_headers: Option<ProxyHeaders>,
        /// TODO-DOC ProxyConfig.file_flush_interval
        pub file_flush_interval: Option<Duration>,
        /// TODO-DOC ProxyConfig.file_flush_min_size_kb
        pub file_flush_min_size_kb: u32,
        /// TODO-DOC ProxyConfig.stats_compression
        pub stats_compression: Option<bool>,
        /// TODO-DOC ProxyConfig.connection_settings
        pub connection_settings: Option<ConnectionSettings>,
    }
}

choice! {
    /// `ProxyConfig.TracingServiceName`.
    pub enum TracingServiceName {
        /// `APP_LABEL_AND_NAMESPACE`.
        AppLabelAndNamespace = "APP_LABEL_AND_NAMESPACE",
        /// `CANONICAL_NAME_ONLY`.
        CanonicalNameOnly = "CANONICAL_NAME_ONLY",
        /// `CANONICAL_NAME_AND_NAMESPACE`.
        CanonicalNameAndNamespace = "CANONICAL_NAME_AND_NAMESPACE",
    }
}

choice! {
    /// `ProxyConfig.InboundInterceptionMode`.
    pub enum InboundInterceptionMode {
        /// `REDIRECT`.
        Redirect = "REDIRECT",
        /// `TPROXY`.
        Tproxy = "TPROXY",
        /// `NONE`.
        None = "NONE",
    }
}

message! {
    /// `ProxyConfig.ProxyStatsMatcher`.
    pub struct ProxyStatsMatcher {
        /// TODO-DOC ProxyStatsMatcher.inclusion_prefixes
        pub inclusion_prefixes: Vec<String>,
        /// TODO-DOC ProxyStatsMatcher.inclusion_suffixes
        pub inclusion_suffixes: Vec<String>,
        /// TODO-DOC ProxyStatsMatcher.inclusion_regexps
        pub inclusion_regexps: Vec<String>,
    }
}

message! {
    /// `ProxyConfig.ProxyHeaders`.
    pub struct ProxyHeaders {
        /// TODO-DOC ProxyHeaders.forwarded_client_cert
        pub forwarded_client_cert: ForwardClientCertDetails,
        /// TODO-DOC ProxyHeaders.set_current_client_cert_details
        pub set_current_client_cert_details: Option<SetCurrentClientCertDetails>,
        /// TODO-DOC ProxyHeaders.request_id
        pub request_id: Option<ProxyHeadersRequestId>,
        /// TODO-DOC ProxyHeaders.server
        pub server: Option<ProxyHeadersServer>,
        /// TODO-DOC ProxyHeaders.attempt_count
        pub attempt_count: Option<ProxyHeadersAttemptCount>,
        /// TODO-DOC ProxyHeaders.envoy_debug_headers
        pub envoy_debug_headers: Option<EnvoyDebugHeaders>,
        /// TODO-DOC ProxyHeaders.metadata_exchange_headers
        pub metadata_exchange_headers: Option<MetadataExchangeHeaders>,
        /// TODO-DOC ProxyHeaders.preserve_http1_header_case
        pub preserve_http1_header_case: Option<bool>,
        /// TODO-DOC ProxyHeaders.x_forwarded_host
        pub x_forwarded_host: Option<ProxyHeadersXForwardedHost>,
        /// TODO-DOC ProxyHeaders.x_forwarded_port
        pub x_forwarded_port: Option<ProxyHeadersXForwardedPort>,
    }
}

choice! {
    /// `ProxyConfig.ProxyHeaders.MetadataExchangeMode`.
    pub enum MetadataExchangeMode {
        /// `UNDEFINED`.
        Undefined = "UNDEFINED",
        /// `IN_MESH`.
        InMesh = "IN_MESH",
    }
}

message! {
    /// `ProxyConfig.ProxyHeaders.Server`.
    pub struct ProxyHeadersServer {
        /// TODO-DOC Server.disabled
        pub disabled: Option<bool>,
        /// TODO-DOC Server.value
        pub value: String,
    }
}

message! {
    /// `ProxyConfig.ProxyHeaders.RequestId`.
    pub struct ProxyHeadersRequestId {
        /// TODO-DOC RequestId.disabled
        pub disabled: Option<bool>,
    }
}

message! {
    /// `ProxyConfig.ProxyHeaders.AttemptCount`.
    pub struct ProxyHeadersAttemptCount {
        /// TODO-DOC AttemptCount.disabled
        pub disabled: Option<bool>,
    }
}

message! {
    /// `ProxyConfig.ProxyHeaders.XForwardedHost`.
    pub struct ProxyHeadersXForwardedHost {
        /// TODO-DOC XForwardedHost.enabled
        pub enabled: Option<bool>,
    }
}

message! {
    /// `ProxyConfig.ProxyHeaders.XForwardedPort`.
    pub struct ProxyHeadersXForwardedPort {
        /// TODO-DOC XForwardedPort.enabled
        pub enabled: Option<bool>,
    }
}

message! {
    /// `ProxyConfig.ProxyHeaders.EnvoyDebugHeaders`.
    pub struct EnvoyDebugHeaders {
        /// TODO-DOC EnvoyDebugHeaders.disabled
        pub disabled: Option<bool>,
    }
}

message! {
    /// `ProxyConfig.ProxyHeaders.MetadataExchangeHeaders`.
    pub struct MetadataExchangeHeaders {
        /// TODO-DOC MetadataExchangeHeaders.mode
        pub mode: MetadataExchangeMode,
    }
}

message! {
    /// `ProxyConfig.ProxyHeaders.SetCurrentClientCertDetails`.
    pub struct SetCurrentClientCertDetails {
        /// TODO-DOC SetCurrentClientCertDetails.subject
        pub subject: Option<bool>,
        /// TODO-DOC SetCurrentClientCertDetails.cert
        pub cert: Option<bool>,
        /// TODO-DOC SetCurrentClientCertDetails.chain
        pub chain: Option<bool>,
        /// TODO-DOC SetCurrentClientCertDetails.dns
        pub dns: Option<bool>,
        /// TODO-DOC SetCurrentClientCertDetails.uri
        pub uri: Option<bool>,
    }
}

message! {
    /// `ProxyConfig.ConnectionSettings`.
    pub struct ConnectionSettings {
        /// TODO-DOC ConnectionSettings.profile
        pub profile: ConnectionSettingsProfile,
        /// TODO-DOC ConnectionSettings.listener_per_connection_buffer_limit_bytes
        pub listener_per_connection_buffer_limit_bytes: Option<i32>,
        /// TODO-DOC ConnectionSettings.cluster_per_connection_buffer_limit_bytes
        pub cluster_per_connection_buffer_limit_bytes: Option<i32>,
        /// TODO-DOC ConnectionSettings.http_idle_timeout
        pub http_idle_timeout: Option<Duration>,
        /// TODO-DOC ConnectionSettings.http_max_connection_duration
        pub http_max_connection_duration: Option<Duration>,
        /// TODO-DOC ConnectionSettings.http_drain_timeout
        pub http_drain_timeout: Option<Duration>,
        /// TODO-DOC ConnectionSettings.http_request_timeout
        pub http_request_timeout: Option<Duration>,
        /// TODO-DOC ConnectionSettings.http_request_headers_timeout
        pub http_request_headers_timeout: Option<Duration>,
        /// TODO-DOC ConnectionSettings.http_stream_idle_timeout
        pub http_stream_idle_timeout: Option<Duration>,
        /// TODO-DOC ConnectionSettings.http_max_stream_duration
        pub http_max_stream_duration: Option<Duration>,
        /// TODO-DOC ConnectionSettings.http_max_concurrent_streams
        pub http_max_concurrent_streams: Option<i32>,
        /// TODO-DOC ConnectionSettings.http2_initial_stream_window_size
        pub http2_initial_stream_window_size: Option<i32>,
        /// TODO-DOC ConnectionSettings.http2_initial_connection_window_size
        pub http2_initial_connection_window_size: Option<i32>,
        /// TODO-DOC ConnectionSettings.http_headers_with_underscores_action
        pub http_headers_with_underscores_action: HeadersWithUnderscoresAction,
        /// TODO-DOC ConnectionSettings.http_merge_slashes
        pub http_merge_slashes: Option<bool>,
        /// TODO-DOC ConnectionSettings.http_path_with_escaped_slashes_action
        pub http_path_with_escaped_slashes_action: PathWithEscapedSlashesAction,
        /// TODO-DOC ConnectionSettings.listener_connection_limit
        pub listener_connection_limit: Option<i32>,
        /// TODO-DOC ConnectionSettings.global_downstream_connection_limit
        pub global_downstream_connection_limit: Option<i32>,
    }
}

choice! {
    /// `ProxyConfig.ConnectionSettings.Profile`.
    pub enum ConnectionSettingsProfile {
        /// `SIDECAR`.
        Sidecar = "SIDECAR",
        /// `EDGE`.
        Edge = "EDGE",
    }
}

choice! {
    /// `ProxyConfig.ConnectionSettings.HeadersWithUnderscoresAction`.
    pub enum HeadersWithUnderscoresAction {
        /// `HEADERS_WITH_UNDERSCORES_UNSPECIFIED`.
        Unspecified = "HEADERS_WITH_UNDERSCORES_UNSPECIFIED",
        /// `HEADERS_WITH_UNDERSCORES_ALLOW`.
        Allow = "HEADERS_WITH_UNDERSCORES_ALLOW",
        /// `HEADERS_WITH_UNDERSCORES_REJECT_REQUEST`.
        RejectRequest = "HEADERS_WITH_UNDERSCORES_REJECT_REQUEST",
        /// `HEADERS_WITH_UNDERSCORES_DROP_HEADER`.
        DropHeader = "HEADERS_WITH_UNDERSCORES_DROP_HEADER",
    }
}

choice! {
    /// `ProxyConfig.ConnectionSettings.PathWithEscapedSlashesAction`.
    pub enum PathWithEscapedSlashesAction {
        /// `PATH_WITH_ESCAPED_SLASHES_UNSPECIFIED`.
        Unspecified = "PATH_WITH_ESCAPED_SLASHES_UNSPECIFIED",
        /// `KEEP_UNCHANGED`.
        KeepUnchanged = "KEEP_UNCHANGED",
        /// `REJECT_REQUEST`.
        RejectRequest = "REJECT_REQUEST",
        /// `UNESCAPE_AND_REDIRECT`.
        UnescapeAndRedirect = "UNESCAPE_AND_REDIRECT",
        /// `UNESCAPE_AND_FORWARD`.
        UnescapeAndForward = "UNESCAPE_AND_FORWARD",
    }
}

message! {
    /// `RemoteService`.
    pub struct RemoteService {
        /// TODO-DOC RemoteService.address
        pub address: String,
        /// TODO-DOC RemoteService.tls_settings
        pub tls_settings: Option<ClientTlsSettings>,
        /// TODO-DOC RemoteService.tcp_keepalive
        pub tcp_keepalive: Option<TcpKeepalive>,
    }
}
