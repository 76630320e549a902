//! Paths of fields: `spec.http[0].match[1].headers["x-user"]`.

use std::fmt;

/// One field's path, a list that lives on the stack while a tree is walked.
#[derive(Debug, Clone, Copy)]
pub enum Path<'a> {
    /// The object itself.
    Root,
    /// A field of a message or an entry of a map.
    Key(&'a Path<'a>, &'a str),
    /// An item of a list.
    Index(&'a Path<'a>, usize),
}

impl<'a> Path<'a> {
    /// The field `name` below this one.
    #[must_use]
    pub fn key(&'a self, name: &'a str) -> Path<'a> {
        Path::Key(self, name)
    }

    /// The item at `index` below this one.
    #[must_use]
    pub fn index(&'a self, index: usize) -> Path<'a> {
        Path::Index(self, index)
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => Ok(()),
            Self::Index(parent, index) => write!(f, "{parent}[{index}]"),
            Self::Key(parent, key) if is_plain(key) => match parent {
                Self::Root => f.write_str(key),
                parent => write!(f, "{parent}.{key}"),
            },
            Self::Key(parent, key) => write!(f, "{parent}[{key:?}]"),
        }
    }
}

fn is_plain(key: &str) -> bool {
    !key.is_empty()
        && key
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'$'))
}

/// A step of a path in text form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Segment {
    /// A field or an entry.
    Key(String),
    /// An item.
    Index(usize),
}

/// Takes the text form of a path apart. What is not such a text gives the steps up to there.
#[must_use]
pub fn segments(path: &str) -> Vec<Segment> {
    let mut steps = Vec::new();
    let mut rest = path;
    while !rest.is_empty() {
        if let Some(tail) = rest.strip_prefix("[\"") {
            let Some((key, tail)) = quoted(tail) else {
                break;
            };
            steps.push(Segment::Key(key));
            rest = tail.strip_prefix(']').unwrap_or(tail);
        } else if let Some(tail) = rest.strip_prefix('[') {
            let Some((number, tail)) = tail.split_once(']') else {
                break;
            };
            let Ok(index) = number.parse() else { break };
            steps.push(Segment::Index(index));
            rest = tail;
        } else {
            rest = rest.strip_prefix('.').unwrap_or(rest);
            let end = rest.find(['.', '[']).unwrap_or(rest.len());
            if end == 0 {
                break;
            }
            steps.push(Segment::Key(rest[..end].to_owned()));
            rest = &rest[end..];
        }
    }
    steps
}

/// Reads up to the closing quote; undoes `{:?}`'s escapes of quote and backslash.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut key = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((key, &text[at + 1..])),
            '\\' => key.push(chars.next()?.1),
            c => key.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_a_path_is_read_back() {
        let (spec, headers) = (Path::Root.key("spec"), "headers");
        let list = spec.key("http");
        let item = list.index(2);
        let map = item.key(headers);
        let entry = map.key("x-\"user\".a");
        let text = entry.to_string();
        assert_eq!(text, "spec.http[2].headers[\"x-\\\"user\\\".a\"]");
        let key = |key: &str| Segment::Key(key.into());
        assert_eq!(
            segments(&text),
            [
                key("spec"),
                key("http"),
                Segment::Index(2),
                key("headers"),
                key("x-\"user\".a")
            ]
        );
    }

    #[test]
    fn a_broken_path_gives_its_good_beginning() {
        assert_eq!(segments("spec[x"), [Segment::Key("spec".into())]);
        assert_eq!(segments("..."), []);
    }
}
