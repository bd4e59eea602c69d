//! Fuzzer of the target `exposition`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| memtrace_fuzz::exposition(data));
