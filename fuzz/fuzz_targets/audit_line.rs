//! Runs `ringlet::testing::audit::line`, which says what holds.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ringlet::testing::audit::line(bytes));
