//! The fuzz targets of this crate, over their seeds and random edits of them.

use agent::fuzzing;

testkit::fuzz_targets! {
    injection
    redirect
}
