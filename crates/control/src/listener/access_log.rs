//! Access logs as `MeshConfig` and `Telemetry` ask for them.

use envoy_types::pb::envoy::extensions::access_loggers::file::v3::{
    FileAccessLog, file_access_log::AccessLogFormat,
};

use crate::mesh_view::telemetry::{AccessLogFile, LogFormat};
use crate::pb::{Struct, accesslog_v3, any, core_v3, json_value};
use accesslog_v3::{
    AccessLog, AccessLogFilter, ResponseFlagFilter, access_log::ConfigType,
    access_log_filter::FilterSpecifier,
};

/// Istio's text format (`pilot/pkg/model/telemetry_logging.go`, `EnvoyTextLogFormat`).
pub(crate) const DEFAULT_TEXT_FORMAT: &str = "[%START_TIME%] \"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% \
%PROTOCOL%\" %RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% \
\"%UPSTREAM_TRANSPORT_FAILURE_REASON%\" %BYTES_RECEIVED% %BYTES_SENT% %DURATION% \
%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% \"%REQ(X-FORWARDED-FOR)%\" \"%REQ(USER-AGENT)%\" \"%REQ(X-REQUEST-ID)%\" \
\"%REQ(:AUTHORITY)%\" \"%UPSTREAM_HOST%\" %UPSTREAM_CLUSTER_RAW% %UPSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% \
%DOWNSTREAM_REMOTE_ADDRESS% %REQUESTED_SERVER_NAME% %ROUTE_NAME%\n";

/// Istio's JSON format: the same facts under these keys (`EnvoyJSONLogFormatIstio`).
pub(crate) const DEFAULT_JSON_FORMAT: &[(&str, &str)] = &[
    ("authority", "%REQ(:AUTHORITY)%"),
    ("bytes_received", "%BYTES_RECEIVED%"),
    ("bytes_sent", "%BYTES_SENT%"),
    (
        "connection_termination_details",
        "%CONNECTION_TERMINATION_DETAILS%",
    ),
    ("downstream_local_address", "%DOWNSTREAM_LOCAL_ADDRESS%"),
    ("downstream_remote_address", "%DOWNSTREAM_REMOTE_ADDRESS%"),
    ("duration", "%DURATION%"),
    ("method", "%REQ(:METHOD)%"),
    ("path", "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%"),
    ("protocol", "%PROTOCOL%"),
    ("request_id", "%REQ(X-REQUEST-ID)%"),
    ("requested_server_name", "%REQUESTED_SERVER_NAME%"),
    ("response_code", "%RESPONSE_CODE%"),
    ("response_code_details", "%RESPONSE_CODE_DETAILS%"),
    ("response_flags", "%RESPONSE_FLAGS%"),
    ("route_name", "%ROUTE_NAME%"),
    ("start_time", "%START_TIME%"),
    ("upstream_cluster", "%UPSTREAM_CLUSTER_RAW%"),
    ("upstream_host", "%UPSTREAM_HOST%"),
    ("upstream_local_address", "%UPSTREAM_LOCAL_ADDRESS%"),
    (
        "upstream_service_time",
        "%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%",
    ),
    (
        "upstream_transport_failure_reason",
        "%UPSTREAM_TRANSPORT_FAILURE_REASON%",
    ),
    ("user_agent", "%REQ(USER-AGENT)%"),
    ("x_forwarded_for", "%REQ(X-FORWARDED-FOR)%"),
];

/// The log of requests or connections.
pub(crate) fn per_request(files: &[AccessLogFile]) -> Vec<AccessLog> {
    files.iter().map(|file| log(file, None)).collect()
}

/// A listener's own log: only connections that no filter chain took, which nothing else would log
/// (`pilot/pkg/networking/core/accesslog.go`, `listenerAccessLogFilter`).
pub(crate) fn per_listener(files: &[AccessLogFile]) -> Vec<AccessLog> {
    let unmatched = || {
        Some(AccessLogFilter {
            filter_specifier: Some(FilterSpecifier::ResponseFlagFilter(ResponseFlagFilter {
                flags: vec!["NR".to_owned()],
            })),
        })
    };
    files.iter().map(|file| log(file, unmatched())).collect()
}

fn log(file: &AccessLogFile, filter: Option<AccessLogFilter>) -> AccessLog {
    AccessLog {
        name: "envoy.access_loggers.file".to_owned(),
        filter,
        config_type: Some(ConfigType::TypedConfig(any(&message(file)))),
    }
}

fn message(file: &AccessLogFile) -> FileAccessLog {
    use core_v3::substitution_format_string::Format;
    let format = match &file.format {
        LogFormat::Text(text) => Format::TextFormatSource(core_v3::DataSource {
            specifier: Some(core_v3::data_source::Specifier::InlineString(
                text.to_string(),
            )),
            ..Default::default()
        }),
        LogFormat::Json(fields) => Format::JsonFormat(Struct {
            fields: fields
                .iter()
                .map(|(key, value)| (key.clone(), json_value(value)))
                .collect(),
        }),
    };
    FileAccessLog {
        path: file.path.to_string(),
        access_log_format: Some(AccessLogFormat::LogFormat(
            core_v3::SubstitutionFormatString {
                format: Some(format),
                ..Default::default()
            },
        )),
    }
}
