//! The proxy settings of MeshConfig (`defaultConfig`) and of the `proxy.istio.io/config` annotation.

use std::collections::BTreeMap;

use super::Sensitive;
use super::destination_rule::{ClientTlsSettings, TcpKeepalive};
use super::macros::{choice, message};
use super::proxy_config::ProxyImage;
use super::workload_group::ReadinessProbe;
use crate::Duration;

choice! {
    /// Istio's `AuthenticationPolicy`.
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
    /// Istio's `ForwardClientCertDetails`.
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
    /// Istio's `Tracing`.
    pub struct Tracing {
        /// Zipkin.
        pub zipkin: Option<TracingZipkin>,
        /// Lightstep.
        pub lightstep: Option<TracingLightstep>,
        /// Datadog.
        pub datadog: Option<TracingDatadog>,
        /// Google Cloud.
        pub stackdriver: Option<TracingStackdriver>,
        /// OpenCensus.
        pub open_census_agent: Option<TracingOpenCensusAgent>,
        /// Tags of each span, by name.
        pub custom_tags: BTreeMap<String, TracingCustomTag>,
        /// Longest path in a tag.
        pub max_path_tag_length: u32,
        /// Share of the requests, in percent.
        pub sampling: f64,
        /// TLS towards it.
        pub tls_settings: Option<ClientTlsSettings>,
        /// Whether spans carry Istio's own tags.
        pub enable_istio_tags: Option<bool>,
    }
}

message! {
    /// Istio's `Tracing.Zipkin`.
    #[serde(rename = "Tracing.Zipkin")]
    pub struct TracingZipkin {
        /// Address of the collector.
        pub address: String,
    }
}

message! {
    /// Istio's `Tracing.Lightstep`.
    #[serde(rename = "Tracing.Lightstep")]
    pub struct TracingLightstep {
        /// Address.
        pub address: String,
        /// Token of the service; a secret.
        pub access_token: Sensitive,
    }
}

message! {
    /// Istio's `Tracing.Datadog`.
    #[serde(rename = "Tracing.Datadog")]
    pub struct TracingDatadog {
        /// Address.
        pub address: String,
    }
}

message! {
    /// Istio's `Tracing.Stackdriver`.
    #[serde(rename = "Tracing.Stackdriver")]
    pub struct TracingStackdriver {
        /// Deprecated and without effect.
        pub debug: bool,
        /// Deprecated and without effect.
        pub max_number_of_attributes: Option<i64>,
        /// Deprecated and without effect.
        pub max_number_of_annotations: Option<i64>,
        /// Deprecated and without effect.
        pub max_number_of_message_events: Option<i64>,
    }
}

message! {
    /// Istio's `Tracing.OpenCensusAgent`.
    #[serde(rename = "Tracing.OpenCensusAgent")]
    pub struct TracingOpenCensusAgent {
        /// Address.
        pub address: String,
        /// Trace context headers that are written.
        pub context: Vec<OpenCensusAgentTraceContext>,
    }
}

choice! {
    /// Istio's `Tracing.OpenCensusAgent.TraceContext`.
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
    /// Istio's `Tracing.CustomTag`.
    #[serde(rename = "Tracing.CustomTag")]
    pub struct TracingCustomTag {
        /// A fixed value.
        pub literal: Option<TracingLiteral>,
        /// An environment variable.
        pub environment: Option<TracingEnvironment>,
        /// A header of the request.
        pub header: Option<TracingRequestHeader>,
    }
}

message! {
    /// Istio's `Tracing.Literal`.
    #[serde(rename = "Tracing.Literal")]
    pub struct TracingLiteral {
        /// The value.
        pub value: String,
    }
}

message! {
    /// Istio's `Tracing.Environment`.
    #[serde(rename = "Tracing.Environment")]
    pub struct TracingEnvironment {
        /// Its name.
        pub name: String,
        /// Value where there is none.
        pub default_value: String,
    }
}

message! {
    /// Istio's `Tracing.RequestHeader`.
    #[serde(rename = "Tracing.RequestHeader")]
    pub struct TracingRequestHeader {
        /// Its name.
        pub name: String,
        /// Value where there is none.
        pub default_value: String,
    }
}

message! {
    /// Istio's `SDS`.
    #[serde(rename = "SDS")]
    pub struct Sds {
        /// Deprecated.
        pub enabled: bool,
        /// Deprecated.
        pub k8s_sa_jwt_path: String,
    }
}

message! {
    /// Istio's `Topology`.
    pub struct Topology {
        /// Trusted proxies before the gateway.
        pub num_trusted_proxies: u32,
        /// What becomes of `x-forwarded-client-cert`.
        pub forward_client_cert_details: ForwardClientCertDetails,
        /// Reads the PROXY protocol.
        pub proxy_protocol: Option<TopologyProxyProtocolConfiguration>,
    }
}

message! {
    /// Istio's `Topology.ProxyProtocolConfiguration`.
    #[serde(rename = "Topology.ProxyProtocolConfiguration")]
    pub struct TopologyProxyProtocolConfiguration {
    }
}

message! {
    /// Istio's `PrivateKeyProvider`.
    pub struct PrivateKeyProvider {
        /// CryptoMB.
        pub cryptomb: Option<PrivateKeyProviderCryptoMb>,
        /// QuickAssist.
        pub qat: Option<PrivateKeyProviderQat>,
    }
}

message! {
    /// Istio's `PrivateKeyProvider.CryptoMb`.
    #[serde(rename = "PrivateKeyProvider.CryptoMb")]
    pub struct PrivateKeyProviderCryptoMb {
        /// How long requests are gathered for one batch.
        pub poll_delay: Option<Duration>,
        /// Uses software where the hardware is missing.
        pub fallback: Option<bool>,
    }
}

message! {
    /// Istio's `PrivateKeyProvider.QAT`.
    #[serde(rename = "PrivateKeyProvider.QAT")]
    pub struct PrivateKeyProviderQat {
        /// How long requests are gathered for one batch.
        pub poll_delay: Option<Duration>,
        /// Uses software where the hardware is missing.
        pub fallback: Option<bool>,
    }
}

message! {
    /// Istio's `ProxyConfig`.
    pub struct ProxyConfig {
        /// Directory of generated files.
        pub config_path: String,
        /// The proxy's binary.
        pub binary_path: String,
        /// Name of the service; see `tracing_service_name`.
        pub service_cluster: Option<String>,
        /// How the service is called in traces.
        pub tracing_service_name: Option<TracingServiceName>,
        /// How long connections drain when listeners change; 45 s.
        pub drain_duration: Option<Duration>,
        /// Address of the control plane.
        pub discovery_address: String,
        /// Deprecated.
        pub discovery_refresh_delay: Option<Duration>,
        /// Deprecated.
        pub zipkin_address: String,
        /// Where statistics are sent as statsd.
        pub statsd_udp_address: String,
        /// Deprecated.
        pub envoy_metrics_service_address: String,
        /// Port of the admin interface; 15000.
        pub proxy_admin_port: i32,
        /// Deprecated.
        pub availability_zone: String,
        /// How the control plane is authenticated.
        pub control_plane_auth_policy: AuthenticationPolicy,
        /// A bootstrap file of one's own.
        pub custom_config_file: String,
        /// Longest name of a statistic.
        pub stat_name_length: i32,
        /// Worker threads; 0 means one for each core.
        pub concurrency: Option<i32>,
        /// A bootstrap template of one's own.
        pub proxy_bootstrap_template_path: String,
        /// How traffic is captured.
        pub interception_mode: InboundInterceptionMode,
        /// Traces.
        pub tracing: Option<Tracing>,
        /// Deprecated.
        pub sds: Option<Sds>,
        /// Where access logs are sent.
        pub envoy_access_log_service: Option<RemoteService>,
        /// Where metrics are sent.
        pub envoy_metrics_service: Option<RemoteService>,
        /// Environment variables of the agent.
        pub proxy_metadata: BTreeMap<String, String>,
        /// Runtime values of the proxy.
        pub runtime_values: BTreeMap<String, String>,
        /// Port of the agent's status; 15020.
        pub status_port: i32,
        /// Further tags of statistics.
        pub extra_stat_tags: Vec<String>,
        /// What stands before a gateway.
        pub gateway_topology: Option<Topology>,
        /// How long to drain at the end; 5 s.
        pub termination_drain_duration: Option<Duration>,
        /// The mesh.
        pub mesh_id: String,
        /// Readiness of a workload outside of Kubernetes.
        pub readiness_probe: Option<ReadinessProbe>,
        /// Which further statistics are kept.
        pub proxy_stats_matcher: Option<ProxyStatsMatcher>,
        /// Starts the application once the proxy is ready.
        pub hold_application_until_proxy_starts: Option<bool>,
        /// Further trusted roots.
        pub ca_certificates_pem: Vec<String>,
        /// The proxy's image.
        pub image: Option<ProxyImage>,
        /// Hardware for private keys.
        pub private_key_provider: Option<PrivateKeyProvider>,
        /// Headers that the proxy adds or leaves out.
        pub proxy_headers: Option<ProxyHeaders>,
        /// How often files are flushed.
        pub file_flush_interval: Option<Duration>,
        /// Bytes after which files are flushed, in KiB.
        pub file_flush_min_size_kb: u32,
        /// Whether statistics are served compressed.
        pub stats_compression: Option<bool>,
        /// Limits and time-outs of connections.
        pub connection_settings: Option<ConnectionSettings>,
    }
}

choice! {
    /// Istio's `ProxyConfig.TracingServiceName`.
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
    /// Istio's `ProxyConfig.InboundInterceptionMode`.
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
    /// Istio's `ProxyConfig.ProxyStatsMatcher`.
    #[serde(rename = "ProxyConfig.ProxyStatsMatcher")]
    pub struct ProxyStatsMatcher {
        /// By prefix.
        pub inclusion_prefixes: Vec<String>,
        /// By suffix.
        pub inclusion_suffixes: Vec<String>,
        /// By regular expression.
        pub inclusion_regexps: Vec<String>,
    }
}

message! {
    /// Istio's `ProxyConfig.ProxyHeaders`.
    #[serde(rename = "ProxyConfig.ProxyHeaders")]
    pub struct ProxyHeaders {
        /// What becomes of `x-forwarded-client-cert`.
        pub forwarded_client_cert: ForwardClientCertDetails,
        /// What is written into `x-forwarded-client-cert`.
        pub set_current_client_cert_details: Option<SetCurrentClientCertDetails>,
        /// `x-request-id`.
        pub request_id: Option<ProxyHeadersRequestId>,
        /// `server`.
        pub server: Option<ProxyHeadersServer>,
        /// `x-envoy-attempt-count`.
        pub attempt_count: Option<ProxyHeadersAttemptCount>,
        /// `x-envoy-upstream-service-time` and the like.
        pub envoy_debug_headers: Option<EnvoyDebugHeaders>,
        /// `x-envoy-peer-metadata`.
        pub metadata_exchange_headers: Option<MetadataExchangeHeaders>,
        /// Keeps the case of HTTP/1 headers.
        pub preserve_http1_header_case: Option<bool>,
        /// `x-forwarded-host`.
        pub x_forwarded_host: Option<ProxyHeadersXForwardedHost>,
        /// `x-forwarded-port`.
        pub x_forwarded_port: Option<ProxyHeadersXForwardedPort>,
    }
}

choice! {
    /// Istio's `ProxyConfig.ProxyHeaders.MetadataExchangeMode`.
    pub enum MetadataExchangeMode {
        /// `UNDEFINED`.
        Undefined = "UNDEFINED",
        /// `IN_MESH`.
        InMesh = "IN_MESH",
    }
}

message! {
    /// Istio's `ProxyConfig.ProxyHeaders.Server`.
    #[serde(rename = "ProxyConfig.ProxyHeaders.Server")]
    pub struct ProxyHeadersServer {
        /// Leaves the header out.
        pub disabled: Option<bool>,
        /// Value of the header.
        pub value: String,
    }
}

message! {
    /// Istio's `ProxyConfig.ProxyHeaders.RequestId`.
    #[serde(rename = "ProxyConfig.ProxyHeaders.RequestId")]
    pub struct ProxyHeadersRequestId {
        /// Turns it off.
        pub disabled: Option<bool>,
    }
}

message! {
    /// Istio's `ProxyConfig.ProxyHeaders.AttemptCount`.
    #[serde(rename = "ProxyConfig.ProxyHeaders.AttemptCount")]
    pub struct ProxyHeadersAttemptCount {
        /// Turns it off.
        pub disabled: Option<bool>,
    }
}

message! {
    /// Istio's `ProxyConfig.ProxyHeaders.XForwardedHost`.
    #[serde(rename = "ProxyConfig.ProxyHeaders.XForwardedHost")]
    pub struct ProxyHeadersXForwardedHost {
        /// Turns it on.
        pub enabled: Option<bool>,
    }
}

message! {
    /// Istio's `ProxyConfig.ProxyHeaders.XForwardedPort`.
    #[serde(rename = "ProxyConfig.ProxyHeaders.XForwardedPort")]
    pub struct ProxyHeadersXForwardedPort {
        /// Turns it on.
        pub enabled: Option<bool>,
    }
}

message! {
    /// Istio's `ProxyConfig.ProxyHeaders.EnvoyDebugHeaders`.
    #[serde(rename = "ProxyConfig.ProxyHeaders.EnvoyDebugHeaders")]
    pub struct EnvoyDebugHeaders {
        /// Turns it off.
        pub disabled: Option<bool>,
    }
}

message! {
    /// Istio's `ProxyConfig.ProxyHeaders.MetadataExchangeHeaders`.
    #[serde(rename = "ProxyConfig.ProxyHeaders.MetadataExchangeHeaders")]
    pub struct MetadataExchangeHeaders {
        /// The mode.
        pub mode: MetadataExchangeMode,
    }
}

message! {
    /// Istio's `ProxyConfig.ProxyHeaders.SetCurrentClientCertDetails`.
    #[serde(rename = "ProxyConfig.ProxyHeaders.SetCurrentClientCertDetails")]
    pub struct SetCurrentClientCertDetails {
        /// The subject.
        pub subject: Option<bool>,
        /// The certificate.
        pub cert: Option<bool>,
        /// The chain.
        pub chain: Option<bool>,
        /// DNS names.
        pub dns: Option<bool>,
        /// URIs.
        pub uri: Option<bool>,
    }
}

message! {
    /// Istio's `ProxyConfig.ConnectionSettings`.
    #[serde(rename = "ProxyConfig.ConnectionSettings")]
    pub struct ConnectionSettings {
        /// Defaults of a sidecar or of the edge.
        pub profile: ConnectionSettingsProfile,
        /// Buffer of a client's connection, in bytes.
        pub listener_per_connection_buffer_limit_bytes: Option<i32>,
        /// Buffer of a server's connection, in bytes.
        pub cluster_per_connection_buffer_limit_bytes: Option<i32>,
        /// How long a connection without requests stays open.
        pub http_idle_timeout: Option<Duration>,
        /// How long a connection may live.
        pub http_max_connection_duration: Option<Duration>,
        /// How long a connection drains.
        pub http_drain_timeout: Option<Duration>,
        /// How long a request may take to arrive.
        pub http_request_timeout: Option<Duration>,
        /// How long the headers may take to arrive.
        pub http_request_headers_timeout: Option<Duration>,
        /// How long a stream may be silent.
        pub http_stream_idle_timeout: Option<Duration>,
        /// How long a stream may live.
        pub http_max_stream_duration: Option<Duration>,
        /// Most streams of a connection.
        pub http_max_concurrent_streams: Option<i32>,
        /// First window of a stream, in bytes.
        pub http2_initial_stream_window_size: Option<i32>,
        /// First window of a connection, in bytes.
        pub http2_initial_connection_window_size: Option<i32>,
        /// What becomes of headers with underscores.
        pub http_headers_with_underscores_action: HeadersWithUnderscoresAction,
        /// Makes one slash of several.
        pub http_merge_slashes: Option<bool>,
        /// What becomes of escaped slashes.
        pub http_path_with_escaped_slashes_action: PathWithEscapedSlashesAction,
        /// Most connections of a listener.
        pub listener_connection_limit: Option<i32>,
        /// Most connections of the proxy.
        pub global_downstream_connection_limit: Option<i32>,
    }
}

choice! {
    /// Istio's `ProxyConfig.ConnectionSettings.Profile`.
    pub enum ConnectionSettingsProfile {
        /// `SIDECAR`.
        Sidecar = "SIDECAR",
        /// `EDGE`.
        Edge = "EDGE",
    }
}

choice! {
    /// Istio's `ProxyConfig.ConnectionSettings.HeadersWithUnderscoresAction`.
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
    /// Istio's `ProxyConfig.ConnectionSettings.PathWithEscapedSlashesAction`.
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
    /// Istio's `RemoteService`.
    pub struct RemoteService {
        /// Address.
        pub address: String,
        /// TLS towards it.
        pub tls_settings: Option<ClientTlsSettings>,
        /// TCP keep-alive probes.
        pub tcp_keepalive: Option<TcpKeepalive>,
    }
}
