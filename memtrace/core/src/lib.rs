//! memtrace's core: what a sample means, what is decided by it, and how that would have come
//! out. Knows no file, clock, thread, network, kernel or hypervisor.
#![forbid(unsafe_code)]

pub mod accuracy;
pub mod alert;
pub mod anchors;
pub mod decision_counts;
pub mod filter;
#[cfg(any(test, feature = "fixture"))]
pub mod fixture;
pub mod format;
pub mod live;
pub mod model;
pub mod order;
pub mod policy;
pub mod reactor;
pub mod replay;
pub mod sample;
pub mod signal;
pub mod sim;
pub mod source;
pub mod text;
pub mod units;
