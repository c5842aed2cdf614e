//! Runs `ringlet::testing::records::journal`, which says what holds.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ringlet::testing::records::journal(bytes));
