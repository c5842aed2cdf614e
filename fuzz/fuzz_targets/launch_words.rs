//! Runs `ringlet::testing::launch::words`, which says what holds.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ringlet::testing::launch::words(bytes));
