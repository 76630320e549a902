//! Kubernetes' strategic merge patch. JSON and merge patches come from the `json-patch` crate.

pub(crate) mod keys;
pub(crate) mod strategic;
