//! memtrace's numbers beside the kernel's own, and what that makes of each signal. Pure.
//! The self-test prints it of this host, the lab of each kernel.

pub mod table;

pub use crate::signal::Quality;
