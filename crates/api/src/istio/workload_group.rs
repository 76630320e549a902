//! The readiness probe of WorkloadGroup, which the proxy settings share.

use super::macros::message;

message! {
    /// `ReadinessProbe`.
    pub struct ReadinessProbe {
        /// TODO-DOC ReadinessProbe.initial_delay_seconds
        pub initial_delay_seconds: i32,
        /// TODO-DOC ReadinessProbe.timeout_seconds
        pub timeout_seconds: i32,
        /// TODO-DOC ReadinessProbe.period_seconds
        pub period_seconds: i32,
        /// TODO-DOC ReadinessProbe.success_threshold
        pub success_threshold: i32,
        /// TODO-DOC ReadinessProbe.failure_threshold
        pub failure_threshold: i32,
        /// TODO-DOC ReadinessProbe.http_get
        pub http_get: Option<HttpHealthCheckConfig>,
        /// TODO-DOC ReadinessProbe.tcp_socket
        pub tcp_socket: Option<TcpHealthCheckConfig>,
        /// TODO-DOC ReadinessProbe.exec
        pub exec: Option<ExecHealthCheckConfig>,
        /// TODO-DOC ReadinessProbe.grpc
        pub grpc: Option<GrpcHealthCheckConfig>,
    }
}

message! {
    /// `HTTPHealthCheckConfig`.
    pub struct HttpHealthCheckConfig {
        /// TODO-DOC HTTPHealthCheckConfig.path
        pub path: String,
        /// TODO-DOC HTTPHealthCheckConfig.port
        pub port: u32,
        /// TODO-DOC HTTPHealthCheckConfig.host
        pub host: String,
        /// TODO-DOC HTTPHealthCheckConfig.scheme
        pub scheme: String,
        /// TODO-DOC HTTPHealthCheckConfig.http_headers
        pub http_headers: Vec<HttpHeader>,
    }
}

message! {
    /// `GrpcHealthCheckConfig`.
    pub struct GrpcHealthCheckConfig {
        /// TODO-DOC GrpcHealthCheckConfig.port
        pub port: u32,
        /// TODO-DOC GrpcHealthCheckConfig.service
        pub service: String,
    }
}

message! {
    /// `HTTPHeader`.
    pub struct HttpHeader {
        /// TODO-DOC HTTPHeader.name
        pub name: String,
        /// TODO-DOC HTTPHeader.value
        pub value: String,
    }
}

message! {
    /// `TCPHealthCheckConfig`.
    pub struct TcpHealthCheckConfig {
        /// TODO-DOC TCPHealthCheckConfig.host
        pub host: String,
        /// TODO-DOC TCPHealthCheckConfig.port
        pub port: u32,
    }
}

message! {
    /// `ExecHealthCheckConfig`.
    pub struct ExecHealthCheckConfig {
        /// TODO-DOC ExecHealthCheckConfig.command
        pub command: Vec<String>,
    }
}
