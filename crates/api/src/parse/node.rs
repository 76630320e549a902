//! A parsed text: values with the place where each stands.

use serde_json::{Map, Number, Value};

use crate::path::{Segment, segments};

/// A value and where it begins. Line and column are 1-based; 0 where there is no text.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    pub kind: Kind,
    pub line: u32,
    pub column: u32,
    /// What a plain scalar looked like, if it was read as something else than a string.
    pub source: Option<Box<str>>,
}

/// The value of a node.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    Null,
    Bool(bool),
    /// Every integer of JSON that fits 64 bits.
    Int(i128),
    Float(f64),
    String(String),
    List(Vec<Node>),
    /// In the order of the text, keys unique.
    Map(Vec<(Key, Node)>),
}

/// A key of a mapping and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    pub text: String,
    pub line: u32,
    pub column: u32,
}

impl Node {
    /// A node without a place.
    #[must_use]
    pub fn bare(kind: Kind) -> Self {
        Self {
            kind,
            line: 0,
            column: 0,
            source: None,
        }
    }

    /// The tree of a JSON value, without places.
    #[must_use]
    pub fn from_value(value: &Value) -> Self {
        Self::bare(match value {
            Value::Null => Kind::Null,
            Value::Bool(bool) => Kind::Bool(*bool),
            Value::Number(number) => from_number(number),
            Value::String(text) => Kind::String(text.clone()),
            Value::Array(items) => Kind::List(items.iter().map(Self::from_value).collect()),
            Value::Object(map) => {
                let entry = |(key, value): (&String, &Value)| {
                    (
                        Key {
                            text: key.clone(),
                            line: 0,
                            column: 0,
                        },
                        Self::from_value(value),
                    )
                };
                Kind::Map(map.iter().map(entry).collect())
            }
        })
    }

    /// The JSON value of the tree. Floats that JSON cannot write become null.
    #[must_use]
    pub fn to_value(&self) -> Value {
        match &self.kind {
            Kind::Null => Value::Null,
            Kind::Bool(bool) => Value::Bool(*bool),
            Kind::Int(int) => match (i64::try_from(*int), u64::try_from(*int)) {
                (Ok(int), _) => Value::Number(int.into()),
                (_, Ok(int)) => Value::Number(int.into()),
                // Beyond 64 bits the parsers make floats.
                _ => Value::Null,
            },
            Kind::Float(float) => Number::from_f64(*float).map_or(Value::Null, Value::Number),
            Kind::String(text) => Value::String(text.clone()),
            Kind::List(items) => Value::Array(items.iter().map(Self::to_value).collect()),
            Kind::Map(entries) => {
                let entries = entries
                    .iter()
                    .map(|(key, value)| (key.text.clone(), value.to_value()));
                Value::Object(entries.collect::<Map<_, _>>())
            }
        }
    }

    /// The value of a key, if this is a mapping that has it.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.entry(key).map(|(_, value)| value)
    }

    fn entry(&self, key: &str) -> Option<&(Key, Self)> {
        match &self.kind {
            Kind::Map(entries) => entries.iter().find(|(name, _)| name.text == key),
            _ => None,
        }
    }

    /// The value at `path`, such as `spec.http[0].timeout`, if every field on the way is there.
    #[must_use]
    pub fn value_of(&self, path: &str) -> Option<&Self> {
        segments(path)
            .iter()
            .try_fold(self, |node, segment| match (segment, &node.kind) {
                (Segment::Key(key), Kind::Map(_)) => node.get(key),
                (Segment::Index(index), Kind::List(items)) => items.get(*index),
                _ => None,
            })
    }

    /// The text of a string.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match &self.kind {
            Kind::String(text) => Some(text),
            _ => None,
        }
    }

    /// Line and column of the field at `path`: of its key, or where the key is missing, of the nearest
    /// existing field above it.
    #[must_use]
    pub fn place_of(&self, path: &str) -> (usize, usize) {
        let mut place = (self.line, self.column);
        let mut node = self;
        for segment in segments(path) {
            let next = match (&segment, &node.kind) {
                (Segment::Key(key), Kind::Map(_)) => node
                    .entry(key)
                    .map(|(key, value)| (key.line, key.column, value)),
                (Segment::Index(index), Kind::List(items)) => {
                    items.get(*index).map(|item| (item.line, item.column, item))
                }
                _ => None,
            };
            let Some((line, column, value)) = next else {
                break;
            };
            (place, node) = ((line, column), value);
        }
        (place.0 as usize, place.1 as usize)
    }
}

/// JSON's `8.0` is Go's `8`: integral floats are integers.
pub(super) fn number(float: f64) -> Kind {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if float.fract() == 0.0 && float.abs() <= EXACT {
        Kind::Int(float as i128)
    } else {
        Kind::Float(float)
    }
}

fn from_number(value: &Number) -> Kind {
    match (value.as_i64(), value.as_u64()) {
        (Some(int), _) => Kind::Int(int.into()),
        (_, Some(int)) => Kind::Int(int.into()),
        _ => number(value.as_f64().unwrap_or(f64::NAN)),
    }
}
