//! Runs `ringlet::testing::records::records`, which says what holds.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ringlet::testing::records::records(bytes));
