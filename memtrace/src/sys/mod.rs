//! The process: output, logging, signals and exit codes.

pub mod address;
pub mod atomic_write;
pub mod exit;
pub mod interrupt;
pub mod logging;
pub mod output;
pub mod progress;
pub mod runtime;
