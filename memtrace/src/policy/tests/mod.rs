//! The policy as a whole.

mod farewell;
mod fixture;
mod hook;
mod killed;
mod otherwise;
mod properties;
mod receiving;
mod rules;
mod settling;
mod touched;
mod vmm;
