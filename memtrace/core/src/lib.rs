//! memtrace's core: what a sample means, what is decided by it, and how that would have come
//! out. Knows no file, clock, thread, network, kernel or hypervisor.
//!
//! Without the feature `full` there are `accuracy`, `quantile` and `signal` alone: that is how the
//! lab judges memtrace's numbers, and `cargo xtask` is compiled before all else.
#![forbid(unsafe_code)]

pub mod accuracy;
#[cfg(feature = "full")]
pub mod alert;
#[cfg(feature = "full")]
pub mod anchors;
#[cfg(feature = "full")]
pub mod decision_counts;
#[cfg(feature = "full")]
pub mod filter;
#[cfg(any(all(test, feature = "full"), feature = "fixture"))]
pub mod fixture;
#[cfg(feature = "full")]
pub mod format;
#[cfg(feature = "full")]
pub mod interval;
#[cfg(feature = "full")]
mod labels;
#[cfg(feature = "full")]
pub mod live;
#[cfg(feature = "full")]
pub mod model;
#[cfg(feature = "full")]
pub mod order;
#[cfg(feature = "full")]
pub mod policy;
pub mod quantile;
#[cfg(feature = "full")]
pub mod reactor;
#[cfg(feature = "full")]
pub mod replay;
#[cfg(feature = "full")]
pub mod sample;
#[cfg(feature = "full")]
pub mod settings;
pub mod signal;
#[cfg(feature = "full")]
pub mod sim;
#[cfg(feature = "full")]
pub mod source;
#[cfg(feature = "full")]
pub mod text;
#[cfg(feature = "full")]
pub mod units;
#[cfg(feature = "full")]
pub mod vm_choice;
