//! What memtrace's integration tests share.

pub mod pool;
pub mod standin;
pub mod wait;
