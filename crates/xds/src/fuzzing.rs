//! Fuzz targets: bytes in, nothing out; see `fuzz/`.

pub use crate::server::fuzzing::xds_requests;
