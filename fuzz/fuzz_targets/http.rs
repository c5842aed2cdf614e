//! Runs `ringlet::testing::daemon::http`, which says what holds.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ringlet::testing::daemon::http(bytes));
