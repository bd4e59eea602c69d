//! What memtrace's integration tests share.

pub mod bpftrace;
pub mod measured;
pub mod pool;
pub mod standin;
pub mod wait;
