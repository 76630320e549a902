//! One encoding for equal content: sorts the entries of maps, which prost encodes in random order.
//!
//! Without it, equal messages would have different content hashes, be pushed again for nothing, and differ between
//! two replicas of a control plane. Only fields that can hold a map, directly or inside, are looked into.

use crate::type_url::message_name;

/// Deeper nesting is left as it is.
const MAX_DEPTH: u8 = 64;

const ANY_TYPE_URL: u32 = 1;
const ANY_VALUE: u32 = 2;

#[derive(Debug, Clone, Copy)]
enum Kind {
    /// A message by its place in the table.
    Message(usize),
    /// Map entries, and the place of the entry type when values must be looked into.
    Map(Option<usize>),
    Any,
}

include!(concat!(env!("OUT_DIR"), "/canonical.rs"));

/// The canonical encoding of `encoded`, a message of the type named. Other types, and bytes that are no message, are
/// returned as they are.
pub(crate) fn canonical(message: &str, encoded: Vec<u8>) -> Vec<u8> {
    let Some(at) = find(message) else {
        return encoded;
    };
    rewrite(at, &encoded, 0).unwrap_or(encoded)
}

fn find(message: &str) -> Option<usize> {
    MESSAGES
        .binary_search_by(|(name, _)| (*name).cmp(message))
        .ok()
}

/// One field as it is encoded.
struct Record<'a> {
    number: u32,
    /// Tag and content.
    raw: &'a [u8],
    /// The content of a length-delimited field.
    content: Option<&'a [u8]>,
}

fn rewrite(message: usize, encoded: &[u8], depth: u8) -> Option<Vec<u8>> {
    let fields = MESSAGES[message].1;
    let mut out = Vec::with_capacity(encoded.len());
    let mut rest = encoded;
    let mut entries: Vec<Vec<u8>> = Vec::new();
    let mut map = 0;
    while !rest.is_empty() {
        let record = next(&mut rest)?;
        let kind = fields
            .iter()
            .find(|(number, _)| *number == record.number)
            .map(|(_, kind)| *kind);
        if record.number != map {
            flush(&mut entries, map, &mut out);
        }
        match (kind, record.content) {
            (Some(kind), Some(content)) if depth < MAX_DEPTH => {
                let inner = match kind {
                    Kind::Message(at) | Kind::Map(Some(at)) => rewrite(at, content, depth + 1)?,
                    Kind::Map(None) => content.to_vec(),
                    Kind::Any => rewrite_any(content, depth + 1)?,
                };
                if matches!(kind, Kind::Map(_)) {
                    map = record.number;
                    entries.push(inner);
                } else {
                    delimited(record.number, &inner, &mut out);
                }
            }
            _ => out.extend_from_slice(record.raw),
        }
    }
    flush(&mut entries, map, &mut out);
    Some(out)
}

fn flush(entries: &mut Vec<Vec<u8>>, number: u32, out: &mut Vec<u8>) {
    entries.sort_unstable();
    for entry in entries.drain(..) {
        delimited(number, &entry, out);
    }
}

fn rewrite_any(encoded: &[u8], depth: u8) -> Option<Vec<u8>> {
    let mut name = "";
    let mut rest = encoded;
    while !rest.is_empty() {
        let record = next(&mut rest)?;
        if let (ANY_TYPE_URL, Some(content)) = (record.number, record.content) {
            name = message_name(std::str::from_utf8(content).ok()?);
        }
    }
    let Some(at) = find(name) else {
        return Some(encoded.to_vec());
    };
    let mut out = Vec::with_capacity(encoded.len());
    let mut rest = encoded;
    while !rest.is_empty() {
        let record = next(&mut rest)?;
        match (record.number, record.content) {
            (ANY_VALUE, Some(content)) => {
                delimited(ANY_VALUE, &rewrite(at, content, depth)?, &mut out);
            }
            _ => out.extend_from_slice(record.raw),
        }
    }
    Some(out)
}

fn next<'a>(rest: &mut &'a [u8]) -> Option<Record<'a>> {
    let start = *rest;
    let tag = varint(rest)?;
    let number = u32::try_from(tag >> 3).ok()?;
    let content = match tag & 7 {
        0 => {
            varint(rest)?;
            None
        }
        1 => {
            *rest = rest.get(8..)?;
            None
        }
        2 => {
            let length = usize::try_from(varint(rest)?).ok()?;
            let (content, after) = rest.split_at_checked(length)?;
            *rest = after;
            Some(content)
        }
        5 => {
            *rest = rest.get(4..)?;
            None
        }
        _ => return None,
    };
    let raw = &start[..start.len() - rest.len()];
    Some(Record {
        number,
        raw,
        content,
    })
}

fn varint(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

fn delimited(number: u32, content: &[u8], out: &mut Vec<u8>) {
    prost::encoding::encode_varint(u64::from(number) << 3 | 2, out);
    prost::encoding::encode_varint(content.len() as u64, out);
    out.extend_from_slice(content);
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use prost::Message;

    use super::*;
    use crate::any;
    use crate::envoy::config::core::v3::{Metadata, TypedExtensionConfig};
    use crate::envoy::config::route::v3::{Route, RouteConfiguration, VirtualHost};
    use crate::google::protobuf::{Any, Struct, Value, value};

    fn fields(count: usize) -> Struct {
        let fields = (0..count).map(|i| {
            let inner: HashMap<_, _> = (0..count)
                .map(|j| (format!("inner-{j}"), Value::default()))
                .collect();
            let kind = value::Kind::StructValue(Struct { fields: inner });
            (format!("key-{i}"), Value { kind: Some(kind) })
        });
        Struct {
            fields: fields.collect(),
        }
    }

    fn routes() -> RouteConfiguration {
        let metadata = Metadata {
            filter_metadata: (0..6).map(|i| (format!("filter-{i}"), fields(5))).collect(),
            ..Default::default()
        };
        let per_filter = (0..9).map(|i| (format!("filter-{i}"), Any::default()));
        let route = Route {
            metadata: Some(metadata),
            typed_per_filter_config: per_filter.collect(),
            ..Default::default()
        };
        let host = VirtualHost {
            name: "host".into(),
            routes: vec![
                route.clone(),
                Route {
                    name: "second".into(),
                    ..route
                },
            ],
            ..Default::default()
        };
        RouteConfiguration {
            name: "routes".into(),
            virtual_hosts: vec![host],
            ..Default::default()
        }
    }

    #[test]
    fn equal_messages_have_equal_encodings() {
        let canonical_routes = || {
            canonical(
                "envoy.config.route.v3.RouteConfiguration",
                routes().encode_to_vec(),
            )
        };
        let first = canonical_routes();
        assert_eq!(RouteConfiguration::decode(&first[..]).unwrap(), routes());
        for _ in 0..20 {
            assert_eq!(canonical_routes(), first);
        }
    }

    #[test]
    fn looks_into_any() {
        let extension = || {
            let typed = any::pack(&routes());
            let message = TypedExtensionConfig {
                name: "x".into(),
                typed_config: Some(typed),
            };
            canonical(
                "envoy.config.core.v3.TypedExtensionConfig",
                message.encode_to_vec(),
            )
        };
        let first = extension();
        for _ in 0..20 {
            assert_eq!(extension(), first);
        }
    }

    #[test]
    fn what_is_no_message_stays_as_it_is() {
        for bytes in [vec![0xff; 12], vec![0x0a, 0x7f], vec![0x0b]] {
            assert_eq!(canonical("google.protobuf.Struct", bytes.clone()), bytes);
        }
        assert_eq!(canonical("unknown.Message", vec![1, 2, 3]), [1, 2, 3]);
    }

    proptest::proptest! {
        #[test]
        fn never_panics(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..64)) {
            let _ = canonical("google.protobuf.Struct", bytes.clone());
            let _ = canonical("envoy.config.route.v3.RouteConfiguration", bytes);
        }
    }
}
