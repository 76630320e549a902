#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| xds::fuzzing::xds_requests(data));
