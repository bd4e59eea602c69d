//! VMs: finding their processes, and asking their hypervisors. Knows nothing of the
//! kernel side, of samples over time, or of how anything is shown.

pub mod discover;
pub mod guest;
pub mod hypervisors;
pub mod inspection;
pub mod judge;
pub mod libvirt;
pub mod name;
pub mod order;
pub mod qemu;
pub mod qmp;
pub mod workers;
