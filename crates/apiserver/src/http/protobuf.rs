//! The few protobuf bodies that are read: questions which are answered and never stored. kubectl sends
//! reviews and token requests in protobuf without falling back to JSON (`auth whoami`, `auth can-i`,
//! `create token`). Objects in protobuf are refused, because a typed decoding would drop fields.

use bytes::Bytes;
use http::HeaderMap;
use serde_json::{Value, json};

use super::body;
use crate::error::{ApiError, ApiResult};

/// Every body begins with this, followed by a `runtime.Unknown`.
const MAGIC: &[u8] = b"k8s\0";

#[derive(Clone, Copy)]
enum Field {
    Text(&'static str),
    Texts(&'static str),
    Number(&'static str),
    Message(&'static str, &'static [(u64, Field)]),
}

use Field::{Message, Number, Text, Texts};

const META: &[(u64, Field)] = &[(1, Text("name")), (3, Text("namespace"))];

const ATTRIBUTES: &[(u64, Field)] = &[
    (1, Text("namespace")),
    (2, Text("verb")),
    (3, Text("group")),
    (4, Text("version")),
    (5, Text("resource")),
    (6, Text("subresource")),
    (7, Text("name")),
];
const PATH: &[(u64, Field)] = &[(1, Text("path")), (2, Text("verb"))];
const ACCESS: &[(u64, Field)] = &[
    (1, Message("resourceAttributes", ATTRIBUTES)),
    (2, Message("nonResourceAttributes", PATH)),
    (3, Text("user")),
    (4, Texts("groups")),
];
const OWN_ACCESS: &[(u64, Field)] = &[
    (1, Message("resourceAttributes", ATTRIBUTES)),
    (2, Message("nonResourceAttributes", PATH)),
];
const OBJECT: &[(u64, Field)] = &[
    (1, Text("kind")),
    (2, Text("apiVersion")),
    (3, Text("name")),
    (4, Text("uid")),
];
const TOKEN: &[(u64, Field)] = &[
    (1, Texts("audiences")),
    (3, Message("boundObjectRef", OBJECT)),
    (4, Number("expirationSeconds")),
];
const TOKEN_REVIEW: &[(u64, Field)] = &[(1, Text("token")), (2, Texts("audiences"))];
const RULES: &[(u64, Field)] = &[(1, Text("namespace"))];

/// The fields of a question, numbered as in Kubernetes' `generated.proto` files.
fn layout(kind: &str) -> Option<Vec<(u64, Field)>> {
    let spec = match kind {
        "SelfSubjectReview" => return Some(vec![(1, Message("metadata", META))]),
        "TokenRequest" => TOKEN,
        "TokenReview" => TOKEN_REVIEW,
        "SelfSubjectAccessReview" => OWN_ACCESS,
        "SubjectAccessReview" | "LocalSubjectAccessReview" => ACCESS,
        "SelfSubjectRulesReview" => RULES,
        _ => return None,
    };
    Some(vec![
        (1, Message("metadata", META)),
        (2, Message("spec", spec)),
    ])
}

/// Decodes a question in JSON or protobuf.
pub(crate) fn decode_question(kind: &str, headers: &HeaderMap, bytes: &Bytes) -> ApiResult<Value> {
    if body::media_type(headers) != body::PROTOBUF {
        return body::decode(headers, bytes);
    }
    let bad = || ApiError::bad_request(format!("the {kind} is not valid protobuf"));
    let layout = layout(kind).ok_or_else(|| body::unsupported(body::PROTOBUF))?;
    let unknown = bytes.strip_prefix(MAGIC).ok_or_else(bad)?;
    let mut raw = None;
    let mut fields = Fields(unknown);
    while let Some((number, value)) = fields.next().ok_or_else(bad)? {
        if let (2, Wire::Bytes(bytes)) = (number, value) {
            raw = Some(bytes);
        }
    }
    message(raw.unwrap_or_default(), &layout).ok_or_else(bad)
}

enum Wire<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    Other,
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

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    /// The next field; `Some(None)` at the end, `None` when the bytes are broken.
    #[allow(clippy::option_option)]
    fn next(&mut self) -> Option<Option<(u64, Wire<'a>)>> {
        if self.0.is_empty() {
            return Some(None);
        }
        let tag = self.varint()?;
        let value = match tag & 7 {
            0 => Wire::Number(self.varint()?),
            1 => self.take(8).map(|_| Wire::Other)?,
            2 => {
                let length = usize::try_from(self.varint()?).ok()?;
                Wire::Bytes(self.take(length)?)
            }
            5 => self.take(4).map(|_| Wire::Other)?,
            _ => return None,
        };
        Some(Some((tag >> 3, value)))
    }
}

/// Depth is that of the layouts, so there is nothing to bound.
fn message(bytes: &[u8], layout: &[(u64, Field)]) -> Option<Value> {
    let mut object = json!({});
    let mut fields = Fields(bytes);
    while let Some((number, value)) = fields.next()? {
        let Some((_, field)) = layout.iter().find(|(n, _)| *n == number) else {
            continue;
        };
        match (field, value) {
            (Text(name), Wire::Bytes(bytes)) => {
                let text = std::str::from_utf8(bytes).ok()?;
                if !text.is_empty() {
                    object[*name] = text.into();
                }
            }
            (Texts(name), Wire::Bytes(bytes)) => {
                let text = Value::from(std::str::from_utf8(bytes).ok()?);
                match object[*name].as_array_mut() {
                    Some(list) => list.push(text),
                    None => object[*name] = json!([text]),
                }
            }
            (Number(name), Wire::Number(number)) => {
                object[*name] = i64::try_from(number).ok()?.into();
            }
            (Message(name, layout), Wire::Bytes(bytes)) => object[*name] = message(bytes, layout)?,
            _ => {}
        }
    }
    Some(object)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
        let mut out = vec![number << 3 | 2, u8::try_from(bytes.len()).unwrap()];
        out.extend_from_slice(bytes);
        out
    }

    fn headers() -> HeaderMap {
        [(http::header::CONTENT_TYPE, body::PROTOBUF.parse().unwrap())]
            .into_iter()
            .collect()
    }

    #[test]
    fn reads_a_token_request() {
        let spec = [field(1, b"a"), field(1, b"b"), vec![4 << 3, 0x90, 0x1c]].concat();
        let body = [
            MAGIC.to_vec(),
            field(1, b"ignored"),
            field(2, &field(2, &spec)),
        ]
        .concat();
        let value = decode_question("TokenRequest", &headers(), &body.into()).unwrap();
        assert_eq!(
            value,
            json!({"spec": {"audiences": ["a", "b"], "expirationSeconds": 3600}})
        );
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..80)) {
            let body = [MAGIC, &bytes].concat();
            let _ = decode_question("SubjectAccessReview", &headers(), &body.into());
        }
    }

    #[test]
    fn refuses_broken_bytes_and_objects() {
        for body in [&b"k8s\0\x12\xff\x01"[..], b"nonsense", b"k8s\0\x07"] {
            let error = decode_question("TokenRequest", &headers(), &Bytes::copy_from_slice(body))
                .unwrap_err();
            assert_eq!(error.code(), 400);
        }
        let error = decode_question("Pod", &headers(), &Bytes::new()).unwrap_err();
        assert_eq!(error.code(), 415);
    }
}
