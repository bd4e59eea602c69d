//! What is looked at of a VM's process in each sample, from its stat or from a pass of the kernel
//! side over all VMs' processes.

use super::ProcessStat;
use memtrace_core::units::{Bytes, Limit};

/// The state of a process at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Vitals {
    /// Name of the command, untrusted.
    pub comm: String,
    /// When it was started, in clock ticks after boot.
    pub start: u64,
    /// It is being ended.
    pub exiting: bool,
    /// All of its threads have ended.
    pub ended: bool,
    /// By a signal or a debugger.
    pub stopped: bool,
    /// Of all threads, those that have ended included.
    pub minor_faults: u64,
    pub major_faults: u64,
    /// User and system time, in clock ticks.
    pub cpu_ticks: u64,
    pub threads: u32,
    /// Bytes of its address space, and pages of it that are resident, as far as CPUs have
    /// handed in what they count.
    pub size: Option<u64>,
    pub resident_pages: Option<u64>,
    /// `None`: that is in files of its own.
    pub charge: Option<Charge>,
}

/// Which cgroups a process is in, by their ids, and what the kernel tells of that of its memory.
/// `None`: the file says it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Charge {
    /// The one that memory is charged to.
    pub memory: u64,
    /// In the version 2 hierarchy.
    pub unified: u64,
    /// Of the first one and all below it.
    pub usage: Bytes,
    /// How often it hit a limit, as version 1 counts it (memory.failcnt).
    pub failures: Option<u64>,
    /// The same as version 2 does, with all below it (`max` of memory.events).
    pub max_events: Option<u64>,
    pub oom_kills: Option<u64>,
    /// The tightest of its and its ancestors' limits.
    pub limit: Option<Limit>,
    pub high: Option<Limit>,
    /// Of swap alone and its amount, which version 1 doesn't have.
    pub swap_limit: Option<Limit>,
    pub swap: Option<Bytes>,
}

impl From<ProcessStat> for Vitals {
    fn from(stat: ProcessStat) -> Self {
        Self {
            start: stat.start,
            exiting: stat.exiting,
            ended: stat.has_ended(),
            stopped: stat.is_stopped(),
            minor_faults: stat.minor_faults,
            major_faults: stat.major_faults,
            cpu_ticks: stat.cpu_ticks,
            threads: stat.threads,
            size: stat.size,
            resident_pages: stat.resident_pages,
            charge: None,
            comm: stat.comm,
        }
    }
}
