//! What is reported of a run, second by second; the lab outside reads it. Data alone. Totals count
//! from when the guest or the host started, so that any two points tell what was between. What
//! isn't known is `null`.

use serde::{Deserialize, Serialize};

/// A moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// Seconds since the run began.
    pub at: f64,
    pub phase: String,
    /// The host's, in the reactor's word.
    pub state: Option<String>,
    pub host: Host,
    pub guests: Vec<OfOne>,
}

/// Amounts in MiB, times in seconds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Host {
    /// MemAvailable, by memtrace.
    pub available: Option<f64>,
    /// pswpin, pswpout and oom_kill of /proc/vmstat.
    pub swapped_in: Option<f64>,
    pub swapped_out: Option<f64>,
    pub killed: Option<u64>,
    /// Time in which some task waited for memory (/proc/pressure/memory, some).
    pub pressure: Option<f64>,
}

/// One guest's; amounts in MiB, times in seconds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct OfOne {
    pub name: String,
    /// What its balloon leaves it, by memtrace.
    pub size: Option<f64>,
    pub resident: Option<f64>,
    pub swapped: Option<f64>,
    /// Totals by memtrace: how long it waited, and what came back from swap.
    pub stalled: Option<f64>,
    pub swapped_in: Option<f64>,
    /// Totals by the kernel: waits in reclaim of its threads (taskstats), time in which some
    /// of its cgroup waited (PSI), what came back (workingset_refault_anon), major faults,
    /// OOM kills.
    pub reclaiming: Option<f64>,
    pub pressure: Option<f64>,
    pub refaulted: Option<f64>,
    pub major_faults: Option<u64>,
    pub killed: Option<u64>,
    /// What it has touched in all, each time counted.
    pub touched: Option<f64>,
}
