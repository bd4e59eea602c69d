//! Fuzzer of the target `recording_frames`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| memtrace_fuzz::recording_frames(data));
