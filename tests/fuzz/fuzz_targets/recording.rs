//! Fuzzer of the target `recording`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| memtrace_fuzz::recording(data));
