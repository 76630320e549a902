//! The fuzz targets of this crate, over their seeds and random edits of them.

use proxy::fuzzing;

testkit::fuzz_targets! {
    h1_request
    h1_response
    h1_chunked
    sniff_http
    client_hello
    xds_resource
    xds_json
    xds_response
    bootstrap
    access_log
    path
}
