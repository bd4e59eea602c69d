//! What memtrace's integration tests share.

pub mod standin;
pub mod wait;
