//! Runs `ringlet::testing::guard::offences`, which says what holds.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ringlet::testing::guard::offences(bytes));
