//! Fuzzer of the target `texts`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| memtrace_fuzz::texts(data));
