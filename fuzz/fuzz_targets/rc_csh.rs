//! Runs `ringlet::testing::rc::csh`, which says what holds.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ringlet::testing::rc::csh(bytes));
