//! Runs `ringlet::testing::masking::masking`, which says what holds.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ringlet::testing::masking::masking(bytes));
