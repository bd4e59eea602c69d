//! Compares memtrace's numbers with the kernel's, and rates each signal. Pure. The self-test prints
//! it for this host, the lab for each kernel.

pub mod table;

pub use crate::signal::Quality;
