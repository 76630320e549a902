//! The fuzz targets of this crate, over their seeds and random edits of them.

use runtime::fuzzing;

testkit::fuzz_targets! {
    spdy
    inflate
    channels
    kubelet_query
    dns
}
