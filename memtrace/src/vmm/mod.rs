//! VMs: finding their processes, and asking their hypervisors. Knows nothing of the
//! kernel side, of samples over time, or of how anything is shown.

pub mod name;
