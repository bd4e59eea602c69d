//! memtrace: who suffers memory pressure on a qemu/KVM host, who causes it, and whose
//! pages are taken. See ARCHITECTURE.md for the map of this crate.

pub mod actuate;
pub mod alert;
pub mod check;
pub mod cli;
pub mod columns;
pub mod config;
pub mod daemon;
pub mod doctor;
pub mod documents;
pub mod exit;
pub mod export;
pub mod exporting;
pub mod feed;
pub mod filter;
#[cfg(test)]
mod fixture;
pub mod format;
pub mod hostfs;
pub mod interrupt;
pub mod listener;
pub mod logging;
pub mod metrics;
pub mod mitigate;
pub mod model;
pub mod output;
pub mod policy;
pub mod privileges;
pub mod probe;
pub mod reactor;
pub mod record;
pub mod recording;
pub mod replay;
pub mod sample;
pub mod selftest;
pub mod signal;
pub mod sim;
pub mod simulate;
pub mod source;
pub mod summary;
pub mod text;
pub mod tone;
pub mod top;
pub mod truth;
pub mod tui;
pub mod units;
pub mod vmm;
