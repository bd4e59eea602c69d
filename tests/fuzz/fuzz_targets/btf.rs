//! Fuzzer of the target `btf`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| memtrace_fuzz::btf(data));
