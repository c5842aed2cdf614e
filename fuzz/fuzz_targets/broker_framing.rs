//! Runs `ringlet::testing::broker::framing`, which says what holds.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ringlet::testing::broker::framing(bytes));
