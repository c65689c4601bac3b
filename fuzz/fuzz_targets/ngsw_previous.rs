//! Hands the target `ngsw_previous` to libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    slipway_fuzz::run("ngsw_previous", bytes);
});
