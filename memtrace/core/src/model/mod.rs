//! From two raw samples to what a view shows. Pure: no file, clock, thread or network.

mod cgroup;
mod dead;
mod derive;
mod ended;
mod faults;
mod flows;
mod gap;
mod guest;
mod histogram;
pub mod history;
mod host;
mod measured;
mod missed;
mod pair;
mod rates;
pub mod snapshot;
mod stall;
mod swapping;
mod threads;
pub mod totals;
mod vm;
pub mod waited;
pub mod waits;
mod watermarks;

pub use dead::OVERHEAD;
pub use derive::derive;
pub use guest::{STALE_AFTER, without_balloon};
pub use histogram::quantile;
pub use history::History;
pub use measured::Measured;
pub use pair::shares_memory;
pub use snapshot::Snapshot;
pub use waits::Waits;
pub use watermarks::Watermarks;

#[cfg(test)]
pub(crate) mod tests;
