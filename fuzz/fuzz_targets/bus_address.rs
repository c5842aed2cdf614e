//! Runs `ringlet::testing::wire::bus_address`, which says what holds.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ringlet::testing::wire::bus_address(bytes));
