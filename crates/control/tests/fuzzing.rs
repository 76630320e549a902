//! The fuzz targets of this crate, over their seeds and random edits of them.

use control::fuzzing;

testkit::fuzz_targets! {
    xds_node
}
