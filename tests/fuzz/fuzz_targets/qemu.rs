//! Fuzzer of the target `qemu`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| memtrace_fuzz::qemu(data));
