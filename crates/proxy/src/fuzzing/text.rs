//! Text of configuration and of requests: format strings, paths.

use serde_json::Value;

use crate::config::format::{FormatContext, JsonTemplate, Operator, Program, Rendered};
use crate::filters::path::{merge_slashes, remove_dot_segments, unescape_slashes};

/// Gives every operator the same awkward value.
struct Awkward;

const AWKWARD: &[u8] = b"\"\\\n\xff\xc3%\0 value";

impl FormatContext for Awkward {
    fn render(&self, op: &Operator, out: &mut Vec<u8>) -> Rendered {
        match format!("{op:?}").len() % 4 {
            0 => Rendered::Absent,
            1 => {
                out.extend_from_slice(b"42");
                Rendered::Number
            }
            2 => {
                out.extend_from_slice(b"{\"a\":[null]}");
                Rendered::Json
            }
            _ => {
                out.extend_from_slice(AWKWARD);
                Rendered::Text
            }
        }
    }
}

/// A format string, or a JSON format: a compiled one renders in bounded space, a JSON one renders JSON.
pub fn access_log(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    for omit in [false, true] {
        let Ok(program) = Program::parse(text, omit) else {
            continue;
        };
        let mut line = Vec::new();
        program.render(&Awkward, &mut line);
        assert!(line.len() <= text.len() + program.segments.len() * AWKWARD.len());
    }
    let Ok(value @ Value::Object(_)) = serde_json::from_str(text) else {
        return;
    };
    for omit in [false, true] {
        let Ok(template) = JsonTemplate::parse(&value, omit) else {
            continue;
        };
        let mut line = Vec::new();
        template.render(&Awkward, &mut line);
        let read: Result<Value, _> = serde_json::from_slice(&line);
        assert!(read.is_ok_and(|v| v.is_object()), "{}", line.escape_ascii());
    }
}

/// A request's path: what normalisation leaves has no dot segments and no double slashes before the query.
pub fn path(data: &[u8]) {
    let path = [b"/", data].concat();
    let unescaped = unescape_slashes(&path).unwrap_or(path);
    assert!(unescape_slashes(&unescaped).is_none_or(|again| again.len() < unescaped.len()));
    let Ok(normal) = remove_dot_segments(&unescaped) else {
        return;
    };
    let normal = normal.unwrap_or(unescaped);
    let merged = merge_slashes(&normal).unwrap_or(normal);
    assert_eq!(merged.first(), Some(&b'/'));
    let end = memchr::memchr2(b'?', b'#', &merged).unwrap_or(merged.len());
    let mut segments = merged[..end].split(|byte| *byte == b'/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        assert!(
            !matches!(segment, b"." | b".."),
            "{}",
            merged.escape_ascii()
        );
        assert!(!segment.is_empty() || segments.peek().is_none());
        assert!(!segment.contains(&b'\\') && !segment.contains(&0));
    }
}
