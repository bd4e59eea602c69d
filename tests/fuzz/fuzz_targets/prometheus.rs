//! Fuzzer of the target `prometheus`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| memtrace_fuzz::prometheus(data));
