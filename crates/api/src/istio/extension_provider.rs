//! Extension providers of MeshConfig: where logs, traces, metrics and authorisation calls go.

use std::collections::BTreeMap;

use super::Sensitive;
use super::macros::{choice, message};
use crate::Duration;

message! {
    /// Istio's `MeshConfig.ExtensionProvider`.
    #[serde(rename = "MeshConfig.ExtensionProvider")]
    pub struct ExtensionProvider {
        /// Name by which policies refer to it.
        pub name: String,
        /// External authorisation over HTTP.
        pub envoy_ext_authz_http: Option<EnvoyExternalAuthorizationHttpProvider>,
        /// External authorisation over gRPC.
        pub envoy_ext_authz_grpc: Option<EnvoyExternalAuthorizationGrpcProvider>,
        /// Zipkin traces.
        pub zipkin: Option<ZipkinTracingProvider>,
        /// Lightstep traces; deprecated.
        pub lightstep: Option<LightstepTracingProvider>,
        /// Datadog traces.
        pub datadog: Option<DatadogTracingProvider>,
        /// Google Cloud.
        pub stackdriver: Option<StackdriverProvider>,
        /// OpenCensus traces; deprecated.
        pub opencensus: Option<OpenCensusAgentTracingProvider>,
        /// SkyWalking traces.
        pub skywalking: Option<SkyWalkingTracingProvider>,
        /// OpenTelemetry traces.
        pub opentelemetry: Option<OpenTelemetryTracingProvider>,
        /// Prometheus metrics.
        pub prometheus: Option<PrometheusMetricsProvider>,
        /// Access log to a file.
        pub envoy_file_access_log: Option<EnvoyFileAccessLogProvider>,
        /// Access log over gRPC, HTTP.
        pub envoy_http_als: Option<EnvoyHttpGrpcV3LogProvider>,
        /// Access log over gRPC, TCP.
        pub envoy_tcp_als: Option<EnvoyTcpGrpcV3LogProvider>,
        /// Access log by OpenTelemetry.
        pub envoy_otel_als: Option<EnvoyOpenTelemetryLogProvider>,
        /// Secrets from a discovery service.
        pub sds: Option<SdsProvider>,
    }
}

choice! {
    /// Istio's `MeshConfig.ExtensionProvider.ServiceAttributeEnrichment`.
    pub enum ServiceAttributeEnrichment {
        /// `ISTIO_CANONICAL`.
        IstioCanonical = "ISTIO_CANONICAL",
        /// `OTEL_SEMANTIC_CONVENTIONS`.
        OtelSemanticConventions = "OTEL_SEMANTIC_CONVENTIONS",
    }
}

message! {
    /// Istio's `MeshConfig.ExtensionProvider.EnvoyExternalAuthorizationRequestBody`.
    #[serde(rename = "MeshConfig.ExtensionProvider.EnvoyExternalAuthorizationRequestBody")]
    pub struct EnvoyExternalAuthorizationRequestBody {
        /// Most bytes that are buffered.
        pub max_request_bytes: u32,
        /// Sends what fits when the body is longer.
        pub allow_partial_message: bool,
        /// Sends raw bytes instead of a UTF-8 string.
        pub pack_as_bytes: bool,
    }
}

message! {
    /// Istio's `MeshConfig.ExtensionProvider.EnvoyExternalAuthorizationHttpProvider`.
    #[serde(rename = "MeshConfig.ExtensionProvider.EnvoyExternalAuthorizationHttpProvider")]
    pub struct EnvoyExternalAuthorizationHttpProvider {
        /// Service that takes the data, as `[namespace/]host`.
        pub service: String,
        /// The port.
        pub port: u32,
        /// How long an answer may take.
        pub timeout: Option<Duration>,
        /// Put before the path of the check.
        pub path_prefix: String,
        /// Lets requests pass when the service fails.
        pub fail_open: bool,
        /// Chooses the route again after the check.
        pub clear_route_cache: bool,
        /// HTTP status when the service fails.
        pub status_on_error: String,
        /// Deprecated; see `include_request_headers_in_check`.
        pub include_headers_in_check: Vec<String>,
        /// Headers of the request that are sent along.
        pub include_request_headers_in_check: Vec<String>,
        /// Headers that are added to the check.
        pub include_additional_headers_in_check: BTreeMap<String, String>,
        /// How much of the body is sent along.
        pub include_request_body_in_check: Option<EnvoyExternalAuthorizationRequestBody>,
        /// Headers of the answer that go to the server.
        pub headers_to_upstream_on_allow: Vec<String>,
        /// Headers of the answer that a refused client gets.
        pub headers_to_downstream_on_deny: Vec<String>,
        /// Headers of the answer that an allowed client gets.
        pub headers_to_downstream_on_allow: Vec<String>,
    }
}

message! {
    /// Istio's `MeshConfig.ExtensionProvider.EnvoyExternalAuthorizationGrpcProvider`.
    #[serde(rename = "MeshConfig.ExtensionProvider.EnvoyExternalAuthorizationGrpcProvider")]
    pub struct EnvoyExternalAuthorizationGrpcProvider {
        /// Service that takes the data, as `[namespace/]host`.
        pub service: String,
        /// The port.
        pub port: u32,
        /// How long an answer may take.
        pub timeout: Option<Duration>,
        /// Lets requests pass when the service fails.
        pub fail_open: bool,
        /// Chooses the route again after the check.
        pub clear_route_cache: bool,
        /// HTTP status when the service fails.
        pub status_on_error: String,
        /// How much of the body is sent along.
        pub include_request_body_in_check: Option<EnvoyExternalAuthorizationRequestBody>,
    }
}

message! {
    /// Istio's `MeshConfig.ExtensionProvider.ZipkinTracingProvider`.
    #[serde(rename = "MeshConfig.ExtensionProvider.ZipkinTracingProvider")]
    pub struct ZipkinTracingProvider {
        /// Service that takes the data, as `[namespace/]host`.
        pub service: String,
        /// The port.
        pub port: u32,
        /// Longest value of a tag, in characters.
        pub max_tag_length: u32,
        /// Makes 64-bit trace ids.
        pub enable_64bit_trace_id: bool,
        /// Path.
        pub path: String,
        /// Which context headers are used.
        pub trace_context_option: ZipkinTracingProviderTraceContextOption,
        /// How long an answer may take.
        pub timeout: Option<Duration>,
        /// Headers to add.
        pub headers: Vec<HttpHeader>,
    }
}

choice! {
    /// Istio's `MeshConfig.ExtensionProvider.ZipkinTracingProvider.TraceContextOption`.
    pub enum ZipkinTracingProviderTraceContextOption {
        /// `USE_B3`.
        UseB3 = "USE_B3",
        /// `USE_B3_WITH_W3C_PROPAGATION`.
        UseB3WithW3cPropagation = "USE_B3_WITH_W3C_PROPAGATION",
    }
}

message! {
    /// Istio's `MeshConfig.ExtensionProvider.LightstepTracingProvider`.
    #[serde(rename = "MeshConfig.ExtensionProvider.LightstepTracingProvider")]
    pub struct LightstepTracingProvider {
        /// Service that takes the data, as `[namespace/]host`.
        pub service: String,
        /// The port.
        pub port: u32,
        /// Token of the service; a secret.
        pub access_token: Sensitive,
        /// Longest value of a tag, in characters.
        pub max_tag_length: u32,
    }
}

message! {
    /// Istio's `MeshConfig.ExtensionProvider.DatadogTracingProvider`.
    #[serde(rename = "MeshConfig.ExtensionProvider.DatadogTracingProvider")]
    pub struct DatadogTracingProvider {
        /// Service that takes the data, as `[namespace/]host`.
        pub service: String,
        /// The port.
        pub port: u32,
        /// Longest value of a tag, in characters.
        pub max_tag_length: u32,
    }
}

message! {
    /// Istio's `MeshConfig.ExtensionProvider.SkyWalkingTracingProvider`.
    #[serde(rename = "MeshConfig.ExtensionProvider.SkyWalkingTracingProvider")]
    pub struct SkyWalkingTracingProvider {
        /// Service that takes the data, as `[namespace/]host`.
        pub service: String,
        /// The port.
        pub port: u32,
        /// Token of the service; a secret.
        pub access_token: Sensitive,
    }
}

message! {
    /// Istio's `MeshConfig.ExtensionProvider.StackdriverProvider`.
    #[serde(rename = "MeshConfig.ExtensionProvider.StackdriverProvider")]
    pub struct StackdriverProvider {
        /// Deprecated and without effect.
        pub debug: bool,
        /// Deprecated and without effect.
        pub max_number_of_attributes: Option<i64>,
        /// Deprecated and without effect.
        pub max_number_of_annotations: Option<i64>,
        /// Deprecated and without effect.
        pub max_number_of_message_events: Option<i64>,
        /// Longest value of a tag, in characters.
        pub max_tag_length: u32,
        /// Logs.
        pub logging: Option<StackdriverProviderLogging>,
    }
}

message! {
    /// Istio's `MeshConfig.ExtensionProvider.StackdriverProvider.Logging`.
    #[serde(rename = "MeshConfig.ExtensionProvider.StackdriverProvider.Logging")]
    pub struct StackdriverProviderLogging {
        /// Labels.
        pub labels: BTreeMap<String, String>,
    }
}

message! {
    /// Istio's `MeshConfig.ExtensionProvider.OpenCensusAgentTracingProvider`.
    #[serde(rename = "MeshConfig.ExtensionProvider.OpenCensusAgentTracingProvider")]
    pub struct OpenCensusAgentTracingProvider {
        /// Service that takes the data, as `[namespace/]host`.
        pub service: String,
        /// The port.
        pub port: u32,
        /// Trace context headers that are written.
        pub context: Vec<OpenCensusAgentTracingProviderTraceContext>,
        /// Longest value of a tag, in characters.
        pub max_tag_length: u32,
    }
}

choice! {
    /// Istio's `MeshConfig.ExtensionProvider.OpenCensusAgentTracingProvider.TraceContext`.
    pub enum OpenCensusAgentTracingProviderTraceContext {
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
    /// Istio's `MeshConfig.ExtensionProvider.PrometheusMetricsProvider`.
    #[serde(rename = "MeshConfig.ExtensionProvider.PrometheusMetricsProvider")]
    pub struct PrometheusMetricsProvider {
    }
}

message! {
    /// Istio's `MeshConfig.ExtensionProvider.EnvoyFileAccessLogProvider`.
    #[serde(rename = "MeshConfig.ExtensionProvider.EnvoyFileAccessLogProvider")]
    pub struct EnvoyFileAccessLogProvider {
        /// File; `/dev/stdout` for standard output.
        pub path: String,
        /// Format; Istio's default where absent.
        pub log_format: Option<FileLogFormat>,
        /// Leaves out fields without a value.
        pub omit_empty_values: bool,
    }
}

message! {
    /// Istio's `MeshConfig.ExtensionProvider.EnvoyFileAccessLogProvider.LogFormat`.
    #[serde(rename = "MeshConfig.ExtensionProvider.EnvoyFileAccessLogProvider.LogFormat")]
    pub struct FileLogFormat {
        /// A text with command operators.
        pub text: Option<String>,
        /// Fields of a JSON entry, with command operators as values.
        pub labels: Option<BTreeMap<String, serde_json::Value>>,
    }
}

message! {
    /// Istio's `MeshConfig.ExtensionProvider.EnvoyHttpGrpcV3LogProvider`.
    #[serde(rename = "MeshConfig.ExtensionProvider.EnvoyHttpGrpcV3LogProvider")]
    pub struct EnvoyHttpGrpcV3LogProvider {
        /// Service that takes the data, as `[namespace/]host`.
        pub service: String,
        /// The port.
        pub port: u32,
        /// Name of the log.
        pub log_name: String,
        /// Filter state objects to add to each entry.
        pub filter_state_objects_to_log: Vec<String>,
        /// Request headers to add.
        pub additional_request_headers_to_log: Vec<String>,
        /// Response headers to add.
        pub additional_response_headers_to_log: Vec<String>,
        /// Response trailers to add.
        pub additional_response_trailers_to_log: Vec<String>,
    }
}

message! {
    /// Istio's `MeshConfig.ExtensionProvider.EnvoyTcpGrpcV3LogProvider`.
    #[serde(rename = "MeshConfig.ExtensionProvider.EnvoyTcpGrpcV3LogProvider")]
    pub struct EnvoyTcpGrpcV3LogProvider {
        /// Service that takes the data, as `[namespace/]host`.
        pub service: String,
        /// The port.
        pub port: u32,
        /// Name of the log.
        pub log_name: String,
        /// Filter state objects to add to each entry.
        pub filter_state_objects_to_log: Vec<String>,
    }
}

message! {
    /// Istio's `MeshConfig.ExtensionProvider.EnvoyOpenTelemetryLogProvider`.
    #[serde(rename = "MeshConfig.ExtensionProvider.EnvoyOpenTelemetryLogProvider")]
    pub struct EnvoyOpenTelemetryLogProvider {
        /// Service that takes the data, as `[namespace/]host`.
        pub service: String,
        /// The port.
        pub port: u32,
        /// Name of the log.
        pub log_name: String,
        /// Format of an entry.
        pub log_format: Option<OpenTelemetryLogFormat>,
    }
}

message! {
    /// Istio's `MeshConfig.ExtensionProvider.EnvoyOpenTelemetryLogProvider.LogFormat`.
    #[serde(rename = "MeshConfig.ExtensionProvider.EnvoyOpenTelemetryLogProvider.LogFormat")]
    pub struct OpenTelemetryLogFormat {
        /// A text with command operators.
        pub text: String,
        /// Fields of a JSON entry, with command operators as values.
        pub labels: Option<BTreeMap<String, serde_json::Value>>,
    }
}

message! {
    /// Istio's `MeshConfig.ExtensionProvider.OpenTelemetryTracingProvider`.
    #[serde(rename = "MeshConfig.ExtensionProvider.OpenTelemetryTracingProvider")]
    pub struct OpenTelemetryTracingProvider {
        /// Service that takes the data, as `[namespace/]host`.
        pub service: String,
        /// The port.
        pub port: u32,
        /// Longest value of a tag, in characters.
        pub max_tag_length: u32,
        /// Exports over HTTP.
        pub http: Option<HttpService>,
        /// Exports over gRPC.
        pub grpc: Option<GrpcService>,
        /// What adds attributes of the resource.
        pub resource_detectors: Option<ResourceDetectors>,
        /// How the service's attributes are made.
        pub service_attribute_enrichment: ServiceAttributeEnrichment,
        /// Dynatrace's sampler.
        pub dynatrace_sampler: Option<DynatraceSampler>,
    }
}

message! {
    /// Istio's `MeshConfig.ExtensionProvider.OpenTelemetryTracingProvider.DynatraceSampler`.
    #[serde(rename = "MeshConfig.ExtensionProvider.OpenTelemetryTracingProvider.DynatraceSampler")]
    pub struct DynatraceSampler {
        /// The tenant.
        pub tenant: String,
        /// The cluster's number.
        pub cluster_id: i32,
        /// Root spans a minute.
        pub root_spans_per_minute: u32,
        /// Dynatrace's API.
        pub http_service: Option<DynatraceApi>,
    }
}

message! {
    /// Istio's `MeshConfig.ExtensionProvider.OpenTelemetryTracingProvider.DynatraceSampler.DynatraceApi`.
    #[serde(rename = "MeshConfig.ExtensionProvider.OpenTelemetryTracingProvider.DynatraceSampler.DynatraceApi")]
    pub struct DynatraceApi {
        /// Service that takes the data, as `[namespace/]host`.
        pub service: String,
        /// The port.
        pub port: u32,
        /// HTTP settings.
        pub http: Option<HttpService>,
    }
}

message! {
    /// Istio's `MeshConfig.ExtensionProvider.SDSProvider`.
    #[serde(rename = "MeshConfig.ExtensionProvider.SDSProvider")]
    pub struct SdsProvider {
        /// Its name.
        pub name: String,
        /// Service that takes the data, as `[namespace/]host`.
        pub service: String,
        /// The port.
        pub port: u32,
    }
}

message! {
    /// Istio's `MeshConfig.ExtensionProvider.HttpService`.
    #[serde(rename = "MeshConfig.ExtensionProvider.HttpService")]
    pub struct HttpService {
        /// Path.
        pub path: String,
        /// How long an answer may take.
        pub timeout: Option<Duration>,
        /// Headers to add.
        pub headers: Vec<HttpHeader>,
    }
}

message! {
    /// Istio's `MeshConfig.ExtensionProvider.HttpHeader`.
    #[serde(rename = "MeshConfig.ExtensionProvider.HttpHeader")]
    pub struct HttpHeader {
        /// Its name.
        pub name: String,
        /// The value.
        pub value: Option<String>,
        /// Environment variable with the value.
        pub env_name: Option<String>,
    }
}

message! {
    /// Istio's `MeshConfig.ExtensionProvider.ResourceDetectors`.
    #[serde(rename = "MeshConfig.ExtensionProvider.ResourceDetectors")]
    pub struct ResourceDetectors {
        /// From the environment.
        pub environment: Option<EnvironmentResourceDetector>,
        /// From Dynatrace.
        pub dynatrace: Option<DynatraceResourceDetector>,
    }
}

message! {
    /// Istio's `MeshConfig.ExtensionProvider.ResourceDetectors.EnvironmentResourceDetector`.
    #[serde(rename = "MeshConfig.ExtensionProvider.ResourceDetectors.EnvironmentResourceDetector")]
    pub struct EnvironmentResourceDetector {
    }
}

message! {
    /// Istio's `MeshConfig.ExtensionProvider.ResourceDetectors.DynatraceResourceDetector`.
    #[serde(rename = "MeshConfig.ExtensionProvider.ResourceDetectors.DynatraceResourceDetector")]
    pub struct DynatraceResourceDetector {
    }
}

message! {
    /// Istio's `MeshConfig.ExtensionProvider.GrpcService`.
    #[serde(rename = "MeshConfig.ExtensionProvider.GrpcService")]
    pub struct GrpcService {
        /// How long an answer may take.
        pub timeout: Option<Duration>,
        /// Metadata to send.
        pub initial_metadata: Vec<HttpHeader>,
    }
}
