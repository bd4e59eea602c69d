//! A simulated host that provides samples and carries out orders, so that policies can be tried on
//! scenarios: guests that work, burst, leak, report wrong statistics or are stuck, a host with
//! little memory and a slow swap, under a virtual clock. Nothing in it is random. Doesn't know
//! files, clocks, threads, or the policies themselves.
//!
//! An amount of memory is a `u64` of base pages within this module, and a step a second.

mod backing;
mod balloon;
pub mod catalogue;
mod guest;
mod host;
mod interface;
mod invariants;
mod life;
mod load;
mod measure;
mod memory;
pub mod outcome;
pub mod peers;
pub mod population;
mod pressure;
pub mod recorded;
mod run;
mod sample;
pub mod scenario;
mod size;
mod statistics;
pub mod table;
mod traffic;
mod work;

pub use host::Host;
pub use load::{Load, Needs, Step};
pub use outcome::{Expectation, RunOutcome};
pub use run::{Look, run, watch};
pub use scenario::Scenario;
pub use size::Size;
pub use table::{Row, Table};

#[cfg(test)]
mod tests;
