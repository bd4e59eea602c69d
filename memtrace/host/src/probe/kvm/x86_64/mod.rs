//! The guest on x86-64.

mod code;
mod machine;

pub use machine::Machine;
