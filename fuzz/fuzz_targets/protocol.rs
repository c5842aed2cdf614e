//! Runs `ringlet::testing::daemon::protocol`, which says what holds.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ringlet::testing::daemon::protocol(bytes));
