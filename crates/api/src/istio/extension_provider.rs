//! Extension providers of MeshConfig: where logs, traces, metrics and authorisation calls go.

use std::collections::BTreeMap;

use super::Sensitive;
use super::macros::{choice, message};
use crate::Duration;

message! {
    /// `MeshConfig.ExtensionProvider`.
    pub struct ExtensionProvider {
        /// TODO-DOC ExtensionProvider.name
        pub name: String,
        /// TODO-DOC ExtensionProvider.envoy_ext_authz_http
        pub envoy_ext_authz_http: Option<EnvoyExternalAuthorizationHttpProvider>,
        /// TODO-DOC ExtensionProvider.envoy_ext_authz_grpc
        pub envoy_ext_authz_grpc: Option<EnvoyExternalAuthorizationGrpcProvider>,
        /// TODO-DOC ExtensionProvider.zipkin
        pub zipkin: Option<ZipkinTracingProvider>,
        /// TODO-DOC ExtensionProvider.lightstep
        pub lightstep: Option<LightstepTracingProvider>,
        /// TODO-DOC ExtensionProvider.datadog
        pub datadog: Option<DatadogTracingProvider>,
        /// TODO-DOC ExtensionProvider.stackdriver
        pub stackdriver: Option<StackdriverProvider>,
        /// TODO-DOC ExtensionProvider.opencensus
        pub opencensus: Option<OpenCensusAgentTracingProvider>,
        /// TODO-DOC ExtensionProvider.skywalking
        pub skywalking: Option<SkyWalkingTracingProvider>,
        /// TODO-DOC ExtensionProvider.opentelemetry
        pub opentelemetry: Option<OpenTelemetryTracingProvider>,
        /// TODO-DOC ExtensionProvider.prometheus
        pub prometheus: Option<PrometheusMetricsProvider>,
        /// TODO-DOC ExtensionProvider.envoy_file_access_log
        pub envoy_file_access_log: Option<EnvoyFileAccessLogProvider>,
        /// TODO-DOC ExtensionProvider.envoy_http_als
        pub envoy_http_als: Option<EnvoyHttpGrpcV3LogProvider>,
        /// TODO-DOC ExtensionProvider.envoy_tcp_als
        pub envoy_tcp_als: Option<EnvoyTcpGrpcV3LogProvider>,
        /// TODO-DOC ExtensionProvider.envoy_otel_als
        pub envoy_otel_als: Option<EnvoyOpenTelemetryLogProvider>,
        /// TODO-DOC ExtensionProvider.sds
        pub sds: Option<SdsProvider>,
    }
}

choice! {
    /// `MeshConfig.ExtensionProvider.ServiceAttributeEnrichment`.
    pub enum ServiceAttributeEnrichment {
        /// `ISTIO_CANONICAL`.
        IstioCanonical = "ISTIO_CANONICAL",
        /// `OTEL_SEMANTIC_CONVENTIONS`.
        OtelSemanticConventions = "OTEL_SEMANTIC_CONVENTIONS",
    }
}

message! {
    /// `MeshConfig.ExtensionProvider.EnvoyExternalAuthorizationRequestBody`.
    pub struct EnvoyExternalAuthorizationRequestBody {
        /// TODO-DOC EnvoyExternalAuthorizationRequestBody.max_request_bytes
        pub max_request_bytes: u32,
        /// TODO-DOC EnvoyExternalAuthorizationRequestBody.allow_partial_message
        pub allow_partial_message: bool,
        /// TODO-DOC EnvoyExternalAuthorizationRequestBody.pack_as_bytes
        pub pack_as_bytes: bool,
    }
}

message! {
    /// `MeshConfig.ExtensionProvider.EnvoyExternalAuthorizationHttpProvider`.
    pub struct EnvoyExternalAuthorizationHttpProvider {
        /// TODO-DOC EnvoyExternalAuthorizationHttpProvider.service
        pub service: String,
        /// TODO-DOC EnvoyExternalAuthorizationHttpProvider.port
        pub port: u32,
        /// TODO-DOC EnvoyExternalAuthorizationHttpProvider.timeout
        pub timeout: Option<Duration>,
        /// TODO-DOC EnvoyExternalAuthorizationHttpProvider.path_prefix
        pub path_prefix: String,
        /// TODO-DOC EnvoyExternalAuthorizationHttpProvider.fail_open
        pub fail_open: bool,
        /// TODO-DOC EnvoyExternalAuthorizationHttpProvider.clear_route_cache
        pub clear_route_cache: bool,
        /// TODO-DOC EnvoyExternalAuthorizationHttpProvider.status_on_error
        pub status_on_error: String,
        /// TODO-DOC EnvoyExternalAuthorizationHttpProvider.include_headers_in_check
        pub include_headers_in_check: Vec<String>,
        /// TODO-DOC EnvoyExternalAuthorizationHttpProvider.include_request_headers_in_check
        pub include_request_headers_in_check: Vec<String>,
        /// TODO-DOC EnvoyExternalAuthorizationHttpProvider.include_additional_headers_in_check
        pub include_additional_headers_in_check: BTreeMap<String, String>,
        /// TODO-DOC EnvoyExternalAuthorizationHttpProvider.include_request_body_in_check
        pub include_request_body_in_check: Option<EnvoyExternalAuthorizationRequestBody>,
        /// TODO-DOC EnvoyExternalAuthorizationHttpProvider.headers_to_upstream_on_allow
        pub headers_to_upstream_on_allow: Vec<String>,
        /// TODO-DOC EnvoyExternalAuthorizationHttpProvider.headers_to_downstream_on_deny
        pub headers_to_downstream_on_deny: Vec<String>,
        /// TODO-DOC EnvoyExternalAuthorizationHttpProvider.headers_to_downstream_on_allow
        pub headers_to_downstream_on_allow: Vec<String>,
    }
}

message! {
    /// `MeshConfig.ExtensionProvider.EnvoyExternalAuthorizationGrpcProvider`.
    pub struct EnvoyExternalAuthorizationGrpcProvider {
        /// TODO-DOC EnvoyExternalAuthorizationGrpcProvider.service
        pub service: String,
        /// TODO-DOC EnvoyExternalAuthorizationGrpcProvider.port
        pub port: u32,
        /// TODO-DOC EnvoyExternalAuthorizationGrpcProvider.timeout
        pub timeout: Option<Duration>,
        /// TODO-DOC EnvoyExternalAuthorizationGrpcProvider.fail_open
        pub fail_open: bool,
        /// TODO-DOC EnvoyExternalAuthorizationGrpcProvider.clear_route_cache
        pub clear_route_cache: bool,
        /// TODO-DOC EnvoyExternalAuthorizationGrpcProvider.status_on_error
        pub status_on_error: String,
        /// TODO-DOC EnvoyExternalAuthorizationGrpcProvider.include_request_body_in_check
        pub include_request_body_in_check: Option<EnvoyExternalAuthorizationRequestBody>,
    }
}

message! {
    /// `MeshConfig.ExtensionProvider.ZipkinTracingProvider`.
    pub struct ZipkinTracingProvider {
        /// TODO-DOC ZipkinTracingProvider.service
        pub service: String,
        /// TODO-DOC ZipkinTracingProvider.port
        pub port: u32,
        /// TODO-DOC ZipkinTracingProvider.max_tag_length
        pub max_tag_length: u32,
        /// TODO-DOC ZipkinTracingProvider.enable_64bit_trace_id
        pub enable_64bit_trace_id: bool,
        /// TODO-DOC ZipkinTracingProvider.path
        pub path: String,
        /// TODO-DOC ZipkinTracingProvider.trace_context_option
        pub trace_context_option: ZipkinTracingProviderTraceContextOption,
        /// TODO-DOC ZipkinTracingProvider.timeout
        pub timeout: Option<Duration>,
        /// TODO-DOC ZipkinTracingProvider.headers
        pub headers: Vec<HttpHeader>,
    }
}

choice! {
    /// `MeshConfig.ExtensionProvider.ZipkinTracingProvider.TraceContextOption`.
    pub enum ZipkinTracingProviderTraceContextOption {
        /// `USE_B3`.
        UseB3 = "USE_B3",
        /// `USE_B3_WITH_W3C_PROPAGATION`.
        UseB3WithW3cPropagation = "USE_B3_WITH_W3C_PROPAGATION",
    }
}

message! {
    /// `MeshConfig.ExtensionProvider.LightstepTracingProvider`.
    pub struct LightstepTracingProvider {
        /// TODO-DOC LightstepTracingProvider.service
        pub service: String,
        /// TODO-DOC LightstepTracingProvider.port
        pub port: u32,
        /// TODO-DOC LightstepTracingProvider.access_token
        pub access_token: Sensitive,
        /// TODO-DOC LightstepTracingProvider.max_tag_length
        pub max_tag_length: u32,
    }
}

message! {
    /// `MeshConfig.ExtensionProvider.DatadogTracingProvider`.
    pub struct DatadogTracingProvider {
        /// TODO-DOC DatadogTracingProvider.service
        pub service: String,
        /// TODO-DOC DatadogTracingProvider.port
        pub port: u32,
        /// TODO-DOC DatadogTracingProvider.max_tag_length
        pub max_tag_length: u32,
    }
}

message! {
    /// `MeshConfig.ExtensionProvider.SkyWalkingTracingProvider`.
    pub struct SkyWalkingTracingProvider {
        /// TODO-DOC SkyWalkingTracingProvider.service
        pub service: String,
        /// TODO-DOC SkyWalkingTracingProvider.port
        pub port: u32,
        /// TODO-DOC SkyWalkingTracingProvider.access_token
        pub access_token: Sensitive,
    }
}

message! {
    /// `MeshConfig.ExtensionProvider.StackdriverProvider`.
    pub struct StackdriverProvider {
        /// TODO-DOC StackdriverProvider.debug
        pub debug: bool,
        /// TODO-DOC StackdriverProvider.max_number_of_attributes
        pub max_number_of_attributes: Option<i64>,
        /// TODO-DOC StackdriverProvider.max_number_of_annotations
        pub max_number_of_annotations: Option<i64>,
        /// TODO-DOC StackdriverProvider.max_number_of_message_events
        pub max_number_of_message_events: Option<i64>,
        /// TODO-DOC StackdriverProvider.max_tag_length
        pub max_tag_length: u32,
        /// TODO-DOC StackdriverProvider.logging
        pub logging: Option<StackdriverProviderLogging>,
    }
}

message! {
    /// `MeshConfig.ExtensionProvider.StackdriverProvider.Logging`.
    pub struct StackdriverProviderLogging {
        /// TODO-DOC Logging.labels
        pub labels: BTreeMap<String, String>,
    }
}

message! {
    /// `MeshConfig.ExtensionProvider.OpenCensusAgentTracingProvider`.
    pub struct OpenCensusAgentTracingProvider {
        /// TODO-DOC OpenCensusAgentTracingProvider.service
        pub service: String,
        /// TODO-DOC OpenCensusAgentTracingProvider.port
        pub port: u32,
        /// TODO-DOC OpenCensusAgentTracingProvider.context
        pub context: Vec<OpenCensusAgentTracingProviderTraceContext>,
        /// TODO-DOC OpenCensusAgentTracingProvider.max_tag_length
        pub max_tag_length: u32,
    }
}

choice! {
    /// `MeshConfig.ExtensionProvider.OpenCensusAgentTracingProvider.TraceContext`.
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
    /// `MeshConfig.ExtensionProvider.PrometheusMetricsProvider`.
    pub struct PrometheusMetricsProvider {
    }
}

message! {
    /// `MeshConfig.ExtensionProvider.EnvoyFileAccessLogProvider`.
    pub struct EnvoyFileAccessLogProvider {
        /// TODO-DOC EnvoyFileAccessLogProvider.path
        pub path: String,
        /// TODO-DOC EnvoyFileAccessLogProvider.log_format
        pub log_format: Option<FileLogFormat>,
        /// TODO-DOC EnvoyFileAccessLogProvider.omit_empty_values
        pub omit_empty_values: bool,
    }
}

message! {
    /// `MeshConfig.ExtensionProvider.EnvoyFileAccessLogProvider.LogFormat`.
    pub struct FileLogFormat {
        /// TODO-DOC LogFormat.text
        pub text: Option<String>,
        /// TODO-DOC LogFormat.labels
        pub labels: Option<BTreeMap<String, serde_json::Value>>,
    }
}

message! {
    /// `MeshConfig.ExtensionProvider.EnvoyHttpGrpcV3LogProvider`.
    pub struct EnvoyHttpGrpcV3LogProvider {
        /// TODO-DOC EnvoyHttpGrpcV3LogProvider.service
        pub service: String,
        /// TODO-DOC EnvoyHttpGrpcV3LogProvider.port
        pub port: u32,
        /// TODO-DOC EnvoyHttpGrpcV3LogProvider.log_name
        pub log_name: String,
        /// TODO-DOC EnvoyHttpGrpcV3LogProvider.filter_state_objects_to_log
        pub filter_state_objects_to_log: Vec<String>,
        /// TODO-DOC EnvoyHttpGrpcV3LogProvider.additional_request_headers_to_log
        pub additional_request_headers_to_log: Vec<String>,
        /// TODO-DOC EnvoyHttpGrpcV3LogProvider.additional_response_headers_to_log
        pub additional_response_headers_to_log: Vec<String>,
        /// TODO-DOC EnvoyHttpGrpcV3LogProvider.additional_response_trailers_to_log
        pub additional_response_trailers_to_log: Vec<String>,
    }
}

message! {
    /// `MeshConfig.ExtensionProvider.EnvoyTcpGrpcV3LogProvider`.
    pub struct EnvoyTcpGrpcV3LogProvider {
        /// TODO-DOC EnvoyTcpGrpcV3LogProvider.service
        pub service: String,
        /// TODO-DOC EnvoyTcpGrpcV3LogProvider.port
        pub port: u32,
        /// TODO-DOC EnvoyTcpGrpcV3LogProvider.log_name
        pub log_name: String,
        /// TODO-DOC EnvoyTcpGrpcV3LogProvider.filter_state_objects_to_log
        pub filter_state_objects_to_log: Vec<String>,
    }
}

message! {
    /// `MeshConfig.ExtensionProvider.EnvoyOpenTelemetryLogProvider`.
    pub struct EnvoyOpenTelemetryLogProvider {
        /// TODO-DOC EnvoyOpenTelemetryLogProvider.service
        pub service: String,
        /// TODO-DOC EnvoyOpenTelemetryLogProvider.port
        pub port: u32,
        /// TODO-DOC EnvoyOpenTelemetryLogProvider.log_name
        pub log_name: String,
        /// TODO-DOC EnvoyOpenTelemetryLogProvider.log_format
        pub log_format: Option<OpenTelemetryLogFormat>,
    }
}

message! {
    /// `MeshConfig.ExtensionProvider.EnvoyOpenTelemetryLogProvider.LogFormat`.
    pub struct OpenTelemetryLogFormat {
        /// TODO-DOC LogFormat.text
        pub text: String,
        /// TODO-DOC LogFormat.labels
        pub labels: Option<BTreeMap<String, serde_json::Value>>,
    }
}

message! {
    /// `MeshConfig.ExtensionProvider.OpenTelemetryTracingProvider`.
    pub struct OpenTelemetryTracingProvider {
        /// TODO-DOC OpenTelemetryTracingProvider.service
        pub service: String,
        /// TODO-DOC OpenTelemetryTracingProvider.port
        pub port: u32,
        /// TODO-DOC OpenTelemetryTracingProvider.max_tag_length
        pub max_tag_length: u32,
        /// TODO-DOC OpenTelemetryTracingProvider.http
        pub http: Option<HttpService>,
        /// TODO-DOC OpenTelemetryTracingProvider.grpc
        pub grpc: Option<GrpcService>,
        /// TODO-DOC OpenTelemetryTracingProvider.resource_detectors
        pub resource_detectors: Option<ResourceDetectors>,
        /// TODO-DOC OpenTelemetryTracingProvider.service_attribute_enrichment
        pub service_attribute_enrichment: ServiceAttributeEnrichment,
        /// TODO-DOC OpenTelemetryTracingProvider.dynatrace_sampler
        pub dynatrace_sampler: Option<DynatraceSampler>,
    }
}

message! {
    /// `MeshConfig.ExtensionProvider.OpenTelemetryTracingProvider.DynatraceSampler`.
    pub struct DynatraceSampler {
        /// TODO-DOC DynatraceSampler.tenant
        pub tenant: String,
        /// TODO-DOC DynatraceSampler.cluster_id
        pub cluster_id: i32,
        /// TODO-DOC DynatraceSampler.root_spans_per_minute
        pub root_spans_per_minute: u32,
        /// TODO-DOC DynatraceSampler.http_service
        pub http_service: Option<DynatraceApi>,
    }
}

message! {
    /// `MeshConfig.ExtensionProvider.OpenTelemetryTracingProvider.DynatraceSampler.DynatraceApi`.
    pub struct DynatraceApi {
        /// TODO-DOC DynatraceApi.service
        pub service: String,
        /// TODO-DOC DynatraceApi.port
        pub port: u32,
        /// TODO-DOC DynatraceApi.http
        pub http: Option<HttpService>,
    }
}

message! {
    /// `MeshConfig.ExtensionProvider.SDSProvider`.
    pub struct SdsProvider {
        /// TODO-DOC SDSProvider.name
        pub name: String,
        /// TODO-DOC SDSProvider.service
        pub service: String,
        /// TODO-DOC SDSProvider.port
        pub port: u32,
    }
}

message! {
    /// `MeshConfig.ExtensionProvider.HttpService`.
    pub struct HttpService {
        /// TODO-DOC HttpService.path
        pub path: String,
        /// TODO-DOC HttpService.timeout
        pub timeout: Option<Duration>,
        /// TODO-DOC HttpService.headers
        pub headers: Vec<HttpHeader>,
    }
}

message! {
    /// `MeshConfig.ExtensionProvider.HttpHeader`.
    pub struct HttpHeader {
        /// TODO-DOC HttpHeader.name
        pub name: String,
        /// TODO-DOC HttpHeader.value
        pub value: Option<String>,
        /// TODO-DOC HttpHeader.env_name
        pub env_name: Option<String>,
    }
}

message! {
    /// `MeshConfig.ExtensionProvider.ResourceDetectors`.
    pub struct ResourceDetectors {
        /// TODO-DOC ResourceDetectors.environment
        pub environment: Option<EnvironmentResourceDetector>,
        /// TODO-DOC ResourceDetectors.dynatrace
        pub dynatrace: Option<DynatraceResourceDetector>,
    }
}

message! {
    /// `MeshConfig.ExtensionProvider.ResourceDetectors.EnvironmentResourceDetector`.
    pub struct EnvironmentResourceDetector {
    }
}

message! {
    /// `MeshConfig.ExtensionProvider.ResourceDetectors.DynatraceResourceDetector`.
    pub struct DynatraceResourceDetector {
    }
}

message! {
    /// `MeshConfig.ExtensionProvider.GrpcService`.
    pub struct GrpcService {
        /// TODO-DOC GrpcService.timeout
        pub timeout: Option<Duration>,
        /// TODO-DOC GrpcService.initial_metadata
        pub initial_metadata: Vec<HttpHeader>,
    }
}
