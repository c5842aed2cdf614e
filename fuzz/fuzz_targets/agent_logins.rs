//! Runs `ringlet::testing::logins::logins`, which says what holds.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ringlet::testing::logins::logins(bytes));
