//! Runs `ringlet::testing::quoting::quoting`, which says what holds.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ringlet::testing::quoting::quoting(bytes));
