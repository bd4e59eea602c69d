//! memtrace: who suffers memory pressure on a qemu/KVM host, who causes it, and whose
//! pages are taken. See ARCHITECTURE.md for the map of its crates.
#![forbid(unsafe_code)]

pub mod cli;
pub mod command;
pub mod config;
pub mod prometheus;
pub mod service;
pub mod sys;
