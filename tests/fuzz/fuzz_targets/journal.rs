//! Fuzzer of the target `journal`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| memtrace_fuzz::journal(data));
