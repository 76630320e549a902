//! Fuzz targets: bytes in, nothing out. Each states what must hold of a parser that reads from the network, whatever
//! the bytes are; a violation is a panic. Run under libFuzzer from `fuzz/`, and as tests over the seeds there.

mod config;
mod h1;
mod sniff;
mod text;

pub use config::{bootstrap, xds_json, xds_resource, xds_response};
pub use h1::{h1_chunked, h1_request, h1_response};
pub use sniff::{client_hello, sniff_http};
pub use text::{access_log, path};

/// Takes one byte off: targets read their options from it.
fn option(data: &[u8]) -> (u8, &[u8]) {
    data.split_first()
        .map_or((0, data), |(option, rest)| (*option, rest))
}
