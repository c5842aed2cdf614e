//! Runs `ringlet::testing::store::entries`, which says what holds.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ringlet::testing::store::entries(bytes));
