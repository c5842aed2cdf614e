//! Runs `ringlet::testing::broker::request`, which says what holds.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ringlet::testing::broker::request(bytes));
