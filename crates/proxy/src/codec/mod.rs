//! Sans-IO codecs. HTTP/2 is the `h2` crate's.

pub mod h1;
