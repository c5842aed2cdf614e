//! Any line: read, and what was read is sound. Run with `cargo +nightly fuzz run protocol`.
#![no_main]

libfuzzer_sys::fuzz_target!(|line: &[u8]| ringlet::testing::line(line));
