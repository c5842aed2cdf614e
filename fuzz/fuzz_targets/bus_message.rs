//! Runs `ringlet::testing::wire::message`, which says what holds.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ringlet::testing::wire::message(bytes));
