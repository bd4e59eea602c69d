//! The process: output, logging, signals, exit codes, and requests by HTTP.

pub mod address;
pub mod atomic_write;
pub mod exit;
pub mod http;
pub mod interrupt;
pub mod logging;
pub mod output;
pub mod progress;
pub mod runtime;
