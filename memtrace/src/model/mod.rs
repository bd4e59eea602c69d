//! From two raw samples to what a view shows. Pure: no file, clock, thread or network.

pub mod snapshot;

pub use snapshot::{Measured, Snapshot};
