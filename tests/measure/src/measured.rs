//! What `memtrace-bench` measures, as it tells `cargo xtask bench`: a JSON document a line.

use serde::{Deserialize, Serialize};

/// Sampling and deriving this many VMs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Scale {
    pub vms: u32,
    /// Each of them faults in each tick; else all sleep.
    pub busy: bool,
    /// VMs whose counters moved in a tick, mean.
    pub moved: u32,
    /// VMs that the kernel side counts.
    pub counted: u32,
    pub ticks: u32,
    /// CPU time of a tick, mean, in nanoseconds.
    pub sample_ns: u64,
    pub derive_ns: u64,
    /// The longest tick.
    pub worst_ns: u64,
    /// Of the process after the last tick, and before there was any VM.
    pub resident_bytes: u64,
    pub resident_empty_bytes: u64,
    /// Kernel memory of the BPF maps.
    pub maps_bytes: u64,
    /// System calls of one tick. `None`: not counted.
    pub syscalls: Option<u64>,
    /// What reading each file of a VM takes that is open already.
    pub files: Vec<FileCost>,
}

/// A file of each VM, and the CPU time of one reading of it, mean.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FileCost {
    pub file: String,
    pub ns: u64,
}

/// Recording this many VMs. Means over the moments, in nanoseconds of CPU time and bytes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Recording {
    pub vms: u32,
    pub busy: bool,
    pub moved: u32,
    pub moments: u32,
    pub sample_ns: u64,
    pub derive_ns: u64,
    pub record_ns: u64,
    /// What a moment adds to the file.
    pub bytes: u64,
    /// What is in the file after its first frame.
    pub first_bytes: u64,
}

/// From a hook to user space.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    pub load: String,
    pub events: u64,
    pub p50_ns: u64,
    pub p99_ns: u64,
    pub max_ns: u64,
}
