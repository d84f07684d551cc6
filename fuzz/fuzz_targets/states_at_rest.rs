#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| undertone_fuzz::states_at_rest::check(data));
