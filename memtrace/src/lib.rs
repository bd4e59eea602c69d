//! memtrace: who suffers memory pressure on a qemu/KVM host, who causes it, and whose
//! pages are taken. See ARCHITECTURE.md for the map of this crate.

pub mod columns;
pub mod daemon;
pub mod export;
pub mod filter;
#[cfg(test)]
mod fixture;
pub mod format;
pub mod hostfs;
pub mod model;
pub mod probe;
pub mod sample;
pub mod signal;
pub mod source;
pub mod summary;
pub mod text;
pub mod tone;
pub mod units;
pub mod vmm;
