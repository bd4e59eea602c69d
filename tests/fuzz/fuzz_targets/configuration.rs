//! Fuzzer of the target `configuration`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| memtrace_fuzz::configuration(data));
