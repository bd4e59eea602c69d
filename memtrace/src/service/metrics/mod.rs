//! The HTTP endpoint for Prometheus scrapes.

mod host;
pub(crate) mod listen;
pub(crate) mod serve;

use std::time::{SystemTime, UNIX_EPOCH};

use memtrace_core::units::{Bytes, WallNanos};

/// Of the base pages of this host.
pub fn page_size() -> Bytes {
    Bytes(rustix::param::page_size() as u64)
}

/// The time of day; the epoch where the clock is before it.
pub fn now() -> WallNanos {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    WallNanos(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}
