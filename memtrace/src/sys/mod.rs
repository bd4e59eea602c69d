//! The process: output, logging, signals, exit codes, and requests by HTTP.

pub(crate) mod address;
pub(crate) mod atomic_write;
pub(crate) mod credentials;
pub mod exit;
pub(crate) mod folder;
pub(crate) mod http;
pub(crate) mod interrupt;
pub mod logging;
pub mod output;
pub(crate) mod progress;
pub(crate) mod runtime;
mod tls;
