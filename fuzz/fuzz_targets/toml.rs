//! Runs `ringlet::testing::forms::toml`, which says what holds.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ringlet::testing::forms::toml(bytes));
