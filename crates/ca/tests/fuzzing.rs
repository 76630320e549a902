//! The fuzz targets of this crate, over their seeds and random edits of them.

use ca::fuzzing;

testkit::fuzz_targets! {
    csr
}
