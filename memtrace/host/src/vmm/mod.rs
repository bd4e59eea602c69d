//! VMs: discovers their processes, and queries their hypervisors. Knows neither eBPF, samples nor
//! views.

pub(crate) mod aside;
pub mod discover;
pub mod guest;
pub(crate) mod hypervisors;
pub mod inspection;
pub(crate) mod judge;
pub mod libvirt;
mod managers;
pub mod name;
pub mod naming;
pub(crate) mod order;
pub mod qemu;
pub mod qmp;
pub(crate) mod workers;

pub use aside::arguments;
pub use judge::SELFTEST_GUEST;
