//! Access logs and their filters.

use std::sync::Arc;

use xds::envoy::config::accesslog::v3 as pb;
use xds::envoy::config::core::v3 as core;
use xds::envoy::extensions::access_loggers::file::v3 as file;
use xds::envoy::extensions::access_loggers::stream::v3 as stream;

use super::common::{data_source, fractional_percent, structure, type_name, unpack};
use super::{At, Result, matcher};
use crate::config::access_log::{AccessLog, Comparison, LogFilter, LogFormat, LogSink};
use crate::config::format::{DEFAULT_TEXT, JsonTemplate, Program};
use crate::config::matcher::Fraction;

pub(super) fn compile_all(
    at: &At<'_>,
    name: &str,
    logs: &[pb::AccessLog],
) -> Result<Vec<Arc<AccessLog>>> {
    logs.iter()
        .enumerate()
        .map(|(i, log)| compile(&at.item(name, i), log).map(Arc::new))
        .collect()
}

fn compile(at: &At<'_>, log: &pb::AccessLog) -> Result<AccessLog> {
    let any = match &log.config_type {
        Some(pb::access_log::ConfigType::TypedConfig(any)) => any,
        None => return Err(at.field("typed_config").missing()),
    };
    let filter = log
        .filter
        .as_ref()
        .map(|value| filter(&at.field("filter"), value, 0))
        .transpose()?;
    let at = at.field("typed_config");
    let (sink, format) = if let Some(config) = unpack::<file::FileAccessLog>(&at, any)? {
        let sink = match config.path.as_str() {
            "" => return Err(at.field("path").missing()),
            "/dev/stdout" => LogSink::Stdout,
            "/dev/stderr" => LogSink::Stderr,
            path => LogSink::File(path.into()),
        };
        (sink, file_format(&at, config.access_log_format.as_ref())?)
    } else if let Some(config) = unpack::<stream::StdoutAccessLog>(&at, any)? {
        use stream::stdout_access_log::AccessLogFormat::LogFormat as Custom;
        (
            LogSink::Stdout,
            stream_format(
                &at,
                config
                    .access_log_format
                    .map(|Custom(format)| format)
                    .as_ref(),
            )?,
        )
    } else if let Some(config) = unpack::<stream::StderrAccessLog>(&at, any)? {
        use stream::stderr_access_log::AccessLogFormat::LogFormat as Custom;
        (
            LogSink::Stderr,
            stream_format(
                &at,
                config
                    .access_log_format
                    .map(|Custom(format)| format)
                    .as_ref(),
            )?,
        )
    } else {
        return Err(at.error(format_args!(
            "access log {} is not supported by ferromesh-proxy",
            type_name(any)
        )));
    };
    Ok(AccessLog {
        name: log.name.as_str().into(),
        sink,
        format,
        filter,
    })
}

fn default_format(at: &At<'_>) -> Result<LogFormat> {
    Program::parse(DEFAULT_TEXT, false)
        .map(LogFormat::Text)
        .map_err(|error| at.error(error))
}

fn stream_format(
    at: &At<'_>,
    format: Option<&core::SubstitutionFormatString>,
) -> Result<LogFormat> {
    match format {
        Some(format) => substitution(&at.field("log_format"), format),
        None => default_format(at),
    }
}

#[expect(deprecated, reason = "the older forms are still in use")]
fn file_format(
    at: &At<'_>,
    format: Option<&file::file_access_log::AccessLogFormat>,
) -> Result<LogFormat> {
    use file::file_access_log::AccessLogFormat as Format;
    match format {
        None => default_format(at),
        Some(Format::Format(text)) if text.is_empty() => default_format(at),
        Some(Format::Format(text)) => Program::parse(text, false)
            .map(LogFormat::Text)
            .map_err(|error| at.field("format").error(error)),
        Some(Format::JsonFormat(fields) | Format::TypedJsonFormat(fields)) => {
            let template = JsonTemplate::parse(&structure(fields, 0), false);
            template
                .map(LogFormat::Json)
                .map_err(|error| at.field("json_format").error(error))
        }
        Some(Format::LogFormat(format)) => substitution(&at.field("log_format"), format),
    }
}

/// A SubstitutionFormatString: also of local replies.
#[expect(deprecated, reason = "text_format is what Istio sends")]
pub(super) fn substitution(
    at: &At<'_>,
    format: &core::SubstitutionFormatString,
) -> Result<LogFormat> {
    use core::substitution_format_string::Format;
    if let Some(formatter) = format.formatters.first()
        && !BUILT_IN_FORMATTERS.contains(&formatter.name.as_str())
    {
        return Err(at.item("formatters", 0).error(format_args!(
            "{:?} is not supported by ferromesh-proxy",
            formatter.name
        )));
    }
    let omit = format.omit_empty_values;
    let text = |at: &At<'_>, text: &str| {
        Program::parse(text, omit)
            .map(LogFormat::Text)
            .map_err(|error| at.error(error))
    };
    match &format.format {
        None => Err(at.error("no format set")),
        Some(Format::TextFormat(value)) => text(&at.field("text_format"), value),
        Some(Format::TextFormatSource(source)) => {
            let at = at.field("text_format_source");
            let bytes = data_source(&at, source)?;
            text(
                &at,
                &String::from_utf8(bytes).map_err(|_| at.error("not UTF-8"))?,
            )
        }
        Some(Format::JsonFormat(fields)) => {
            let template = JsonTemplate::parse(&structure(fields, 0), omit);
            template
                .map(LogFormat::Json)
                .map_err(|error| at.field("json_format").error(error))
        }
    }
}

/// Formatter extensions whose operators we have in any case.
pub(super) const BUILT_IN_FORMATTERS: &[&str] = &[
    "envoy.formatter.req_without_query",
    "envoy.formatter.metadata",
];

pub(super) fn filter(at: &At<'_>, value: &pb::AccessLogFilter, depth: usize) -> Result<LogFilter> {
    use pb::access_log_filter::FilterSpecifier as Spec;
    if depth > 16 {
        return Err(at.error("nested more than 16 deep"));
    }
    let all = |at: &At<'_>, filters: &[pb::AccessLogFilter]| -> Result<Vec<LogFilter>> {
        filters
            .iter()
            .enumerate()
            .map(|(i, value)| filter(&at.item("filters", i), value, depth + 1))
            .collect()
    };
    Ok(match &value.filter_specifier {
        None => return Err(at.error("no filter set")),
        Some(Spec::StatusCodeFilter(value)) => {
            LogFilter::Status(comparison(at, value.comparison.as_ref())?)
        }
        Some(Spec::DurationFilter(value)) => {
            LogFilter::DurationMs(comparison(at, value.comparison.as_ref())?)
        }
        Some(Spec::NotHealthCheckFilter(_)) => LogFilter::NotHealthCheck,
        Some(Spec::TraceableFilter(_)) => LogFilter::Traceable,
        Some(Spec::RuntimeFilter(value)) => LogFilter::Share {
            fraction: match &value.percent_sampled {
                Some(percent) => fractional_percent(&at.field("runtime_filter"), percent)?,
                None => Fraction::NEVER,
            },
            independent: value.use_independent_randomness,
        },
        Some(Spec::AndFilter(value)) => {
            LogFilter::And(all(&at.field("and_filter"), &value.filters)?)
        }
        Some(Spec::OrFilter(value)) => LogFilter::Or(all(&at.field("or_filter"), &value.filters)?),
        Some(Spec::HeaderFilter(value)) => {
            let at = at.field("header_filter");
            let header = value
                .header
                .as_ref()
                .ok_or_else(|| at.field("header").missing())?;
            LogFilter::Header(matcher::header(&at.field("header"), header)?)
        }
        Some(Spec::ResponseFlagFilter(value)) => LogFilter::ResponseFlags(
            value
                .flags
                .iter()
                .map(|flag| flag.as_str().into())
                .collect(),
        ),
        Some(Spec::GrpcStatusFilter(value)) => LogFilter::GrpcStatus {
            codes: value
                .statuses
                .iter()
                .filter_map(|status| u8::try_from(*status).ok())
                .collect(),
            exclude: value.exclude,
        },
        Some(Spec::LogTypeFilter(value)) => LogFilter::LogTypes {
            types: value.types.clone(),
            exclude: value.exclude,
        },
        Some(Spec::ExtensionFilter(_)) => return Err(at.field("extension_filter").unsupported()),
        Some(Spec::MetadataFilter(_)) => return Err(at.field("metadata_filter").unsupported()),
    })
}

fn comparison(at: &At<'_>, value: Option<&pb::ComparisonFilter>) -> Result<Comparison> {
    use pb::comparison_filter::Op;
    let at = at.field("comparison");
    let value = value.ok_or_else(|| at.missing())?;
    let threshold = value
        .value
        .as_ref()
        .ok_or_else(|| at.field("value").missing())?;
    let threshold = u64::from(threshold.default_value);
    Ok(match Op::try_from(value.op) {
        Ok(Op::Eq) => Comparison::Equal(threshold),
        Ok(Op::Ge) => Comparison::AtLeast(threshold),
        Ok(Op::Le) => Comparison::AtMost(threshold),
        Ok(Op::Ne) => Comparison::NotEqual(threshold),
        Err(_) => return Err(at.field("op").error("unknown value")),
    })
}
