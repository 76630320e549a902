//! Envoy's format strings (`%REQ(:path)% took %DURATION%`) compiled to programs; used by access logs, header
//! mutations and local replies.

use std::sync::Arc;

use serde_json::Value;

pub use super::operator::{
    Address, DurationPoint, HeaderOp, MetadataOp, Operator, Peer, Side, TimeFormat,
};

/// The longest format string accepted, in bytes.
pub const MAX_FORMAT: usize = 64 * 1024;

/// What an operator wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rendered {
    /// Nothing: text logs write `-`, JSON logs `null`.
    Absent,
    Text,
    /// A JSON number.
    Number,
    /// A JSON value, already serialised.
    Json,
}

/// Gives operators their values.
pub trait FormatContext {
    /// Appends the value of `op` to `out`. Must append nothing when it answers [`Rendered::Absent`].
    fn render(&self, op: &Operator, out: &mut Vec<u8>) -> Rendered;
}

/// An operator with its length limit.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    pub op: Operator,
    /// `%OP:n%`: at most this many bytes.
    pub max_len: Option<usize>,
}

/// A piece of a format string.
#[derive(Debug, Clone, PartialEq)]
pub enum Segment {
    Literal(Arc<[u8]>),
    Field(Field),
}

/// A compiled format string.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Program {
    pub segments: Vec<Segment>,
    /// Absent values are written as nothing instead of `-`.
    pub omit_empty: bool,
}

impl Program {
    /// Compiles `text`; `%%` is a percent sign.
    pub fn parse(text: &str, omit_empty: bool) -> Result<Self, String> {
        if text.len() > MAX_FORMAT {
            return Err(format!(
                "format of {} bytes is longer than {MAX_FORMAT}",
                text.len()
            ));
        }
        let mut segments = Vec::new();
        let mut literal = Vec::new();
        let mut rest = text;
        while let Some(at) = rest.find('%') {
            literal.extend_from_slice(&rest.as_bytes()[..at]);
            rest = &rest[at + 1..];
            if let Some(tail) = rest.strip_prefix('%') {
                literal.push(b'%');
                rest = tail;
                continue;
            }
            let (field, tail) = parse_field(rest)?;
            if !literal.is_empty() {
                segments.push(Segment::Literal(std::mem::take(&mut literal).into()));
            }
            segments.push(Segment::Field(field));
            rest = tail;
        }
        literal.extend_from_slice(rest.as_bytes());
        if !literal.is_empty() {
            segments.push(Segment::Literal(literal.into()));
        }
        Ok(Self {
            segments,
            omit_empty,
        })
    }

    /// The text itself, if there is no operator in it.
    #[must_use]
    pub fn as_literal(&self) -> Option<&[u8]> {
        match self.segments.as_slice() {
            [] => Some(b""),
            [Segment::Literal(text)] => Some(text),
            _ => None,
        }
    }

    /// Appends the text.
    pub fn render<C: FormatContext + ?Sized>(&self, context: &C, out: &mut Vec<u8>) {
        for segment in &self.segments {
            match segment {
                Segment::Literal(text) => out.extend_from_slice(text),
                Segment::Field(field) => {
                    if field.render(context, out) == Rendered::Absent && !self.omit_empty {
                        out.push(b'-');
                    }
                }
            }
        }
    }
}

impl Field {
    /// Appends the value, cut to its limit.
    pub fn render<C: FormatContext + ?Sized>(&self, context: &C, out: &mut Vec<u8>) -> Rendered {
        let start = out.len();
        let rendered = context.render(&self.op, out);
        if let Some(limit) = self.max_len {
            out.truncate(start.saturating_add(limit).min(out.len()).max(start));
        }
        rendered
    }
}

/// Reads `NAME(args):len%`; `text` starts after the first percent sign.
fn parse_field(text: &str) -> Result<(Field, &str), String> {
    let name_len = text
        .find(|c: char| !(c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_'))
        .unwrap_or(text.len());
    let (name, mut rest) = text.split_at(name_len);
    if name.is_empty() {
        return Err(format!("'%' without an operator near {:?}", excerpt(text)));
    }
    let mut args = None;
    if let Some(tail) = rest.strip_prefix('(') {
        // Arguments may contain parentheses and percent signs (time formats): they end at the first `)%` or `):`.
        let end = (0..tail.len())
            .find(|&at| {
                tail.as_bytes()[at] == b')'
                    && matches!(tail.as_bytes().get(at + 1), Some(b'%' | b':'))
            })
            .ok_or_else(|| format!("operator %{name}(…)% is not closed"))?;
        args = Some(&tail[..end]);
        rest = &tail[end + 1..];
    }
    let mut max_len = None;
    if let Some(tail) = rest.strip_prefix(':') {
        let end = tail
            .find('%')
            .ok_or_else(|| format!("operator %{name}% is not closed"))?;
        let length = tail[..end]
            .parse()
            .map_err(|_| format!("length of %{name}% is not a number"))?;
        max_len = Some(length);
        rest = &tail[end..];
    }
    let rest = rest
        .strip_prefix('%')
        .ok_or_else(|| format!("operator %{name}% is not closed"))?;
    Ok((
        Field {
            op: Operator::parse(name, args)?,
            max_len,
        },
        rest,
    ))
}

fn excerpt(text: &str) -> String {
    text.chars().take(20).collect()
}

/// A JSON access log: the format's object with its strings compiled.
#[derive(Debug, Clone, PartialEq)]
pub struct JsonTemplate {
    pub root: JsonNode,
    /// Absent values are left out instead of written as `null`.
    pub omit_empty: bool,
}

/// A node of a JSON template. Keys are written in Envoy's order, which is sorted.
#[derive(Debug, Clone, PartialEq)]
pub enum JsonNode {
    /// Keys are serialised with their quotes.
    Object(Vec<(Arc<[u8]>, JsonNode)>),
    Array(Vec<JsonNode>),
    /// Serialised JSON.
    Constant(Arc<[u8]>),
    /// A string that is one operator: keeps the operator's type.
    Field(Field),
    /// Text with operators.
    Text(Program),
}

impl JsonTemplate {
    /// Compiles an object.
    pub fn parse(value: &Value, omit_empty: bool) -> Result<Self, String> {
        Ok(Self {
            root: JsonNode::parse(value, omit_empty, 0)?,
            omit_empty,
        })
    }

    /// Appends the object, without a line feed.
    pub fn render<C: FormatContext + ?Sized>(&self, context: &C, out: &mut Vec<u8>) {
        let mut scratch = Vec::new();
        self.root
            .render(context, self.omit_empty, out, &mut scratch);
    }

    /// As [`JsonTemplate::render`] with a buffer to reuse.
    pub fn render_with<C: FormatContext + ?Sized>(
        &self,
        context: &C,
        out: &mut Vec<u8>,
        scratch: &mut Vec<u8>,
    ) {
        self.root.render(context, self.omit_empty, out, scratch);
    }
}

impl JsonNode {
    fn parse(value: &Value, omit_empty: bool, depth: usize) -> Result<Self, String> {
        if depth > 16 {
            return Err("JSON format is nested more than 16 deep".into());
        }
        Ok(match value {
            Value::Object(map) => {
                let mut fields: Vec<_> = map.iter().collect();
                fields.sort_by(|a, b| a.0.cmp(b.0));
                let fields = fields.into_iter().map(|(key, value)| {
                    let mut name = Vec::new();
                    write_json_string(key.as_bytes(), &mut name);
                    Ok((name.into(), Self::parse(value, omit_empty, depth + 1)?))
                });
                Self::Object(fields.collect::<Result<_, String>>()?)
            }
            Value::Array(items) => {
                let items = items
                    .iter()
                    .map(|item| Self::parse(item, omit_empty, depth + 1));
                Self::Array(items.collect::<Result<_, String>>()?)
            }
            Value::String(text) => {
                let mut program = Program::parse(text, omit_empty)?;
                match program.as_literal() {
                    Some(text) => {
                        let mut constant = Vec::new();
                        write_json_string(text, &mut constant);
                        Self::Constant(constant.into())
                    }
                    None if program.segments.len() == 1 => match program.segments.remove(0) {
                        Segment::Field(field) => Self::Field(field),
                        Segment::Literal(_) => unreachable!("a single literal is a constant"),
                    },
                    None => Self::Text(program),
                }
            }
            other => Self::Constant(other.to_string().into_bytes().into()),
        })
    }

    /// Returns whether anything was written.
    fn render<C: FormatContext + ?Sized>(
        &self,
        context: &C,
        omit: bool,
        out: &mut Vec<u8>,
        scratch: &mut Vec<u8>,
    ) -> bool {
        match self {
            Self::Object(fields) => {
                out.push(b'{');
                let mut first = true;
                for (key, node) in fields {
                    let start = out.len();
                    if !first {
                        out.push(b',');
                    }
                    out.extend_from_slice(key);
                    out.push(b':');
                    if node.render(context, omit, out, scratch) {
                        first = false;
                    } else {
                        out.truncate(start);
                    }
                }
                out.push(b'}');
                true
            }
            Self::Array(items) => {
                out.push(b'[');
                let mut first = true;
                for item in items {
                    let start = out.len();
                    if !first {
                        out.push(b',');
                    }
                    if item.render(context, omit, out, scratch) {
                        first = false;
                    } else {
                        out.truncate(start);
                    }
                }
                out.push(b']');
                true
            }
            Self::Constant(json) => {
                out.extend_from_slice(json);
                true
            }
            Self::Field(field) => {
                scratch.clear();
                match field.render(context, scratch) {
                    Rendered::Absent if omit => return false,
                    Rendered::Absent => out.extend_from_slice(b"null"),
                    Rendered::Text => write_json_string(scratch, out),
                    Rendered::Number | Rendered::Json => out.extend_from_slice(scratch),
                }
                true
            }
            Self::Text(program) => {
                scratch.clear();
                program.render(context, scratch);
                write_json_string(scratch, out);
                true
            }
        }
    }
}

/// Appends a JSON string with quotes. Bytes that are not UTF-8 become the replacement character.
pub fn write_json_string(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    // Nearly all values are plain: one pass without a branch a byte tells.
    let special = |byte: u8| !(0x20..0x80).contains(&byte) || byte == b'"' || byte == b'\\';
    if !text
        .iter()
        .fold(false, |found, byte| found | special(*byte))
    {
        out.extend_from_slice(text);
        out.push(b'"');
        return;
    }
    for chunk in text.utf8_chunks() {
        write_escaped(chunk.valid().as_bytes(), out);
        if !chunk.invalid().is_empty() {
            out.extend_from_slice("\u{fffd}".as_bytes());
        }
    }
    out.push(b'"');
}

fn write_escaped(text: &[u8], out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let mut clean = 0;
    for (at, byte) in text.iter().enumerate() {
        if *byte >= 0x20 && *byte != b'"' && *byte != b'\\' {
            continue;
        }
        out.extend_from_slice(&text[clean..at]);
        clean = at + 1;
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            other => {
                out.extend_from_slice(b"\\u00");
                out.push(HEX[usize::from(other >> 4)]);
                out.push(HEX[usize::from(other & 15)]);
            }
        }
    }
    out.extend_from_slice(&text[clean..]);
}

/// Envoy's default text format.
pub const DEFAULT_TEXT: &str = "[%START_TIME%] \"%REQUEST_HEADER(:METHOD)% %REQUEST_HEADER(X-ENVOY-ORIGINAL-PATH?:PATH)% \
%PROTOCOL%\" %RESPONSE_CODE% %RESPONSE_FLAGS% %BYTES_RECEIVED% %BYTES_SENT% %DURATION% \
%RESPONSE_HEADER(X-ENVOY-UPSTREAM-SERVICE-TIME)% \"%REQUEST_HEADER(X-FORWARDED-FOR)%\" \"%REQUEST_HEADER(USER-AGENT)%\" \
\"%REQUEST_HEADER(X-REQUEST-ID)%\" \"%REQUEST_HEADER(:AUTHORITY)%\" \"%UPSTREAM_HOST%\"\n";

#[cfg(test)]
mod tests {
    use super::*;

    struct Context;

    impl FormatContext for Context {
        fn render(&self, op: &Operator, out: &mut Vec<u8>) -> Rendered {
            match op {
                Operator::ResponseCode => {
                    out.extend_from_slice(b"200");
                    Rendered::Number
                }
                Operator::RequestHeader(header) if header.name.as_str() == ":path" => {
                    out.extend_from_slice(b"/a\"b");
                    Rendered::Text
                }
                _ => Rendered::Absent,
            }
        }
    }

    fn text(format: &str) -> String {
        let mut out = Vec::new();
        Program::parse(format, false)
            .unwrap()
            .render(&Context, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn text_writes_values_literals_and_dashes() {
        assert_eq!(
            text("%RESPONSE_CODE% %% %REQ(:path):2% [%PROTOCOL%]"),
            "200 % /a [-]"
        );
        assert_eq!(text(""), "");
    }

    #[test]
    fn json_keeps_types_sorts_keys_and_escapes() {
        let template = serde_json::json!({"p": "%REQ(:PATH)%", "c": "%RESPONSE_CODE%", "n": "%PROTOCOL%", "m": "x%PROTOCOL%", "k": 1});
        let render = |omit| {
            let mut out = Vec::new();
            JsonTemplate::parse(&template, omit)
                .unwrap()
                .render(&Context, &mut out);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(
            render(false),
            r#"{"c":200,"k":1,"m":"x-","n":null,"p":"/a\"b"}"#
        );
        assert_eq!(render(true), r#"{"c":200,"k":1,"m":"x","p":"/a\"b"}"#);
    }

    #[test]
    fn malformed_formats_are_refused_with_the_operator_named() {
        for (format, part) in [
            ("%NOPE%", "NOPE"),
            ("%REQ(:path", "REQ"),
            ("%REQ(a):x%", "REQ"),
            ("100%", "without an operator"),
            ("%REQ%", "REQ"),
            ("%DURATION(x)%", "DURATION"),
        ] {
            let error = Program::parse(format, false).unwrap_err();
            assert!(error.contains(part), "{format}: {error}");
        }
    }

    #[test]
    fn the_default_format_compiles() {
        assert!(Program::parse(DEFAULT_TEXT, false).is_ok());
    }

    proptest::proptest! {
        #[test]
        fn no_format_panics(text in ".{0,80}") {
            let _ = Program::parse(&text, false);
        }

        #[test]
        fn json_strings_are_json(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..64)) {
            let mut out = Vec::new();
            write_json_string(&bytes, &mut out);
            let back: String = serde_json::from_slice(&out).unwrap();
            proptest::prop_assert_eq!(back, String::from_utf8_lossy(&bytes));
        }
    }
}
