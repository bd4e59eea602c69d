//! memtrace: traces and relieves memory pressure of VMs on qemu/KVM hosts. See ARCHITECTURE.md for
//! the map of its crates.
#![forbid(unsafe_code)]

mod cli;
pub mod command;
mod config;
pub mod prometheus;
pub mod service;
pub mod sys;

pub use config::Config;
