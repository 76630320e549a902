//! JSON text into nodes (RFC 8259), bounded in depth; one value and nothing after it.

use std::collections::HashSet;

use super::MAX_DEPTH;
use super::node::{Key, Kind, Node, number};
use crate::Diagnostic;

/// Reads one value. `first_line` is the number of the line before it.
pub(super) fn document(text: &str, first_line: u32) -> Result<Node, Diagnostic> {
    let mut reader = Reader {
        text,
        at: 0,
        line: first_line + 1,
        line_start: 0,
    };
    reader.blank();
    let node = reader.value(0)?;
    reader.blank();
    match reader.peek() {
        None => Ok(node),
        Some(_) => Err(reader.error("text after the end of the JSON value")),
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    line: u32,
    line_start: usize,
}

type Read<T> = Result<T, Diagnostic>;

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn place(&self) -> (u32, u32) {
        let column = self.text[self.line_start..self.at].chars().count() + 1;
        (self.line, u32::try_from(column).unwrap_or(u32::MAX))
    }

    fn error(&self, message: impl Into<String>) -> Diagnostic {
        // A position inside a character cannot be sliced at; the line is enough then.
        let (line, column) = if self.text.is_char_boundary(self.at) {
            self.place()
        } else {
            (self.line, 1)
        };
        let message = format!("not JSON: {}", message.into());
        Diagnostic::error("", message).at(line as usize, column as usize)
    }

    fn blank(&mut self) {
        while let Some(byte @ (b' ' | b'\t' | b'\r' | b'\n')) = self.peek() {
            self.at += 1;
            if byte == b'\n' {
                (self.line, self.line_start) = (self.line.saturating_add(1), self.at);
            }
        }
    }

    fn expect(&mut self, byte: u8) -> Read<()> {
        if self.peek() != Some(byte) {
            return Err(self.error(format!("expected {:?}", char::from(byte))));
        }
        self.at += 1;
        Ok(())
    }

    fn value(&mut self, depth: usize) -> Read<Node> {
        if depth > MAX_DEPTH {
            return Err(self.error(format!("nested more than {MAX_DEPTH} levels deep")));
        }
        let (line, column) = self.place();
        let kind = match self.peek() {
            Some(b'{') => self.object(depth)?,
            Some(b'[') => self.array(depth)?,
            Some(b'"') => Kind::String(self.string()?),
            Some(b'-' | b'0'..=b'9') => self.number()?,
            _ => self.word()?,
        };
        Ok(Node {
            kind,
            line,
            column,
            source: None,
        })
    }

    fn word(&mut self) -> Read<Kind> {
        let words = [
            ("null", Kind::Null),
            ("true", Kind::Bool(true)),
            ("false", Kind::Bool(false)),
        ];
        for (word, kind) in words {
            if self.text[self.at..].starts_with(word) {
                self.at += word.len();
                return Ok(kind);
            }
        }
        Err(self.error("expected a value"))
    }

    fn object(&mut self, depth: usize) -> Read<Kind> {
        self.expect(b'{')?;
        let mut entries = Vec::new();
        let mut seen = HashSet::new();
        self.blank();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(Kind::Map(entries));
        }
        loop {
            self.blank();
            let (line, column) = self.place();
            let text = self.string()?;
            if !seen.insert(text.clone()) {
                let message = format!("key {text:?} stands here a second time");
                return Err(Diagnostic::error("", message).at(line as usize, column as usize));
            }
            self.blank();
            self.expect(b':')?;
            self.blank();
            entries.push((Key { text, line, column }, self.value(depth + 1)?));
            self.blank();
            if self.peek() == Some(b'}') {
                self.at += 1;
                return Ok(Kind::Map(entries));
            }
            self.expect(b',')?;
        }
    }

    fn array(&mut self, depth: usize) -> Read<Kind> {
        self.expect(b'[')?;
        let mut items = Vec::new();
        self.blank();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(Kind::List(items));
        }
        loop {
            self.blank();
            items.push(self.value(depth + 1)?);
            self.blank();
            if self.peek() == Some(b']') {
                self.at += 1;
                return Ok(Kind::List(items));
            }
            self.expect(b',')?;
        }
    }

    /// The two scalar forms are the standard library's business once their extent is known.
    fn string(&mut self) -> Read<String> {
        let start = self.at;
        self.expect(b'"')?;
        loop {
            match self.peek() {
                None | Some(b'\n') => return Err(self.error("this string has no end")),
                Some(b'"') => break,
                Some(b'\\') => self.at += 2,
                Some(_) => self.at += 1,
            }
        }
        self.at += 1;
        let quoted = self.text.get(start..self.at).unwrap_or_default();
        serde_json::from_str(quoted)
            .map_err(|error| self.error(format!("string {quoted}: {error}")))
    }

    fn number(&mut self) -> Read<Kind> {
        let rest = &self.text[self.at..];
        let end = rest
            .find(|c: char| !matches!(c, '0'..='9' | '-' | '+' | '.' | 'e' | 'E'))
            .unwrap_or(rest.len());
        let text = &rest[..end];
        // serde_json knows the grammar; the standard library reads floats exactly.
        let legal = serde_json::from_str::<serde_json::Number>(text).is_ok();
        let float = text
            .parse()
            .ok()
            .filter(|float: &f64| legal && float.is_finite());
        let float = float.ok_or_else(|| self.error(format!("{text} is no number")))?;
        self.at += end;
        let int = text.parse::<i128>().ok();
        let int = int.filter(|int| (i128::from(i64::MIN)..=i128::from(u64::MAX)).contains(int));
        Ok(int.map_or_else(|| number(float), Kind::Int))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_carry_their_places() {
        let node = document("{\n  \"a\": [1, \"\\u00e9\", 2.0],\n  \"b\": null}", 10).unwrap();
        assert_eq!(node.place_of("a"), (12, 3));
        assert_eq!(node.place_of("a[1]"), (12, 12));
        assert_eq!(
            node.to_value(),
            serde_json::json!({"a": [1, "é", 2], "b": null})
        );
    }

    #[test]
    fn broken_texts_are_refused_at_the_right_place() {
        for (text, place) in [
            ("{\"a\": }", (1, 7)),
            ("[1,]", (1, 4)),
            ("{\"a\":1} x", (1, 9)),
            ("\"abc", (1, 5)),
        ] {
            let error = document(text, 0).unwrap_err();
            assert_eq!((error.line, error.column), place, "{text}");
        }
        assert!(document("{\"a\":1,\"a\":2}", 0).is_err());
        assert!(document(&"[".repeat(100_000), 0).is_err());
    }
}
