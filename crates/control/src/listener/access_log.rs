//! Access logs as `MeshConfig` and `Telemetry` ask for them.

use envoy_types::pb::envoy::extensions::access_loggers::file::v3::FileAccessLog;
use prost::{Message, Name};

use crate::mesh_view::telemetry::{AccessLogFile, LogFormat};
use crate::pb::{Any, accesslog_v3};
use accesslog_v3::{
    AccessLog, AccessLogFilter, ResponseFlagFilter, access_log::ConfigType, access_log_filter::FilterSpecifier,
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
    ("connection_termination_details", "%CONNECTION_TERMINATION_DETAILS%"),
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
    ("upstream_service_time", "%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%"),
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
        config_type: Some(ConfigType::TypedConfig(Any {
            type_url: FileAccessLog::type_url(),
            value: SortedFileAccessLog::of(file).encode_to_vec(),
        })),
    }
}

/// `envoy.extensions.access_loggers.file.v3.FileAccessLog`, with the JSON format's fields in a list: a map would be
/// encoded in an order of its own.
#[derive(Clone, PartialEq, Message)]
struct SortedFileAccessLog {
    #[prost(string, tag = "1")]
    path: String,
    #[prost(message, optional, tag = "5")]
    log_format: Option<SortedFormat>,
}

/// `envoy.config.core.v3.SubstitutionFormatString`
#[derive(Clone, PartialEq, Message)]
struct SortedFormat {
    #[prost(message, optional, tag = "2")]
    json_format: Option<SortedStruct>,
    #[prost(message, optional, tag = "5")]
    text_format_source: Option<crate::pb::core_v3::DataSource>,
}

/// `google.protobuf.Struct`
#[derive(Clone, PartialEq, Message)]
struct SortedStruct {
    #[prost(message, repeated, tag = "1")]
    fields: Vec<SortedField>,
}

#[derive(Clone, PartialEq, Message)]
struct SortedField {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(message, optional, tag = "2")]
    value: Option<SortedValue>,
}

/// `google.protobuf.Value`
#[derive(Clone, PartialEq, Message)]
struct SortedValue {
    #[prost(oneof = "SortedKind", tags = "1, 2, 3, 4, 5, 6")]
    kind: Option<SortedKind>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum SortedKind {
    #[prost(int32, tag = "1")]
    Null(i32),
    #[prost(double, tag = "2")]
    Number(f64),
    #[prost(string, tag = "3")]
    Text(String),
    #[prost(bool, tag = "4")]
    Bool(bool),
    #[prost(message, tag = "5")]
    Fields(SortedStruct),
    #[prost(message, tag = "6")]
    List(SortedList),
}

/// `google.protobuf.ListValue`
#[derive(Clone, PartialEq, Message)]
struct SortedList {
    #[prost(message, repeated, tag = "1")]
    values: Vec<SortedValue>,
}

impl SortedStruct {
    fn of<'a>(fields: impl Iterator<Item = (&'a String, &'a serde_json::Value)>) -> Self {
        let mut fields: Vec<_> = fields.collect();
        fields.sort_by_key(|(key, _)| *key);
        Self {
            fields: fields
                .into_iter()
                .map(|(key, value)| SortedField {
                    key: key.clone(),
                    value: Some(SortedValue::of(value)),
                })
                .collect(),
        }
    }
}

impl SortedValue {
    fn of(value: &serde_json::Value) -> Self {
        use serde_json::Value;
        let kind = match value {
            Value::Null => SortedKind::Null(0),
            Value::Bool(value) => SortedKind::Bool(*value),
            Value::Number(number) => SortedKind::Number(number.as_f64().unwrap_or_default()),
            Value::String(text) => SortedKind::Text(text.clone()),
            Value::Array(values) => SortedKind::List(SortedList {
                values: values.iter().map(Self::of).collect(),
            }),
            Value::Object(fields) => SortedKind::Fields(SortedStruct::of(fields.iter())),
        };
        Self { kind: Some(kind) }
    }
}

impl SortedFileAccessLog {
    fn of(file: &AccessLogFile) -> Self {
        let format = match &file.format {
            LogFormat::Text(text) => SortedFormat {
                json_format: None,
                text_format_source: Some(crate::pb::core_v3::DataSource {
                    specifier: Some(crate::pb::core_v3::data_source::Specifier::InlineString(
                        text.to_string(),
                    )),
                    ..Default::default()
                }),
            },
            LogFormat::Json(fields) => SortedFormat {
                json_format: Some(SortedStruct::of(fields.iter())),
                text_format_source: None,
            },
        };
        Self {
            path: file.path.to_string(),
            log_format: Some(format),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn the_sorted_form_is_envoys_message() {
        let file = AccessLogFile {
            path: "/dev/stdout".into(),
            format: LogFormat::Json(BTreeMap::from([("a".into(), "%DURATION%".into())])),
        };
        let decoded = FileAccessLog::decode(SortedFileAccessLog::of(&file).encode_to_vec().as_slice()).unwrap();
        assert_eq!(decoded.path, "/dev/stdout");
        assert!(format!("{:?}", decoded.access_log_format).contains("JsonFormat"));
    }
}
