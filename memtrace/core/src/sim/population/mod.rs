//! Hosts that were not thought up for a purpose: a seed gives a host, the same on every
//! machine. What is drawn stands in [`distributions`]. Must not know policies.

mod class;
mod distributions;
mod guests;
mod host;
mod random;
mod roles;
mod score;
pub mod summary;

use std::ops::Range;

pub use class::{Class, Fit};
pub use host::draw;
pub use summary::{HostResult, Summary};

/// Working seeds: to look at, to find mistakes, to choose numbers by.
pub const WORKING: Range<u64> = 0..1_000_000;
/// Reporting seeds. No number of a policy may be chosen by them, or the reported results say
/// nothing about other hosts.
pub const REPORTING: Range<u64> = 1_000_000_000..1_001_000_000;

#[cfg(test)]
mod tests;
