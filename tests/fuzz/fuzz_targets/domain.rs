//! Fuzzer of the target `domain`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| memtrace_fuzz::domain(data));
