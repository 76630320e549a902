//! Telemetry: access logs, metrics and traces by workload.

use std::collections::BTreeMap;

use super::macros::choice;
use super::macros::message;
use super::{PolicySelector, PolicyTargetReference};
use crate::Duration;

choice! {
    /// `WorkloadMode`.
    pub enum WorkloadMode {
        /// `CLIENT_AND_SERVER`.
        ClientAndServer = "CLIENT_AND_SERVER",
        /// `CLIENT`.
        Client = "CLIENT",
        /// `SERVER`.
        Server = "SERVER",
    }
}

message! {
    /// `Telemetry`.
    pub struct Telemetry {
        /// TODO-DOC Telemetry.selector
        pub selector: Option<PolicySelector>,
        /// TODO-DOC Telemetry.targetRef
        pub target_ref: Option<PolicyTargetReference>,
        /// TODO-DOC Telemetry.targetRefs
        pub target_refs: Vec<PolicyTargetReference>,
        /// TODO-DOC Telemetry.tracing
        pub tracing: Vec<Tracing>,
        /// TODO-DOC Telemetry.metrics
        pub metrics: Vec<Metrics>,
        /// TODO-DOC Telemetry.access_logging
        pub access_logging: Vec<AccessLogging>,
    }
}

message! {
    /// `Tracing`.
    pub struct Tracing {
        /// TODO-DOC Tracing.match
        pub r#match: Option<TracingSelector>,
        /// TODO-DOC Tracing.providers
        pub providers: Vec<ProviderRef>,
        /// TODO-DOC Tracing.random_sampling_percentage
        pub random_sampling_percentage: Option<f64>,
        /// TODO-DOC Tracing.disable_span_reporting
        pub disable_span_reporting: Option<bool>,
        /// TODO-DOC Tracing.custom_tags
        pub custom_tags: BTreeMap<String, TracingTag>,
        /// TODO-DOC Tracing.use_request_id_for_trace_sampling
        pub use_request_id_for_trace_sampling: Option<bool>,
        /// TODO-DOC Tracing.enable_istio_tags
        pub enable_istio_tags: Option<bool>,
        /// TODO-DOC Tracing.disable_context_propagation
        pub disable_context_propagation: Option<bool>,
    }
}

message! {
    /// `Tracing.TracingSelector`.
    pub struct TracingSelector {
        /// TODO-DOC TracingSelector.mode
        pub mode: WorkloadMode,
    }
}

message! {
    /// `Tracing.CustomTag`.
    pub struct TracingTag {
        /// TODO-DOC CustomTag.literal
        pub literal: Option<TagLiteral>,
        /// TODO-DOC CustomTag.environment
        pub environment: Option<TagEnvironment>,
        /// TODO-DOC CustomTag.header
        pub header: Option<TagRequestHeader>,
        /// TODO-DOC CustomTag.formatter
        pub formatter: Option<TagFormatter>,
    }
}

message! {
    /// `Tracing.Literal`.
    pub struct TagLiteral {
        /// TODO-DOC Literal.value
        pub value: String,
    }
}

message! {
    /// `Tracing.Environment`.
    pub struct TagEnvironment {
        /// TODO-DOC Environment.name
        pub name: String,
        /// TODO-DOC Environment.default_value
        pub default_value: String,
    }
}

message! {
    /// `Tracing.RequestHeader`.
    pub struct TagRequestHeader {
        /// TODO-DOC RequestHeader.name
        pub name: String,
        /// TODO-DOC RequestHeader.default_value
        pub default_value: String,
    }
}

message! {
    /// `Tracing.Formatter`.
    pub struct TagFormatter {
        /// TODO-DOC Formatter.value
        pub value: String,
    }
}

message! {
    /// `ProviderRef`.
    pub struct ProviderRef {
        /// TODO-DOC ProviderRef.name
        pub name: String,
    }
}

message! {
    /// `Metrics`.
    pub struct Metrics {
        /// TODO-DOC Metrics.providers
        pub providers: Vec<ProviderRef>,
        /// TODO-DOC Metrics.overrides
        pub overrides: Vec<MetricsOverrides>,
        /// TODO-DOC Metrics.reporting_interval
        pub reporting_interval: Option<Duration>,
    }
}

message! {
    /// `MetricSelector`.
    pub struct MetricSelector {
        /// TODO-DOC MetricSelector.metric
        pub metric: Option<IstioMetric>,
        /// TODO-DOC MetricSelector.custom_metric
        pub custom_metric: Option<String>,
        /// TODO-DOC MetricSelector.mode
        pub mode: WorkloadMode,
    }
}

choice! {
    /// `MetricSelector.IstioMetric`.
    pub enum IstioMetric {
        /// `ALL_METRICS`.
        AllMetrics = "ALL_METRICS",
        /// `REQUEST_COUNT`.
        RequestCount = "REQUEST_COUNT",
        /// `REQUEST_DURATION`.
        RequestDuration = "REQUEST_DURATION",
        /// `REQUEST_SIZE`.
        RequestSize = "REQUEST_SIZE",
        /// `RESPONSE_SIZE`.
        ResponseSize = "RESPONSE_SIZE",
        /// `TCP_OPENED_CONNECTIONS`.
        TcpOpenedConnections = "TCP_OPENED_CONNECTIONS",
        /// `TCP_CLOSED_CONNECTIONS`.
        TcpClosedConnections = "TCP_CLOSED_CONNECTIONS",
        /// `TCP_SENT_BYTES`.
        TcpSentBytes = "TCP_SENT_BYTES",
        /// `TCP_RECEIVED_BYTES`.
        TcpReceivedBytes = "TCP_RECEIVED_BYTES",
        /// `GRPC_REQUEST_MESSAGES`.
        GrpcRequestMessages = "GRPC_REQUEST_MESSAGES",
        /// `GRPC_RESPONSE_MESSAGES`.
        GrpcResponseMessages = "GRPC_RESPONSE_MESSAGES",
    }
}

message! {
    /// `MetricsOverrides`.
    pub struct MetricsOverrides {
        /// TODO-DOC MetricsOverrides.match
        pub r#match: Option<MetricSelector>,
        /// TODO-DOC MetricsOverrides.disabled
        pub disabled: Option<bool>,
        /// TODO-DOC MetricsOverrides.tag_overrides
        pub tag_overrides: BTreeMap<String, TagOverride>,
    }
}

message! {
    /// `MetricsOverrides.TagOverride`.
    pub struct TagOverride {
        /// TODO-DOC TagOverride.operation
        pub operation: TagOperation,
        /// TODO-DOC TagOverride.value
        pub value: String,
    }
}

choice! {
    /// `MetricsOverrides.TagOverride.Operation`.
    pub enum TagOperation {
        /// `UPSERT`.
        Upsert = "UPSERT",
        /// `REMOVE`.
        Remove = "REMOVE",
    }
}

message! {
    /// `AccessLogging`.
    pub struct AccessLogging {
        /// TODO-DOC AccessLogging.match
        pub r#match: Option<LogSelector>,
        /// TODO-DOC AccessLogging.providers
        pub providers: Vec<ProviderRef>,
        /// TODO-DOC AccessLogging.disabled
        pub disabled: Option<bool>,
        /// TODO-DOC AccessLogging.filter
        pub filter: Option<LogFilter>,
    }
}

message! {
    /// `AccessLogging.LogSelector`.
    pub struct LogSelector {
        /// TODO-DOC LogSelector.mode
        pub mode: WorkloadMode,
    }
}

message! {
    /// `AccessLogging.Filter`.
    pub struct LogFilter {
        /// TODO-DOC Filter.expression
        pub expression: String,
    }
}
