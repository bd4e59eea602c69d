//! memtrace's files: the journal of what it does, recordings, and reading them back.
#![forbid(unsafe_code)]

pub mod journal;
pub mod recording;
pub mod regular;
pub mod tape;
