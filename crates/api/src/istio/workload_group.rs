//! The readiness probe of WorkloadGroup, which the proxy settings share.

use super::macros::message;

message! {
    /// Istio's `ReadinessProbe`.
    pub struct ReadinessProbe {
        /// Seconds before the first probe.
        pub initial_delay_seconds: i32,
        /// Seconds that a probe may take.
        pub timeout_seconds: i32,
        /// Seconds between two probes.
        pub period_seconds: i32,
        /// Successes in a row until it is ready.
        pub success_threshold: i32,
        /// Failures in a row until it is not.
        pub failure_threshold: i32,
        /// An HTTP request.
        pub http_get: Option<HttpHealthCheckConfig>,
        /// A connection.
        pub tcp_socket: Option<TcpHealthCheckConfig>,
        /// A command.
        pub exec: Option<ExecHealthCheckConfig>,
        /// A gRPC health check.
        pub grpc: Option<GrpcHealthCheckConfig>,
    }
}

message! {
    /// Istio's `HTTPHealthCheckConfig`.
    #[serde(rename = "HTTPHealthCheckConfig")]
    pub struct HttpHealthCheckConfig {
        /// Path.
        pub path: String,
        /// The port.
        pub port: u32,
        /// Host.
        pub host: String,
        /// `HTTP` or `HTTPS`.
        pub scheme: String,
        /// Headers to send.
        pub http_headers: Vec<HttpHeader>,
    }
}

message! {
    /// Istio's `GrpcHealthCheckConfig`.
    pub struct GrpcHealthCheckConfig {
        /// The port.
        pub port: u32,
        /// Name of the service.
        pub service: String,
    }
}

message! {
    /// Istio's `HTTPHeader`.
    #[serde(rename = "HTTPHeader")]
    pub struct HttpHeader {
        /// Its name.
        pub name: String,
        /// The value.
        pub value: String,
    }
}

message! {
    /// Istio's `TCPHealthCheckConfig`.
    #[serde(rename = "TCPHealthCheckConfig")]
    pub struct TcpHealthCheckConfig {
        /// Host.
        pub host: String,
        /// The port.
        pub port: u32,
    }
}

message! {
    /// Istio's `ExecHealthCheckConfig`.
    pub struct ExecHealthCheckConfig {
        /// The command and its arguments.
        pub command: Vec<String>,
    }
}
