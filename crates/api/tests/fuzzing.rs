//! The fuzz targets of this crate, over their seeds and random edits of them.

use api::fuzzing;

testkit::fuzz_targets! {
    yaml
    mesh
}
