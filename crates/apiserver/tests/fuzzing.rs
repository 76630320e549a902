//! The fuzz targets of this crate, over their seeds and random edits of them.

use apiserver::fuzzing;

testkit::fuzz_targets! {
    patch
    selector
    protobuf_body
    request_target
    crd_schema
}
