//! A deserialiser that has no input: it asks a type what it wants and writes the answers down.

use std::fmt;

use serde::de::{
    self, DeserializeOwned, DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, SeqAccess,
    Visitor,
};

use super::Tree;
use crate::duration::DURATION;

pub(super) fn trace<T: DeserializeOwned>() -> Tree {
    let mut tree = Tree::Any;
    // The outcome does not matter: what was asked for has been written down by then.
    let _ = T::deserialize(Tracer {
        out: &mut tree,
        above: None,
    });
    tree
}

#[derive(Debug)]
struct Stop;

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("this type cannot be traced further")
    }
}

impl std::error::Error for Stop {}

impl de::Error for Stop {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self
    }
}

/// The messages around the current one, innermost first: recursion ends where a name returns.
#[derive(Clone, Copy)]
struct Above<'a> {
    name: &'static str,
    next: Option<&'a Above<'a>>,
}

fn is_above(mut above: Option<&Above<'_>>, name: &str) -> bool {
    while let Some(message) = above {
        if message.name == name {
            return true;
        }
        above = message.next;
    }
    false
}

struct Tracer<'a> {
    out: &'a mut Tree,
    above: Option<&'a Above<'a>>,
}

macro_rules! integers {
    ($($method:ident $visit:ident $int:ty, $format:expr;)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
            *self.out = Tree::Int { min: <$int>::MIN as i128, max: <$int>::MAX as i128, format: $format };
            visitor.$visit(0)
        })*
    };
}

impl<'de> Deserializer<'de> for Tracer<'_> {
    type Error = Stop;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        struct Expecting<'a, V>(&'a V);
        impl<'de, V: Visitor<'de>> fmt::Display for Expecting<'_, V> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.expecting(f)
            }
        }
        match Expecting(&visitor).to_string().as_str() {
            "IntOrString" => {
                *self.out = Tree::IntOrString;
                visitor.visit_i64(0)
            }
            "JSONSchemaPropsOrBool" => visitor.visit_bool(true),
            "JSONSchemaPropsOrArray" | "JSONSchemaPropsOrStringArray" => visitor.visit_seq(Nothing),
            _ => visitor.visit_unit(),
        }
    }

    integers! {
        deserialize_i8 visit_i8 i8, None;
        deserialize_i16 visit_i16 i16, None;
        deserialize_i32 visit_i32 i32, Some("int32");
        deserialize_i64 visit_i64 i64, Some("int64");
        deserialize_u8 visit_u8 u8, None;
        deserialize_u16 visit_u16 u16, None;
        deserialize_u32 visit_u32 u32, None;
        deserialize_u64 visit_u64 u64, None;
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        *self.out = Tree::Bool;
        visitor.visit_bool(false)
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        *self.out = Tree::Number;
        visitor.visit_f32(0.0)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        *self.out = Tree::Number;
        visitor.visit_f64(0.0)
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        *self.out = Tree::String;
        visitor.visit_char('a')
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        *self.out = Tree::String;
        visitor.visit_str("")
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        self.deserialize_str(visitor)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        self.deserialize_str(visitor)
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        visitor.visit_some(self)
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Stop> {
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Stop> {
        match name {
            DURATION => {
                *self.out = Tree::Duration;
                visitor.visit_str("1s")
            }
            "Time" | "MicroTime" => {
                *self.out = Tree::Time;
                visitor.visit_newtype_struct(IntoDeserializer::<Stop>::into_deserializer(
                    "1970-01-01T00:00:00.000000Z",
                ))
            }
            "Quantity" => {
                *self.out = Tree::Quantity;
                visitor.visit_str("0")
            }
            _ => visitor.visit_newtype_struct(self),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        let mut item = Tree::Any;
        let value = visitor.visit_seq(One {
            out: Some(&mut item),
            above: self.above,
        });
        *self.out = Tree::List(Box::new(item));
        value
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Stop> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Stop> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        let mut item = Tree::Any;
        let value = visitor.visit_map(One {
            out: Some(&mut item),
            above: self.above,
        });
        *self.out = Tree::Map(Box::new(item));
        value
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Stop> {
        if is_above(self.above, name) {
            return visitor.visit_map(Nothing);
        }
        let mut traced = Vec::with_capacity(fields.len());
        let above = Above {
            name,
            next: self.above,
        };
        let value = visitor.visit_map(Fields {
            names: fields,
            traced: &mut traced,
            above: &above,
        });
        *self.out = Tree::Message {
            name,
            fields: traced,
        };
        value
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Stop> {
        *self.out = Tree::Choice(variants);
        let first = variants.first().ok_or(Stop)?;
        visitor.visit_enum(IntoDeserializer::<Stop>::into_deserializer(*first))
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        visitor.visit_str("")
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        visitor.visit_unit()
    }
}

/// An empty list or mapping.
struct Nothing;

impl<'de> SeqAccess<'de> for Nothing {
    type Error = Stop;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        _: S,
    ) -> Result<Option<S::Value>, Stop> {
        Ok(None)
    }
}

impl<'de> MapAccess<'de> for Nothing {
    type Error = Stop;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, _: S) -> Result<Option<S::Value>, Stop> {
        Ok(None)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, _: S) -> Result<S::Value, Stop> {
        Err(Stop)
    }
}

/// A list or mapping of one item.
struct One<'a> {
    out: Option<&'a mut Tree>,
    above: Option<&'a Above<'a>>,
}

impl<'de> SeqAccess<'de> for One<'_> {
    type Error = Stop;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Stop> {
        match self.out.take() {
            Some(out) => seed
                .deserialize(Tracer {
                    out,
                    above: self.above,
                })
                .map(Some),
            None => Ok(None),
        }
    }
}

impl<'de> MapAccess<'de> for One<'_> {
    type Error = Stop;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Stop> {
        if self.out.is_none() {
            return Ok(None);
        }
        let mut key = Tree::Any;
        seed.deserialize(Tracer {
            out: &mut key,
            above: None,
        })
        .map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Stop> {
        let out = self.out.take().ok_or(Stop)?;
        seed.deserialize(Tracer {
            out,
            above: self.above,
        })
    }
}

/// Every field of a message once.
struct Fields<'a> {
    names: &'static [&'static str],
    traced: &'a mut Vec<(&'static str, Tree)>,
    above: &'a Above<'a>,
}

impl<'de> MapAccess<'de> for Fields<'_> {
    type Error = Stop;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Stop> {
        // Kubernetes' own kinds compare these two with constants that the tracer does not know.
        while let Some(name @ ("apiVersion" | "kind")) = self.names.get(self.traced.len()).copied()
        {
            self.traced.push((name, Tree::String));
        }
        match self.names.get(self.traced.len()).copied() {
            Some(name) => seed
                .deserialize(IntoDeserializer::<Stop>::into_deserializer(name))
                .map(Some),
            None => Ok(None),
        }
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Stop> {
        let name = self.names.get(self.traced.len()).copied().ok_or(Stop)?;
        let mut tree = Tree::Any;
        let value = seed.deserialize(Tracer {
            out: &mut tree,
            above: Some(self.above),
        });
        self.traced.push((name, tree));
        value
    }
}
