//! The process: its output, messages, signals and end.

pub mod address;
pub mod atomic_write;
pub mod exit;
pub mod interrupt;
pub mod logging;
pub mod output;
pub mod progress;
