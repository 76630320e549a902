//! A serde `Deserializer` over nodes that is strict and does not stop at the first mistake: unknown fields
//! are reported (each struct tells its field list), and what does not fit is reported, left out and the
//! rest decoded again.

use std::cell::RefCell;
use std::collections::HashSet;

use serde::de::{
    self, DeserializeOwned, DeserializeSeed, EnumAccess, IntoDeserializer, MapAccess, SeqAccess,
    VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;

use super::error::{Mismatch, Place, nearest};
use super::node::{Key, Kind, Node};
use super::{MAX_PROBLEMS, misplaced};
use crate::Diagnostic;
use crate::path::Path;
use crate::schema::Tree;

/// Decodes `node`, which stands at `path`. All mistakes are reported; with any, there is no value.
pub(crate) fn decode<T: DeserializeOwned>(
    node: &Node,
    path: Path<'_>,
    tree: Option<&Tree>,
) -> Result<T, Vec<Diagnostic>> {
    let context = Context {
        tree,
        bad: RefCell::default(),
        found: RefCell::default(),
        reported: RefCell::default(),
    };
    loop {
        let outcome = T::deserialize(Cursor {
            node,
            path,
            context: &context,
        });
        match outcome {
            Ok(value) => {
                let found = context.found.into_inner();
                return if found.is_empty() {
                    Ok(value)
                } else {
                    Err(sorted(found))
                };
            }
            Err(mismatch) => {
                if !context.report(mismatch, node) {
                    return Err(sorted(context.found.into_inner()));
                }
            }
        }
    }
}

fn sorted(mut found: Vec<Diagnostic>) -> Vec<Diagnostic> {
    found.sort_by(|a, b| (a.line, a.column, &a.path).cmp(&(b.line, b.column, &b.path)));
    found
}

struct Context<'a> {
    tree: Option<&'a Tree>,
    /// Nodes to leave out in the next pass, by address.
    bad: RefCell<HashSet<usize>>,
    found: RefCell<Vec<Diagnostic>>,
    /// Unknown fields reported so far, by the address of their key.
    reported: RefCell<HashSet<usize>>,
}

impl Context<'_> {
    /// Whether another pass, without the node at fault, can find more.
    fn report(&self, mismatch: Mismatch, root: &Node) -> bool {
        let mut found = self.found.borrow_mut();
        let Some(place) = mismatch.place else {
            found.push(Diagnostic::error("", mismatch.message));
            return false;
        };
        let mut diagnostic = Diagnostic::error(place.path, mismatch.message)
            .at(place.line as usize, place.column as usize);
        diagnostic.suggestion = place.suggestion;
        found.push(diagnostic);
        place.node != address(root)
            && self.bad.borrow_mut().insert(place.node)
            && found.len() < MAX_PROBLEMS
    }

    fn unknown(&self, key: &Key, path: Path<'_>, parent: &str, fields: &'static [&'static str]) {
        let mut found = self.found.borrow_mut();
        if found.len() >= MAX_PROBLEMS
            || !self
                .reported
                .borrow_mut()
                .insert(std::ptr::from_ref(key).addr())
        {
            return;
        }
        let at = path.key(&key.text).to_string();
        let place = if parent.is_empty() {
            String::new()
        } else {
            format!(" in {parent}")
        };
        let mut diagnostic = Diagnostic::error(at, format!("unknown field {:?}{place}", key.text))
            .at(key.line as usize, key.column as usize);
        diagnostic.suggestion =
            misplaced::suggestion(self.tree, &path, &key.text, fields).or_else(|| {
                nearest(&key.text, fields.iter().copied())
                    .map(|near| format!("did you mean {near:?}?"))
            });
        found.push(diagnostic);
    }

    fn is_bad(&self, node: &Node) -> bool {
        self.bad.borrow().contains(&address(node))
    }
}

fn address(node: &Node) -> usize {
    std::ptr::from_ref(node).addr()
}

#[derive(Clone, Copy)]
struct Cursor<'a> {
    node: &'a Node,
    path: Path<'a>,
    context: &'a Context<'a>,
}

impl Cursor<'_> {
    /// Marks an error that has no place yet as one of this node.
    fn locate(&self, mut mismatch: Mismatch) -> Mismatch {
        if mismatch.place.is_none() {
            let suggestion = self.suggestion(&mismatch.message);
            mismatch.place = Some(Place {
                node: address(self.node),
                path: self.path.to_string(),
                line: self.node.line,
                column: self.node.column,
                suggestion,
            });
        }
        mismatch
    }

    fn suggestion(&self, message: &str) -> Option<String> {
        let wants = |what: &str| message.starts_with(&format!("expected {what}"));
        match &self.node.kind {
            Kind::Bool(bool) if wants("a string") => {
                let text =
                    self.node
                        .source
                        .as_deref()
                        .unwrap_or(if *bool { "true" } else { "false" });
                Some(format!("write it in quotes: \"{text}\""))
            }
            Kind::Int(_) | Kind::Float(_) if wants("a string") => {
                let text = self
                    .node
                    .source
                    .as_deref()
                    .map_or_else(|| self.node.to_value().to_string(), str::to_owned);
                Some(format!("write it in quotes: \"{text}\""))
            }
            Kind::Int(int) if wants("a duration") => {
                Some(format!("write it with a unit: \"{int}s\""))
            }
            Kind::String(text)
                if (wants("an integer") || wants("a number")) && text.parse::<f64>().is_ok() =>
            {
                Some(format!("write it without quotes: {text}"))
            }
            Kind::String(text)
                if wants("a boolean") && matches!(text.as_str(), "true" | "false") =>
            {
                Some(format!("write it without quotes: {text}"))
            }
            Kind::String(_) | Kind::Int(_) | Kind::Map(_) if wants("a list") => {
                Some("write it as a list, with \"- \" before the item".into())
            }
            Kind::List(items) if items.len() == 1 && (wants("a mapping") || wants("a string")) => {
                Some("write it without the \"- \"".into())
            }
            _ => None,
        }
    }
}

impl<'de> de::Deserializer<'de> for Cursor<'_> {
    type Error = Mismatch;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        let result = match &self.node.kind {
            Kind::Null => visitor.visit_unit(),
            Kind::Bool(bool) => visitor.visit_bool(*bool),
            Kind::Int(int) => match (i64::try_from(*int), u64::try_from(*int)) {
                (Ok(int), _) => visitor.visit_i64(int),
                (_, Ok(int)) => visitor.visit_u64(int),
                _ => visitor.visit_f64(*int as f64),
            },
            Kind::Float(float) => visitor.visit_f64(*float),
            Kind::String(text) => visitor.visit_str(text),
            Kind::List(items) => visitor.visit_seq(Items {
                cursor: self,
                items,
                next: 0,
            }),
            Kind::Map(entries) => visitor.visit_map(Entries::new(self, entries, None)),
        };
        result.map_err(|error| self.locate(error))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        match self.node.kind {
            Kind::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
        .map_err(|error| self.locate(error))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        visitor
            .visit_newtype_struct(self)
            .map_err(|error| self.locate(error))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        // A serde_json internal (arbitrary numbers, raw values) is no message.
        if name.starts_with('$') {
            return self.deserialize_any(visitor);
        }
        match &self.node.kind {
            Kind::Map(entries) => {
                visitor.visit_map(Entries::new(self, entries, Some((name, fields))))
            }
            _ => return self.deserialize_any(NoList(visitor)),
        }
        .map_err(|error| self.locate(error))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        match &self.node.kind {
            Kind::String(text) => visitor.visit_enum(Variant(text)),
            _ => return self.deserialize_str(visitor),
        }
        .map_err(|error| self.locate(error))
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq
        tuple tuple_struct map identifier
    }
}

/// serde's derive would read a message from a list by position; YAML must not.
struct NoList<V>(V);

impl<'de, V: Visitor<'de>> Visitor<'de> for NoList<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.expecting(f)
    }
}

struct Variant<'a>(&'a str);

impl<'de> EnumAccess<'de> for Variant<'_> {
    type Error = Mismatch;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self), Mismatch> {
        Ok((
            seed.deserialize(IntoDeserializer::<Mismatch>::into_deserializer(self.0))?,
            self,
        ))
    }
}

impl<'de> VariantAccess<'de> for Variant<'_> {
    type Error = Mismatch;

    fn unit_variant(self) -> Result<(), Mismatch> {
        Ok(())
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, _: S) -> Result<S::Value, Mismatch> {
        Err(de::Error::custom("this choice needs a value"))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value, Mismatch> {
        Err(de::Error::custom("this choice needs a value"))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Mismatch> {
        Err(de::Error::custom("this choice needs a value"))
    }
}

struct Items<'a> {
    cursor: Cursor<'a>,
    items: &'a [Node],
    next: usize,
}

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = Mismatch;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Mismatch> {
        while let Some(node) = self.items.get(self.next) {
            let index = self.next;
            self.next += 1;
            if self.cursor.context.is_bad(node) {
                continue;
            }
            let path = self.cursor.path.index(index);
            let cursor = Cursor {
                node,
                path,
                context: self.cursor.context,
            };
            return seed
                .deserialize(cursor)
                .map(Some)
                .map_err(|error| cursor.locate(error));
        }
        Ok(None)
    }
}

struct Entries<'a> {
    cursor: Cursor<'a>,
    entries: &'a [(Key, Node)],
    next: usize,
    /// Name and fields, if this is a message and not a map.
    message: Option<(&'static str, &'static [&'static str])>,
}

impl<'a> Entries<'a> {
    fn new(
        cursor: Cursor<'a>,
        entries: &'a [(Key, Node)],
        message: Option<(&'static str, &'static [&'static str])>,
    ) -> Self {
        Self {
            cursor,
            entries,
            next: 0,
            message,
        }
    }

    fn skip(&self, key: &Key, node: &Node) -> bool {
        let context = self.cursor.context;
        if let Some((name, fields)) = self.message {
            if !fields.contains(&key.text.as_str()) {
                context.unknown(key, self.cursor.path, name, fields);
                return true;
            }
            // As in Go, null leaves a field at its default.
            if node.kind == Kind::Null {
                return true;
            }
        }
        context.is_bad(node)
    }
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = Mismatch;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Mismatch> {
        while let Some((key, node)) = self.entries.get(self.next) {
            if self.skip(key, node) {
                self.next += 1;
                continue;
            }
            let path = self.cursor.path.key(&key.text);
            let cursor = Cursor {
                node,
                path,
                context: self.cursor.context,
            };
            return seed
                .deserialize(KeyText(&key.text))
                .map(Some)
                .map_err(|error| cursor.locate(error));
        }
        Ok(None)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Mismatch> {
        let (key, node) = self
            .entries
            .get(self.next)
            .ok_or_else(|| de::Error::custom("value without a key"))?;
        self.next += 1;
        let path = self.cursor.path.key(&key.text);
        let cursor = Cursor {
            node,
            path,
            context: self.cursor.context,
        };
        seed.deserialize(cursor)
            .map_err(|error| cursor.locate(error))
    }
}

/// Keys are texts; maps by number (`portLevelMtls`) read them as numbers.
struct KeyText<'a>(&'a str);

macro_rules! numbers {
    ($($method:ident $visit:ident,)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
            match self.0.parse() {
                Ok(number) => visitor.$visit(number),
                Err(_) => visitor.visit_str(self.0),
            }
        })*
    };
}

impl<'de> de::Deserializer<'de> for KeyText<'_> {
    type Error = Mismatch;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        visitor.visit_str(self.0)
    }

    numbers! {
        deserialize_u16 visit_u16,
        deserialize_u32 visit_u32,
        deserialize_u64 visit_u64,
        deserialize_i32 visit_i32,
        deserialize_i64 visit_i64,
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        visitor.visit_newtype_struct(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i128 u8 u128 f32 f64 char str string bytes byte_buf option unit unit_struct seq
        tuple tuple_struct map struct enum identifier ignored_any
    }
}
