//! Encoded messages to and from JSON, through descriptors.
//!
//! Two pools are cut at build time from the descriptors that `envoy-types` ships (see `build/`): the *pruned* one
//! holds the messages of `roots.txt` and what they reach, the *full* one all of Envoy's API (feature
//! `full-descriptors`). A [`Pool`] is an owned value: a proxy makes one to serve a dump and drops it.
//!
//! | | embedded | memory when loaded | time to load |
//! |---|---|---|---|
//! | pruned | 167 kB | 6.5 MB | 8 ms |
//! | full | 556 kB | 11.5 MB | 27 ms |
//!
//! Cutting them takes the build script 0.4 s, most of it `cargo metadata`. (Measured on two shared cores with
//! dependencies at `opt-level = 1`.)

mod fields;
mod print;

use prost::{Message, Name};
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor};
use serde_json::Value;

pub use fields::{Field, FieldKind, Shape};
pub use print::{FieldNames, Print, Secrets};

use crate::google::protobuf::Any;
use crate::type_url::message_name;

static PRUNED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/pruned.bin"));
#[cfg(feature = "full-descriptors")]
static FULL: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/full.bin"));

/// Why a message cannot be mapped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    #[error("unknown message type {0:?}")]
    UnknownMessage(String),
    #[error("malformed {message}: {reason}")]
    Malformed { message: String, reason: String },
    /// `path` leads to the field that is wrong, such as `static_resources.clusters[0].type`.
    #[error("{message}: {path}: {reason}")]
    Refused {
        message: String,
        path: String,
        reason: String,
    },
}

/// Descriptors, ready to use.
#[derive(Debug, Clone)]
pub struct Pool(DescriptorPool);

impl Pool {
    /// The messages that ferromesh itself speaks.
    #[must_use]
    pub fn pruned() -> Self {
        Self(DescriptorPool::decode(PRUNED).expect("the build script wrote a valid descriptor set"))
    }

    /// All of Envoy's API.
    #[cfg(feature = "full-descriptors")]
    #[must_use]
    pub fn full() -> Self {
        Self(DescriptorPool::decode(FULL).expect("the build script wrote a valid descriptor set"))
    }

    /// Prints an encoded message, without `@type`. The name may be a type URL. An `Any` inside whose type is
    /// unknown is printed as Envoy does, with its value in base64.
    ///
    /// # Errors
    /// When the type is unknown or the bytes are no encoding of it.
    pub fn to_json(&self, message: &str, encoded: &[u8], print: Print) -> Result<Value, JsonError> {
        let decoded = self.decode(message, encoded)?;
        Ok(print::message(&decoded, &self.0, print))
    }

    /// Prints a message.
    ///
    /// # Errors
    /// When its type is not in this pool.
    pub fn print<M: Name>(&self, message: &M, print: Print) -> Result<Value, JsonError> {
        self.to_json(&M::full_name(), &message.encode_to_vec(), print)
    }

    /// Prints what an `Any` holds, with `@type`.
    #[must_use]
    pub fn any_to_json(&self, any: &Any, print: Print) -> Value {
        print::any(&any.type_url, &any.value, &self.0, print)
    }

    /// Encodes a message from JSON; field names may be those of the proto file or in lowerCamelCase.
    ///
    /// # Errors
    /// When the type is unknown, or a field is unknown or of another type: the error names its path.
    pub fn from_json(&self, message: &str, json: Value) -> Result<Vec<u8>, JsonError> {
        let descriptor = self.descriptor(message)?;
        let mut track = serde_path_to_error::Track::new();
        let deserializer = serde_path_to_error::Deserializer::new(json, &mut track);
        match DynamicMessage::deserialize(descriptor, deserializer) {
            Ok(decoded) => Ok(crate::canonical::canonical(
                message_name(message),
                decoded.encode_to_vec(),
            )),
            Err(error) => Err(JsonError::Refused {
                message: message_name(message).into(),
                path: track.path().to_string(),
                reason: error.to_string(),
            }),
        }
    }

    /// Reads a message from JSON; see [`Self::from_json`].
    ///
    /// # Errors
    /// As [`Self::from_json`].
    pub fn parse<M: Name + Default>(&self, json: Value) -> Result<M, JsonError> {
        let name = M::full_name();
        let encoded = self.from_json(&name, json)?;
        M::decode(&encoded[..]).map_err(|error| JsonError::Malformed {
            message: name,
            reason: error.to_string(),
        })
    }

    fn descriptor(&self, message: &str) -> Result<MessageDescriptor, JsonError> {
        let name = message_name(message);
        let found = self.0.get_message_by_name(name);
        found.ok_or_else(|| JsonError::UnknownMessage(name.into()))
    }

    fn decode(&self, message: &str, encoded: &[u8]) -> Result<DynamicMessage, JsonError> {
        DynamicMessage::decode(self.descriptor(message)?, encoded).map_err(|error| {
            JsonError::Malformed {
                message: message_name(message).into(),
                reason: error.to_string(),
            }
        })
    }
}

#[cfg(test)]
mod tests;
