//! HTTP filters and the pure functions of the request path.

pub mod cors;
pub mod fault;
pub mod headers;
pub mod path;
#[doc(hidden)]
pub mod testing;
