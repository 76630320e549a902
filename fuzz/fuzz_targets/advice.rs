#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| analysis::fuzzing::advice(data));
