//! Hands the target `manifest_hash` to libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    slipway_fuzz::run("manifest_hash", bytes);
});
