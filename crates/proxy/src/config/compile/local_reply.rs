//! Local reply rules of a connection manager.

use xds::envoy::config::core::v3 as core;
use xds::envoy::extensions::filters::network::http_connection_manager::v3 as pb;

use super::common::data_source;
use super::{At, Result, access_log, headers};
use crate::config::access_log::LogFormat;
use crate::config::hcm::{LocalReplies, ReplyBody, ReplyMapper, ReplyProgram};

pub(super) fn compile(at: &At<'_>, config: &pb::LocalReplyConfig) -> Result<LocalReplies> {
    let mappers = config
        .mappers
        .iter()
        .enumerate()
        .map(|(i, value)| mapper(&at.item("mappers", i), value));
    let format = config.body_format.as_ref();
    Ok(LocalReplies {
        mappers: mappers.collect::<Result<_>>()?,
        body: format
            .map(|value| body(&at.field("body_format"), value))
            .transpose()?,
    })
}

fn mapper(at: &At<'_>, value: &pb::ResponseMapper) -> Result<ReplyMapper> {
    let filter = value
        .filter
        .as_ref()
        .ok_or_else(|| at.field("filter").missing())?;
    let status = value
        .status_code
        .map(|status| match u16::try_from(status.value) {
            Ok(status @ 200..=599) => Ok(status),
            _ => Err(at.field("status_code").error("must be 200 to 599")),
        });
    let text = value
        .body
        .as_ref()
        .map(|source| data_source(&at.field("body"), source))
        .transpose()?;
    let format = value.body_format_override.as_ref();
    Ok(ReplyMapper {
        filter: access_log::filter(&at.field("filter"), filter, 0)?,
        status: status.transpose()?,
        body: text.map(Into::into),
        format: format
            .map(|value| body(&at.field("body_format_override"), value))
            .transpose()?,
        headers: headers::set(at, "headers_to_add", &value.headers_to_add)?,
    })
}

fn body(at: &At<'_>, format: &core::SubstitutionFormatString) -> Result<ReplyBody> {
    let (program, default_type) = match access_log::substitution(at, format)? {
        LogFormat::Text(program) => (ReplyProgram::Text(program), "text/plain"),
        LogFormat::Json(template) => (ReplyProgram::Json(template), "application/json"),
    };
    let content_type = match format.content_type.as_str() {
        "" => default_type,
        given => given,
    };
    Ok(ReplyBody {
        program,
        content_type: content_type.into(),
    })
}
