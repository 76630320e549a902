//! One encoded, content-hashed fragment of configuration, shared by all the nodes that should have it.

use std::fmt;
use std::sync::Arc;

use base::{ContentHash, ContentHasher, ObjectRef};
use bytes::Bytes;
use prost::Message;

use crate::canonical::canonical;
use crate::google::protobuf::Any;
use crate::type_url::message_name;

/// One xDS resource. Equal content has equal bytes and an equal version, in every process and after every
/// restart.
#[derive(Clone, PartialEq, Eq)]
pub struct Resource {
    pub name: Arc<str>,
    pub type_url: &'static str,
    /// The encoded message.
    pub body: Bytes,
    /// The hash of name, type and body.
    pub version: ContentHash,
    /// The objects that this resource was made from; not part of the version.
    pub provenance: Arc<[ObjectRef]>,
}

impl Resource {
    /// Encodes `message` as a resource.
    #[must_use]
    pub fn new(
        name: impl Into<Arc<str>>,
        type_url: &'static str,
        message: &impl Message,
        provenance: impl Into<Arc<[ObjectRef]>>,
    ) -> Self {
        let body = canonical(message_name(type_url), message.encode_to_vec());
        Self::from_encoded(name, type_url, body.into(), provenance)
    }

    /// A resource whose message is encoded already. Its version is that of these very bytes.
    #[must_use]
    pub fn from_encoded(
        name: impl Into<Arc<str>>,
        type_url: &'static str,
        body: Bytes,
        provenance: impl Into<Arc<[ObjectRef]>>,
    ) -> Self {
        let name = name.into();
        let mut hasher = ContentHasher::default();
        hasher.write(type_url.as_bytes());
        hasher.write(name.as_bytes());
        hasher.write(&body);
        Self {
            name,
            type_url,
            version: hasher.finish(),
            body,
            provenance: provenance.into(),
        }
    }

    /// The resource as it stands in a discovery response.
    #[must_use]
    pub fn to_any(&self) -> Any {
        Any {
            type_url: self.type_url.into(),
            value: self.body.to_vec(),
        }
    }
}

/// Bodies may hold private keys: only names and sizes are shown.
impl fmt::Debug for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resource")
            .field("name", &self.name)
            .field("type_url", &self.type_url)
            .field("bytes", &self.body.len())
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}
