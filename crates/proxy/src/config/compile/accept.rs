//! Refuses fields that have no meaning here, by name. Works on the encoded message with the table of
//! [`supported`]; descriptors are loaded only to name a field that is refused.

use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};

use super::supported;
use super::{At, CompileError, Result};

/// What is known of a message: the fields that are accepted.
pub struct Message {
    pub name: &'static str,
    pub fields: &'static [Field],
}

/// An accepted field.
pub struct Field {
    pub number: u32,
    pub name: &'static str,
    /// Why it may be set although nothing reads it; `None`: it has an effect.
    pub harmless: Option<&'static str>,
    pub inner: Inner,
}

/// What is inside a field.
pub enum Inner {
    /// Nothing to look into.
    Leaf,
    Message(&'static str),
    /// A list of messages.
    Messages(&'static str),
    Any,
    /// A map to `Any`.
    AnyMap,
}

/// Every message that is read, by name. For the documentation.
pub fn messages() -> impl Iterator<Item = &'static Message> {
    supported::messages()
}

/// Messages may be nested this deep.
const DEPTH: usize = 100;

/// Checks an encoded message.
pub(super) fn check(message: &str, body: &[u8], at: &At<'_>) -> Result<()> {
    match supported::find(message) {
        Some(known) => walk(known, body, at, 0),
        None => Err(at.error(format_args!(
            "message {message} is not supported by ferromesh-proxy"
        ))),
    }
}

/// Checks an encoded message that nothing contains.
pub(crate) fn check_root(message: &str, body: &[u8], label: &str) -> Result<()> {
    check(message, body, &At::root(label))
}

fn walk(message: &'static Message, body: &[u8], at: &At<'_>, depth: usize) -> Result<()> {
    if depth > DEPTH {
        return Err(at.error("nested too deep"));
    }
    let mut rest = body;
    let mut seen: smallvec::SmallVec<[(u32, usize); 8]> = smallvec::SmallVec::new();
    while !rest.is_empty() {
        let (number, wire, value) = next(&mut rest).map_err(|error| at.error(error))?;
        let Some(field) = message.fields.iter().find(|field| field.number == number) else {
            return Err(refused(message.name, number, at));
        };
        let (Some(value), WireType::LengthDelimited) = (value, wire) else {
            continue;
        };
        if field.harmless.is_some() {
            continue;
        }
        match field.inner {
            Inner::Leaf => {}
            Inner::Message(inner) => nested(inner, value, &at.field(field.name), depth)?,
            Inner::Messages(inner) => nested(
                inner,
                value,
                &at.item(field.name, count(&mut seen, number)),
                depth,
            )?,
            Inner::Any => walk_any(value, &at.field(field.name), depth)?,
            Inner::AnyMap => {
                let (key, any) =
                    map_entry(value).map_err(|error| at.field(field.name).error(error))?;
                let label = format!("{}[{key:?}]", field.name);
                walk_any(any, &at.field(&label), depth)?;
            }
        }
    }
    Ok(())
}

/// How often this number was met before.
fn count(seen: &mut smallvec::SmallVec<[(u32, usize); 8]>, number: u32) -> usize {
    match seen.iter_mut().find(|(have, _)| *have == number) {
        Some((_, count)) => {
            *count += 1;
            *count
        }
        None => {
            seen.push((number, 0));
            0
        }
    }
}

fn nested(name: &'static str, body: &[u8], at: &At<'_>, depth: usize) -> Result<()> {
    let known = supported::find(name).expect("the table is closed; a test checks it");
    walk(known, body, at, depth + 1)
}

/// Types that the table does not know are refused by the compiler, which knows what was expected.
fn walk_any(body: &[u8], at: &At<'_>, depth: usize) -> Result<()> {
    let (url, value) = any_parts(body).map_err(|error| at.error(error))?;
    let name = url.rsplit('/').next().unwrap_or_default();
    match supported::find(name) {
        Some(known) => walk(known, value, at, depth + 1),
        None => Ok(()),
    }
}

type Parsed<T> = std::result::Result<T, prost::DecodeError>;

/// The next field: its number, its wire type, and its bytes if it is length-delimited.
fn next<'a>(rest: &mut &'a [u8]) -> Parsed<(u32, WireType, Option<&'a [u8]>)> {
    let (number, wire) = decode_key(rest)?;
    if wire != WireType::LengthDelimited {
        skip_field(wire, number, rest, DecodeContext::default())?;
        return Ok((number, wire, None));
    }
    let len = usize::try_from(decode_varint(rest)?).unwrap_or(usize::MAX);
    let Some((value, tail)) = rest.split_at_checked(len) else {
        return Err(truncated());
    };
    *rest = tail;
    Ok((number, wire, Some(value)))
}

/// prost has no constructor for its error: reading nothing gives one.
fn truncated() -> prost::DecodeError {
    decode_varint(&mut &[][..]).expect_err("nothing is no number")
}

fn any_parts(body: &[u8]) -> Parsed<(&str, &[u8])> {
    let (mut url, mut value) = (&[][..], &[][..]);
    let mut rest = body;
    while !rest.is_empty() {
        match next(&mut rest)? {
            (1, _, Some(bytes)) => url = bytes,
            (2, _, Some(bytes)) => value = bytes,
            _ => {}
        }
    }
    std::str::from_utf8(url)
        .map(|url| (url, value))
        .map_err(|_| truncated())
}

fn map_entry(body: &[u8]) -> Parsed<(&str, &[u8])> {
    // The same shape as an Any: a string at 1 and bytes at 2.
    any_parts(body)
}

/// Loads the descriptors to name the field.
fn refused(message: &str, number: u32, at: &At<'_>) -> CompileError {
    let fields = xds::json::Pool::pruned()
        .fields(message)
        .unwrap_or_default();
    match fields.iter().find(|field| field.number == number) {
        Some(field) => at.field(&field.name).unsupported(),
        None => at.error(format_args!(
            "field number {number} is unknown to ferromesh-proxy"
        )),
    }
}
