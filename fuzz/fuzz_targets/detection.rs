//! Runs `ringlet::testing::detection::text`, which says what holds.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ringlet::testing::detection::text(bytes));
