//! Fuzzer of the target `qmp`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| memtrace_fuzz::qmp(data));
