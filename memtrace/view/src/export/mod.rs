//! Encoders of a [`Snapshot`](memtrace_core::model::Snapshot): pure functions from what is
//! known to text. Must not know where the text goes.

pub mod json;
pub mod metrics;
pub mod plain;
pub mod reaction;
pub mod rows;
pub mod stream;
pub mod worded;
