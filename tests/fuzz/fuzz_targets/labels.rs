//! Fuzzer of the target `labels`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| memtrace_fuzz::labels(data));
