//! Runs `ringlet::testing::audit::log`, which says what holds.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ringlet::testing::audit::log(bytes));
