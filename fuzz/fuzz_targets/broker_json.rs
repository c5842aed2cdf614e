//! Runs `ringlet::testing::broker::json`, which says what holds.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ringlet::testing::broker::json(bytes));
