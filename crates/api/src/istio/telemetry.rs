//! Telemetry: access logs, metrics and traces by workload.

use std::collections::BTreeMap;

use super::macros::{choice, message};
use super::{PolicySelector, PolicyTargetReference};
use crate::Duration;

choice! {
    /// Istio's `WorkloadMode`.
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
    /// Istio's `Telemetry`.
    pub struct Telemetry {
        /// Workloads it is about; none means all of the namespace.
        pub selector: Option<PolicySelector>,
        /// Deprecated; see `target_refs`.
        pub target_ref: Option<PolicyTargetReference>,
        /// Objects it attaches to.
        pub target_refs: Vec<PolicyTargetReference>,
        /// Traces.
        pub tracing: Vec<Tracing>,
        /// Metrics.
        pub metrics: Vec<Metrics>,
        /// Access logs.
        pub access_logging: Vec<AccessLogging>,
    }
}

message! {
    /// Istio's `Tracing`.
    pub struct Tracing {
        /// When it applies.
        pub r#match: Option<TracingSelector>,
        /// Names of extension providers in MeshConfig.
        pub providers: Vec<ProviderRef>,
        /// Share of the requests, in percent.
        pub random_sampling_percentage: Option<f64>,
        /// Makes no spans, but passes the context on.
        pub disable_span_reporting: Option<bool>,
        /// Tags of each span, by name.
        pub custom_tags: BTreeMap<String, TracingTag>,
        /// Decides by the request id.
        pub use_request_id_for_trace_sampling: Option<bool>,
        /// Whether spans carry Istio's own tags.
        pub enable_istio_tags: Option<bool>,
        /// Passes no context on.
        pub disable_context_propagation: Option<bool>,
    }
}

message! {
    /// Istio's `Tracing.TracingSelector`.
    #[serde(rename = "Tracing.TracingSelector")]
    pub struct TracingSelector {
        /// The mode.
        pub mode: WorkloadMode,
    }
}

message! {
    /// Istio's `Tracing.CustomTag`.
    #[serde(rename = "Tracing.CustomTag")]
    pub struct TracingTag {
        /// A fixed value.
        pub literal: Option<TagLiteral>,
        /// An environment variable.
        pub environment: Option<TagEnvironment>,
        /// A header of the request.
        pub header: Option<TagRequestHeader>,
        /// A format with command operators.
        pub formatter: Option<TagFormatter>,
    }
}

message! {
    /// Istio's `Tracing.Literal`.
    #[serde(rename = "Tracing.Literal")]
    pub struct TagLiteral {
        /// The value.
        pub value: String,
    }
}

message! {
    /// Istio's `Tracing.Environment`.
    #[serde(rename = "Tracing.Environment")]
    pub struct TagEnvironment {
        /// Its name.
        pub name: String,
        /// Value where there is none.
        pub default_value: String,
    }
}

message! {
    /// Istio's `Tracing.RequestHeader`.
    #[serde(rename = "Tracing.RequestHeader")]
    pub struct TagRequestHeader {
        /// Its name.
        pub name: String,
        /// Value where there is none.
        pub default_value: String,
    }
}

message! {
    /// Istio's `Tracing.Formatter`.
    #[serde(rename = "Tracing.Formatter")]
    pub struct TagFormatter {
        /// The value.
        pub value: String,
    }
}

message! {
    /// Istio's `ProviderRef`.
    pub struct ProviderRef {
        /// Its name.
        pub name: String,
    }
}

message! {
    /// Istio's `Metrics`.
    pub struct Metrics {
        /// Names of extension providers in MeshConfig.
        pub providers: Vec<ProviderRef>,
        /// Changes of metrics and their tags.
        pub overrides: Vec<MetricsOverrides>,
        /// How often TCP metrics are reported.
        pub reporting_interval: Option<Duration>,
    }
}

message! {
    /// Istio's `MetricSelector`.
    pub struct MetricSelector {
        /// One of Istio's metrics.
        pub metric: Option<IstioMetric>,
        /// Any metric, by name.
        pub custom_metric: Option<String>,
        /// The mode.
        pub mode: WorkloadMode,
    }
}

choice! {
    /// Istio's `MetricSelector.IstioMetric`.
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
    /// Istio's `MetricsOverrides`.
    pub struct MetricsOverrides {
        /// When it applies.
        pub r#match: Option<MetricSelector>,
        /// Turns it off.
        pub disabled: Option<bool>,
        /// Changes by tag.
        pub tag_overrides: BTreeMap<String, TagOverride>,
    }
}

message! {
    /// Istio's `MetricsOverrides.TagOverride`.
    #[serde(rename = "MetricsOverrides.TagOverride")]
    pub struct TagOverride {
        /// What to do with the tag.
        pub operation: TagOperation,
        /// Its expression.
        pub value: String,
    }
}

choice! {
    /// Istio's `MetricsOverrides.TagOverride.Operation`.
    pub enum TagOperation {
        /// `UPSERT`.
        Upsert = "UPSERT",
        /// `REMOVE`.
        Remove = "REMOVE",
    }
}

message! {
    /// Istio's `AccessLogging`.
    pub struct AccessLogging {
        /// When it applies.
        pub r#match: Option<LogSelector>,
        /// Names of extension providers in MeshConfig.
        pub providers: Vec<ProviderRef>,
        /// Turns it off.
        pub disabled: Option<bool>,
        /// Which requests are logged.
        pub filter: Option<LogFilter>,
    }
}

message! {
    /// Istio's `AccessLogging.LogSelector`.
    #[serde(rename = "AccessLogging.LogSelector")]
    pub struct LogSelector {
        /// The mode.
        pub mode: WorkloadMode,
    }
}

message! {
    /// Istio's `AccessLogging.Filter`.
    #[serde(rename = "AccessLogging.Filter")]
    pub struct LogFilter {
        /// An expression in CEL.
        pub expression: String,
    }
}
