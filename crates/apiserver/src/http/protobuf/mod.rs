//! The few protobuf bodies that are read. kubectl's imperative commands (`create namespace|configmap|
//! secret|serviceaccount|role|deployment|service`, `create token`, `auth whoami|can-i`, `drain`) send
//! protobuf and do not fall back to JSON. A body is read only when its kind is one of theirs and every
//! field in it is known, so that nothing is ever dropped; all others are refused with 415.

mod layouts;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::HeaderMap;
use serde_json::{Value, json};

use super::body;
use crate::error::ApiResult;
use layouts::Layout;

/// Every body begins with this, followed by a `runtime.Unknown`.
const MAGIC: &[u8] = b"k8s\0";

/// How a field is read, and its name in JSON.
#[derive(Clone, Copy)]
enum Field {
    Text(&'static str),
    Texts(&'static str),
    Number(&'static str),
    Bool(&'static str),
    TextMap(&'static str),
    BytesMap(&'static str),
    IntOrString(&'static str),
    Message(&'static str, Layout),
    Messages(&'static str, Layout),
    /// The server's own to fill.
    Skip,
}

/// Decodes a body that may be protobuf.
pub(crate) fn decode(headers: &HeaderMap, bytes: &Bytes) -> ApiResult<Value> {
    if body::media_type(headers) != body::PROTOBUF {
        return body::decode(headers, bytes);
    }
    read(bytes).ok_or_else(|| body::unsupported(body::PROTOBUF))
}

/// The object in an envelope; `None` when anything about it is not known.
pub(crate) fn read(bytes: &[u8]) -> Option<Value> {
    let (mut raw, mut version, mut kind) = (None, "", "");
    let mut envelope = Fields(bytes.strip_prefix(MAGIC)?);
    while let Some((number, value)) = envelope.next()? {
        match (number, value) {
            (1, Wire::Bytes(meta)) => {
                let mut meta = Fields(meta);
                while let Some((number, value)) = meta.next()? {
                    match (number, value) {
                        (1, Wire::Bytes(text)) => version = std::str::from_utf8(text).ok()?,
                        (2, Wire::Bytes(text)) => kind = std::str::from_utf8(text).ok()?,
                        _ => return None,
                    }
                }
            }
            (2, Wire::Bytes(bytes)) => raw = Some(bytes),
            (3 | 4, Wire::Bytes(b"")) => {}
            _ => return None,
        }
    }
    let mut object = message(raw.unwrap_or_default(), layouts::of(kind)?)?;
    object["apiVersion"] = version.into();
    object["kind"] = kind.into();
    Some(object)
}

#[derive(Clone, Copy)]
enum Wire<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn varint(&mut self) -> Option<u64> {
        let mut value = 0u64;
        for shift in (0..70).step_by(7) {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            value |= u64::from(byte & 0x7f).checked_shl(shift)?;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    /// The next field; `Some(None)` at the end, `None` when the bytes are broken or of a wire type that
    /// no field here has.
    #[allow(clippy::option_option)]
    fn next(&mut self) -> Option<Option<(u64, Wire<'a>)>> {
        if self.0.is_empty() {
            return Some(None);
        }
        let tag = self.varint()?;
        let value = match tag & 7 {
            0 => Wire::Number(self.varint()?),
            2 => {
                let length = usize::try_from(self.varint()?).ok()?;
                let (taken, rest) = self.0.split_at_checked(length)?;
                self.0 = rest;
                Wire::Bytes(taken)
            }
            _ => return None,
        };
        Some(Some((tag >> 3, value)))
    }
}

/// Key and value of a map entry.
fn entry(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let (mut key, mut value): (&[u8], &[u8]) = (b"", b"");
    let mut fields = Fields(bytes);
    while let Some(field) = fields.next()? {
        match field {
            (1, Wire::Bytes(bytes)) => key = bytes,
            (2, Wire::Bytes(bytes)) => value = bytes,
            _ => return None,
        }
    }
    Some((std::str::from_utf8(key).ok()?, value))
}

fn int_or_string(bytes: &[u8]) -> Option<Value> {
    let (mut is_text, mut number, mut text) = (false, 0, "");
    let mut fields = Fields(bytes);
    while let Some(field) = fields.next()? {
        match field {
            (1, Wire::Number(kind)) => is_text = kind == 1,
            (2, Wire::Number(value)) => number = value,
            (3, Wire::Bytes(bytes)) => text = std::str::from_utf8(bytes).ok()?,
            _ => return None,
        }
    }
    Some(if is_text { text.into() } else { number.into() })
}

fn push(object: &mut Value, name: &str, value: Value) {
    match object.get_mut(name).and_then(Value::as_array_mut) {
        Some(list) => list.push(value),
        None => object[name] = json!([value]),
    }
}

/// Depth is that of the layouts, so there is nothing to bound.
fn message(bytes: &[u8], layout: Layout) -> Option<Value> {
    let mut object = json!({});
    let mut fields = Fields(bytes);
    while let Some((number, value)) = fields.next()? {
        let Some((_, field)) = layout.iter().find(|(n, _)| *n == number) else {
            // Go writes fields without a value as well; anything else would be lost.
            match value {
                Wire::Number(0) | Wire::Bytes(b"") => continue,
                _ => return None,
            }
        };
        match (*field, value) {
            (Field::Skip, _) => {}
            (Field::Number(name), Wire::Number(number)) => {
                // Negative numbers are written as their two's complement.
                object[name] = number.cast_signed().into();
            }
            (Field::Bool(name), Wire::Number(number)) => object[name] = (number != 0).into(),
            (_, Wire::Number(_)) => return None,
            (field, Wire::Bytes(bytes)) => fill(&mut object, field, bytes)?,
        }
    }
    Some(object)
}

fn fill(object: &mut Value, field: Field, bytes: &[u8]) -> Option<()> {
    match field {
        Field::Text(name) => {
            let text = std::str::from_utf8(bytes).ok()?;
            if !text.is_empty() {
                object[name] = text.into();
            }
        }
        Field::Texts(name) => push(object, name, std::str::from_utf8(bytes).ok()?.into()),
        Field::TextMap(name) => {
            let (key, value) = entry(bytes)?;
            object[name][key] = std::str::from_utf8(value).ok()?.into();
        }
        Field::BytesMap(name) => {
            let (key, value) = entry(bytes)?;
            object[name][key] = STANDARD.encode(value).into();
        }
        Field::IntOrString(name) => object[name] = int_or_string(bytes)?,
        Field::Message(name, layout) => object[name] = message(bytes, layout)?,
        Field::Messages(name, layout) => push(object, name, message(bytes, layout)?),
        Field::Number(_) | Field::Bool(_) | Field::Skip => return None,
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
        let mut out = vec![number << 3 | 2, u8::try_from(bytes.len()).unwrap()];
        out.extend_from_slice(bytes);
        out
    }

    fn envelope(version: &str, kind: &str, raw: &[u8]) -> Bytes {
        let meta = [field(1, version.as_bytes()), field(2, kind.as_bytes())].concat();
        [
            MAGIC.to_vec(),
            field(1, &meta),
            field(2, raw),
            field(3, b""),
            field(4, b""),
        ]
        .concat()
        .into()
    }

    fn headers() -> HeaderMap {
        [(http::header::CONTENT_TYPE, body::PROTOBUF.parse().unwrap())]
            .into_iter()
            .collect()
    }

    #[test]
    fn reads_a_token_request() {
        let spec = [field(1, b"a"), field(1, b"b"), vec![4 << 3, 0x90, 0x1c]].concat();
        let body = envelope("authentication.k8s.io/v1", "TokenRequest", &field(2, &spec));
        assert_eq!(
            decode(&headers(), &body).unwrap(),
            json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
                "spec": {"audiences": ["a", "b"], "expirationSeconds": 3600}})
        );
    }

    #[test]
    fn reads_a_secret_with_go_s_empty_fields() {
        let meta = [
            field(1, b"s"),
            field(2, b""),
            vec![7 << 3, 0],
            field(8, b""),
        ]
        .concat();
        let entry = [field(1, b"k"), field(2, &[0, 255])].concat();
        let raw = [field(1, &meta), field(2, &entry), field(3, b"Opaque")].concat();
        assert_eq!(
            decode(&headers(), &envelope("v1", "Secret", &raw)).unwrap(),
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {"k": "AP8="}, "type": "Opaque"})
        );
    }

    #[test]
    fn refuses_what_it_would_have_to_drop() {
        let unknown_field = envelope("v1", "ConfigMap", &field(9, b"x"));
        let unknown_kind = envelope("v1", "Pod", b"");
        for body in [
            unknown_field,
            unknown_kind,
            Bytes::from_static(b"k8s\0"),
            Bytes::from_static(b"nonsense"),
        ] {
            assert_eq!(decode(&headers(), &body).unwrap_err().code(), 415);
        }
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..80)) {
            for kind in ["Deployment", "Secret", "SubjectAccessReview"] {
                let _ = decode(&headers(), &envelope("v1", kind, &bytes));
            }
            let _ = read(&[MAGIC, &bytes].concat());
        }
    }
}
