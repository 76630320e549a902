//! Fuzz targets: bytes in, nothing out; see `fuzz/`.

pub use crate::dns::fuzzing::dns;
pub use crate::kubelet::fuzzing::{channels, inflate, kubelet_query, spdy};
