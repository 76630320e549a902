//! Header mutations.

use xds::envoy::config::core::v3 as core;

use super::{At, Result};
use crate::config::format::Program;
use crate::config::headers::{
    AppendAction, HeaderMutations, HeaderTarget, LevelMutations, SetHeader,
};
use crate::config::request::LowerName;

/// The four lists of one level.
pub(super) struct Lists<'a> {
    pub request_add: &'a [core::HeaderValueOption],
    pub request_remove: &'a [String],
    pub response_add: &'a [core::HeaderValueOption],
    pub response_remove: &'a [String],
}

pub(super) fn level(at: &At<'_>, lists: &Lists<'_>) -> Result<LevelMutations> {
    let Lists {
        request_add,
        request_remove,
        response_add,
        response_remove,
    } = lists;
    Ok(LevelMutations {
        request: HeaderMutations {
            remove: remove(at, "request_headers_to_remove", request_remove)?,
            set: set(at, "request_headers_to_add", request_add)?.into(),
        },
        response: HeaderMutations {
            remove: remove(at, "response_headers_to_remove", response_remove)?,
            set: set(at, "response_headers_to_add", response_add)?.into(),
        },
    })
}

fn remove(at: &At<'_>, name: &str, list: &[String]) -> Result<Box<[LowerName]>> {
    let names = list.iter().enumerate().map(|(i, header)| {
        // Envoy: pseudo headers and Host may not be removed.
        if header.starts_with(':') || header.eq_ignore_ascii_case("host") {
            return Err(at
                .item(name, i)
                .error(format_args!("{header:?} may not be removed")));
        }
        check_name(&at.item(name, i), header)?;
        Ok(LowerName::new(header))
    });
    names.collect()
}

pub(super) fn set(
    at: &At<'_>,
    name: &str,
    list: &[core::HeaderValueOption],
) -> Result<Vec<SetHeader>> {
    list.iter()
        .enumerate()
        .map(|(i, option)| one(&at.item(name, i), option))
        .collect()
}

#[expect(deprecated, reason = "`append` still decides when it is set")]
fn one(at: &At<'_>, option: &core::HeaderValueOption) -> Result<SetHeader> {
    use core::header_value_option::HeaderAppendAction as Pb;
    let header = option
        .header
        .as_ref()
        .ok_or_else(|| at.field("header").missing())?;
    let action = match (option.append, Pb::try_from(option.append_action)) {
        (Some(append), Ok(Pb::AppendIfExistsOrAdd)) if append.value => AppendAction::Append,
        (Some(_), Ok(Pb::AppendIfExistsOrAdd)) => AppendAction::OverwriteIfExistsOrAdd,
        (Some(_), Ok(_)) => return Err(at.error("append and append_action may not both be set")),
        (None, Ok(Pb::AppendIfExistsOrAdd)) => AppendAction::Append,
        (None, Ok(Pb::AddIfAbsent)) => AppendAction::AddIfAbsent,
        (None, Ok(Pb::OverwriteIfExistsOrAdd)) => AppendAction::OverwriteIfExistsOrAdd,
        (None, Ok(Pb::OverwriteIfExists)) => AppendAction::OverwriteIfExists,
        (_, Err(_)) => return Err(at.field("append_action").error("unknown value")),
    };
    let at = at.field("header");
    let value = if header.raw_value.is_empty() {
        header.value.clone()
    } else {
        String::from_utf8(header.raw_value.clone())
            .map_err(|_| at.field("raw_value").error("not UTF-8"))?
    };
    let target = match header.key.to_ascii_lowercase().as_str() {
        ":authority" | "host" => HeaderTarget::Authority,
        ":path" => HeaderTarget::Path,
        ":method" => HeaderTarget::Method,
        ":scheme" => HeaderTarget::Scheme,
        ":status" => HeaderTarget::Status,
        _ => {
            check_name(&at.field("key"), &header.key)?;
            HeaderTarget::Named {
                lower: LowerName::new(&header.key),
                original: header.key.as_str().into(),
            }
        }
    };
    if value.bytes().any(|byte| matches!(byte, b'\r' | b'\n' | 0)) {
        return Err(at.field("value").error("contains a line break or NUL"));
    }
    let value = Program::parse(&value, true).map_err(|error| at.field("value").error(error))?;
    Ok(SetHeader {
        target,
        value,
        action,
        keep_empty: option.keep_empty_value,
    })
}

/// RFC 9110 §5.6.2: a token.
fn check_name(at: &At<'_>, name: &str) -> Result<()> {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || !name.bytes().all(token) {
        return Err(at.error(format_args!("{name:?} is not a header name")));
    }
    Ok(())
}
