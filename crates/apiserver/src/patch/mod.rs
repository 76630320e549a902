//! Patches: JSON patches within bounds, and strategic merge. Merge patches are the `json-patch` crate's.

pub(crate) mod json;
pub(crate) mod keys;
pub(crate) mod strategic;
