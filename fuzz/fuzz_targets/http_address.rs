//! Hands the target `http_address` to libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    slipway_fuzz::run("http_address", bytes);
});
