//! The guest on arm64.

mod code;
#[cfg(target_arch = "aarch64")]
mod machine;

#[cfg(target_arch = "aarch64")]
pub use machine::Machine;
