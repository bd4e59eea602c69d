//! The HTTP endpoint for Prometheus scrapes.

mod host;
pub(crate) mod listen;
pub(crate) mod serve;

use memtrace_core::units::Bytes;

/// Of the base pages of this host.
pub fn page_size() -> Bytes {
    Bytes(rustix::param::page_size() as u64)
}
