#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| control::fuzzing::xds_node(data));
