//! The fuzz targets of this crate, over their seeds and random edits of them.

use analysis::fuzzing;

testkit::fuzz_targets! {
    analysis
    advice
}
