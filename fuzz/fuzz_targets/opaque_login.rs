#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| undertone_fuzz::opaque_login::check(data));
