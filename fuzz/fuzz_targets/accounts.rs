//! Runs `ringlet::testing::accounts::files`, which says what holds.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ringlet::testing::accounts::files(bytes));
