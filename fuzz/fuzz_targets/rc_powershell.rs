//! Runs `ringlet::testing::rc::powershell`, which says what holds.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ringlet::testing::rc::powershell(bytes));
