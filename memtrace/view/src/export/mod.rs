//! Encoders of a [`Snapshot`](memtrace_core::model::Snapshot): pure functions to text.

pub mod json;
pub mod metrics;
pub mod plain;
pub mod reaction;
pub mod rows;
pub mod stream;
pub mod worded;
