//! Any policy and any request, divided by a newline: what is granted is written in the policy.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let (policy, line) = bytes.split_at(bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len()));
    ringlet::testing::decision(policy, line.trim_ascii_start());
});
