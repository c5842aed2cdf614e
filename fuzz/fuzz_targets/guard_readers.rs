//! Runs `ringlet::testing::guard::readers`, which says what holds.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ringlet::testing::guard::readers(bytes));
