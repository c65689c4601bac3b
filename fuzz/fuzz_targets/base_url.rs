//! Hands the target `base_url` to libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    slipway_fuzz::run("base_url", bytes);
});
