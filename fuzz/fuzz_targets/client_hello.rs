#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| proxy::fuzzing::client_hello(data));
