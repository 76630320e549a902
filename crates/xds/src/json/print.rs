//! Prints messages as Envoy does: fields in their order, `Any` expanded, secrets left out.

use prost_reflect::{
    DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MapKey, ReflectMessage, Value as Dynamic,
};
use serde_json::{Map, Number, Value};

use crate::type_url::message_name;

include!(concat!(env!("OUT_DIR"), "/sensitive.rs"));

/// What Envoy prints in the place of a sensitive string, and, in base64, of sensitive bytes.
const REDACTED: &str = "[redacted]";
const REDACTED_BYTES: &str = "W3JlZGFjdGVkXQ==";

/// Deeper nesting of `Any` is not expanded.
const MAX_DEPTH: u8 = 32;

/// How to print.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Print {
    pub names: FieldNames,
    /// Whether fields without presence are printed although they have their default value.
    pub defaults: bool,
    pub secrets: Secrets,
}

/// How fields are named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FieldNames {
    /// As in the proto file, `route_config`: what Envoy's admin interface prints.
    #[default]
    Proto,
    /// `routeConfig`: what protobuf's JSON mapping prints by default.
    LowerCamel,
}

/// What becomes of fields that Envoy's API marks as sensitive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Secrets {
    /// Strings and bytes are replaced, numbers left out.
    #[default]
    Redact,
    Show,
}

struct Printer<'a> {
    pool: &'a DescriptorPool,
    print: Print,
}

pub(super) fn message(message: &DynamicMessage, pool: &DescriptorPool, print: Print) -> Value {
    Printer { pool, print }.message(message, false, 0)
}

pub(super) fn any(type_url: &str, encoded: &[u8], pool: &DescriptorPool, print: Print) -> Value {
    Printer { pool, print }.any(type_url, encoded, false, 0)
}

impl Printer<'_> {
    fn message(&self, message: &DynamicMessage, redact: bool, depth: u8) -> Value {
        let descriptor = message.descriptor();
        match descriptor.full_name() {
            "google.protobuf.Any" => {
                let type_url = message.get_field_by_name("type_url");
                let value = message.get_field_by_name("value");
                let type_url = type_url
                    .as_deref()
                    .and_then(Dynamic::as_str)
                    .unwrap_or_default();
                let value = value
                    .as_deref()
                    .and_then(Dynamic::as_bytes)
                    .cloned()
                    .unwrap_or_default();
                return self.any(type_url, &value, redact, depth);
            }
            name if name.starts_with("google.protobuf.") => return well_known(message, redact),
            _ => {}
        }
        Value::Object(self.fields(message, redact, depth))
    }

    fn fields(&self, message: &DynamicMessage, redact: bool, depth: u8) -> Map<String, Value> {
        let descriptor = message.descriptor();
        let sensitive = match self.print.secrets {
            Secrets::Redact => sensitive_fields(descriptor.full_name()),
            Secrets::Show => &[],
        };
        let mut out = Map::new();
        for field in descriptor.fields() {
            let shown =
                message.has_field(&field) || (self.print.defaults && has_printed_default(&field));
            if !shown {
                continue;
            }
            let redact = redact || sensitive.contains(&field.number());
            let value = self.value(&message.get_field(&field), &field.kind(), redact, depth);
            if value.is_null() && redact {
                continue;
            }
            let name = match self.print.names {
                FieldNames::Proto => field.name(),
                FieldNames::LowerCamel => field.json_name(),
            };
            out.insert(name.into(), value);
        }
        out
    }

    fn value(&self, value: &Dynamic, kind: &Kind, redact: bool, depth: u8) -> Value {
        match value {
            Dynamic::List(items) => items
                .iter()
                .map(|item| self.value(item, kind, redact, depth))
                .collect(),
            Dynamic::Map(entries) => {
                let value_kind = kind
                    .as_message()
                    .map(|entry| entry.map_entry_value_field().kind());
                let value_kind = value_kind.as_ref().unwrap_or(kind);
                let mut entries: Vec<_> = entries
                    .iter()
                    .map(|(key, value)| (map_key(key), value))
                    .collect();
                entries.sort_by(|a, b| a.0.cmp(&b.0));
                let print = |(key, value)| (key, self.value(value, value_kind, redact, depth));
                Value::Object(entries.into_iter().map(print).collect())
            }
            Dynamic::Message(message) => self.message(message, redact, depth),
            Dynamic::String(_) if redact => REDACTED.into(),
            Dynamic::Bytes(_) if redact => REDACTED_BYTES.into(),
            _ if redact => Value::Null,
            Dynamic::String(text) => text.as_str().into(),
            Dynamic::Bytes(bytes) => base64(bytes).into(),
            Dynamic::EnumNumber(number) => enumerator(kind, *number),
            Dynamic::Bool(value) => (*value).into(),
            Dynamic::I32(value) => (*value).into(),
            Dynamic::U32(value) => (*value).into(),
            // 64-bit numbers are strings in JSON: many readers have only doubles.
            Dynamic::I64(value) => value.to_string().into(),
            Dynamic::U64(value) => value.to_string().into(),
            // The shortest decimal that reads back as the same 32-bit number.
            Dynamic::F32(value) => float(value.to_string().parse().unwrap_or(f64::from(*value))),
            Dynamic::F64(value) => float(*value),
        }
    }

    fn any(&self, type_url: &str, encoded: &[u8], redact: bool, depth: u8) -> Value {
        let mut out = Map::new();
        out.insert("@type".into(), type_url.into());
        let descriptor = self.pool.get_message_by_name(message_name(type_url));
        let decoded = descriptor
            .filter(|_| depth < MAX_DEPTH)
            .and_then(|descriptor| DynamicMessage::decode(descriptor, encoded).ok());
        match decoded {
            None if encoded.is_empty() && type_url.is_empty() => return Value::Object(Map::new()),
            None if self.print.secrets == Secrets::Redact && redact => {
                out.insert("value".into(), REDACTED_BYTES.into());
            }
            None => {
                out.insert("value".into(), base64(encoded).into());
            }
            Some(message)
                if message
                    .descriptor()
                    .full_name()
                    .starts_with("google.protobuf.") =>
            {
                out.insert("value".into(), self.message(&message, redact, depth + 1));
            }
            Some(message) => out.extend(self.fields(&message, redact, depth + 1)),
        }
        Value::Object(out)
    }
}

fn sensitive_fields(message: &str) -> &'static [u32] {
    let found = SENSITIVE.binary_search_by(|(name, _)| (*name).cmp(message));
    found.map_or(&[], |at| SENSITIVE[at].1)
}

fn has_printed_default(field: &FieldDescriptor) -> bool {
    !field.supports_presence() && field.containing_oneof().is_none()
}

/// Durations, timestamps, wrappers, structs: protobuf's own mapping, which Envoy uses too.
fn well_known(message: &DynamicMessage, redact: bool) -> Value {
    if redact {
        return REDACTED.into();
    }
    serde_json::to_value(message).unwrap_or(Value::Null)
}

fn enumerator(kind: &Kind, number: i32) -> Value {
    let known = kind.as_enum().and_then(|kind| kind.get_value(number));
    known.map_or_else(|| number.into(), |value| value.name().into())
}

fn float(value: f64) -> Value {
    Number::from_f64(value).map_or_else(
        || {
            let name = match value {
                _ if value.is_nan() => "NaN",
                _ if value > 0.0 => "Infinity",
                _ => "-Infinity",
            };
            name.into()
        },
        Value::Number,
    )
}

fn map_key(key: &MapKey) -> String {
    match key {
        MapKey::Bool(key) => key.to_string(),
        MapKey::I32(key) => key.to_string(),
        MapKey::I64(key) => key.to_string(),
        MapKey::U32(key) => key.to_string(),
        MapKey::U64(key) => key.to_string(),
        MapKey::String(key) => key.clone(),
    }
}

/// RFC 4648 §4.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let group = chunk
            .iter()
            .fold(0u32, |group, byte| group << 8 | u32::from(*byte))
            << (8 * (3 - chunk.len()));
        for place in 0..4 {
            if place <= chunk.len() {
                let digit = group >> (18 - 6 * place) & 0x3f;
                out.push(char::from(ALPHABET[digit as usize]));
            } else {
                out.push('=');
            }
        }
    }
    out
}
