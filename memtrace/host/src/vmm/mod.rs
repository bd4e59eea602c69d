//! VMs: discovers their processes, and queries their hypervisors. Knows neither eBPF, samples nor
//! views.

pub mod aside;
pub mod discover;
pub mod guest;
pub mod hypervisors;
pub mod inspection;
pub mod judge;
pub mod libvirt;
pub mod name;
pub mod naming;
pub mod order;
pub mod qemu;
pub mod qmp;
pub mod workers;
