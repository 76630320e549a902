//! `google.protobuf.Any`: packs messages under their type URL and unpacks them by type.

use prost::{DecodeError, Name};

use crate::google::protobuf::Any;
use crate::type_url::message_name;

/// Why an `Any` is not the expected message.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum UnpackError {
    #[error("expected {expected}, found {found:?}")]
    OtherType { expected: String, found: String },
    #[error("malformed {message}: {source}")]
    Malformed {
        message: String,
        source: DecodeError,
    },
}

/// Packs a message under `type.googleapis.com/<full name>`.
#[must_use]
pub fn pack<M: Name>(message: &M) -> Any {
    Any {
        type_url: M::type_url(),
        value: message.encode_to_vec(),
    }
}

/// Whether `any` holds a message of type `M`; only the name counts, not the prefix before it.
#[must_use]
pub fn is<M: Name>(any: &Any) -> bool {
    message_name(&any.type_url) == M::full_name()
}

/// Unpacks a message of type `M`.
///
/// # Errors
/// When the type is another one, or the value is not an encoding of it.
pub fn unpack<M: Name + Default>(any: &Any) -> Result<M, UnpackError> {
    if !is::<M>(any) {
        return Err(UnpackError::OtherType {
            expected: M::full_name(),
            found: message_name(&any.type_url).into(),
        });
    }
    decode(&any.value)
}

/// Decodes the body of a resource.
///
/// # Errors
/// When the bytes are not an encoding of `M`.
pub fn decode<M: Name + Default>(body: &[u8]) -> Result<M, UnpackError> {
    M::decode(body).map_err(|source| UnpackError::Malformed {
        message: M::full_name(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envoy::config::cluster::v3::Cluster;
    use crate::envoy::config::listener::v3::Listener;

    #[test]
    fn unpacks_what_was_packed_and_refuses_other_types() {
        let cluster = Cluster {
            name: "a".into(),
            ..Default::default()
        };
        let any = pack(&cluster);
        assert_eq!(any.type_url, crate::type_url::CLUSTER);
        assert_eq!(unpack::<Cluster>(&any), Ok(cluster));
        assert!(matches!(
            unpack::<Listener>(&any),
            Err(UnpackError::OtherType { .. })
        ));
    }

    #[test]
    fn names_the_message_that_is_malformed() {
        let any = Any {
            type_url: crate::type_url::CLUSTER.into(),
            value: vec![0xff],
        };
        let error = unpack::<Cluster>(&any).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("envoy.config.cluster.v3.Cluster"),
            "{error}"
        );
    }
}
