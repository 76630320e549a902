//! Walks the fields of messages, so that a test can prove that each of them is honoured, harmless or refused.

use prost::Message;
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MapKey, Value};

use super::{JsonError, Pool};

/// One field of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// As in the proto file.
    pub name: String,
    pub number: u32,
    pub shape: Shape,
    /// The kind of the value; of a map, the kind of its values.
    pub kind: FieldKind,
    /// The one-of group that the field belongs to.
    pub oneof: Option<String>,
    pub deprecated: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    Singular,
    Repeated,
    Map,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FieldKind {
    /// The full name of the message.
    Message(String),
    /// Names and numbers of the values.
    Enum(Vec<(String, i32)>),
    String,
    Bytes,
    Bool,
    /// Any of the integer types.
    Integer,
    /// `float` or `double`.
    Float,
}

impl Pool {
    /// The fields of a message in the order of the proto file's numbers.
    ///
    /// # Errors
    /// When the message is unknown.
    pub fn fields(&self, message: &str) -> Result<Vec<Field>, JsonError> {
        Ok(self
            .descriptor(message)?
            .fields()
            .map(|field| Field::of(&field))
            .collect())
    }

    /// The names of all messages, map entries left out.
    pub fn messages(&self) -> impl Iterator<Item = String> + '_ {
        let messages = self
            .0
            .all_messages()
            .filter(|message| !message.is_map_entry());
        messages.map(|message| message.full_name().to_owned())
    }

    /// The encoding of a message in which one field alone is set, to a value that is not its default. Messages are
    /// present and empty, lists and maps have one element, enums their first value that is not 0.
    ///
    /// # Errors
    /// When the message or the field is unknown.
    pub fn with_field(&self, message: &str, number: u32) -> Result<Vec<u8>, JsonError> {
        let descriptor = self.descriptor(message)?;
        let field = descriptor
            .get_field(number)
            .ok_or_else(|| JsonError::Refused {
                message: descriptor.full_name().into(),
                path: number.to_string(),
                reason: "there is no field of this number".into(),
            })?;
        let mut sample = DynamicMessage::new(descriptor);
        sample.set_field(&field, sample_of(&field));
        Ok(sample.encode_to_vec())
    }
}

impl Field {
    fn of(field: &FieldDescriptor) -> Self {
        let (shape, kind) = match field.kind() {
            Kind::Message(entry) if field.is_map() => {
                (Shape::Map, entry.map_entry_value_field().kind())
            }
            kind if field.is_list() => (Shape::Repeated, kind),
            kind => (Shape::Singular, kind),
        };
        let options = field.field_descriptor_proto().options.as_ref();
        Self {
            name: field.name().into(),
            number: field.number(),
            shape,
            kind: FieldKind::of(&kind),
            oneof: field
                .containing_oneof()
                .filter(|oneof| !oneof.is_synthetic())
                .map(|oneof| oneof.name().into()),
            deprecated: options.is_some_and(|options| options.deprecated()),
        }
    }
}

impl FieldKind {
    fn of(kind: &Kind) -> Self {
        match kind {
            Kind::Message(message) => Self::Message(message.full_name().into()),
            Kind::Enum(values) => {
                let values = values
                    .values()
                    .map(|value| (value.name().to_owned(), value.number()));
                Self::Enum(values.collect())
            }
            Kind::String => Self::String,
            Kind::Bytes => Self::Bytes,
            Kind::Bool => Self::Bool,
            Kind::Float | Kind::Double => Self::Float,
            Kind::Int32
            | Kind::Int64
            | Kind::Uint32
            | Kind::Uint64
            | Kind::Sint32
            | Kind::Sint64
            | Kind::Fixed32
            | Kind::Fixed64
            | Kind::Sfixed32
            | Kind::Sfixed64 => Self::Integer,
        }
    }
}

fn sample_of(field: &FieldDescriptor) -> Value {
    match field.kind() {
        Kind::Message(entry) if field.is_map() => {
            let key = match one(&entry.map_entry_key_field().kind()) {
                Value::Bool(key) => MapKey::Bool(key),
                Value::I32(key) => MapKey::I32(key),
                Value::I64(key) => MapKey::I64(key),
                Value::U32(key) => MapKey::U32(key),
                Value::U64(key) => MapKey::U64(key),
                _ => MapKey::String("x".into()),
            };
            Value::Map([(key, one(&entry.map_entry_value_field().kind()))].into())
        }
        kind if field.is_list() => Value::List(vec![one(&kind)]),
        kind => one(&kind),
    }
}

fn one(kind: &Kind) -> Value {
    match kind {
        Kind::Message(message) => Value::Message(DynamicMessage::new(message.clone())),
        Kind::Enum(values) => {
            let other = values
                .values()
                .map(|value| value.number())
                .find(|number| *number != 0);
            Value::EnumNumber(other.unwrap_or(1))
        }
        Kind::String => Value::String("x".into()),
        Kind::Bytes => Value::Bytes(b"x".as_slice().into()),
        Kind::Bool => Value::Bool(true),
        Kind::Float => Value::F32(1.0),
        Kind::Double => Value::F64(1.0),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => Value::I32(1),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => Value::I64(1),
        Kind::Uint32 | Kind::Fixed32 => Value::U32(1),
        Kind::Uint64 | Kind::Fixed64 => Value::U64(1),
    }
}
