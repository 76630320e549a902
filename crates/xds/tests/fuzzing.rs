//! The fuzz targets of this crate, over their seeds and random edits of them.

use xds::fuzzing;

testkit::fuzz_targets! {
    xds_requests
}
