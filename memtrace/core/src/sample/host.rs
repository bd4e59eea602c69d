//! What was read of the host.

use std::collections::BTreeMap;

use memtrace_ebpf::{HostCounters, VmCounters};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::signal::Signal;
use crate::units::{Bytes, Limit, Nanos, Percent};

/// The host as a whole.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct HostSample {
    pub hostname: Option<String>,
    pub kernel: Option<String>,
    pub cpus: Option<u32>,
    pub meminfo: Option<Meminfo>,
    pub vmstat: Option<Vmstat>,
    /// /proc/pressure/memory.
    pub psi: Option<Psi>,
    pub swaps: Option<Vec<SwapDevice>>,
    /// What ZFS would give back of its cache, which MemAvailable counts as used. Nothing
    /// on a host without ZFS; `None`: not known.
    #[serde(default)]
    pub arc_reclaimable: Option<Bytes>,
    /// KSM merges pages of zeros with the kernel's own, which is in no process' memory
    /// (`use_zero_pages`).
    #[serde(default)]
    pub merges_zeros: Option<bool>,
    /// The cgroup that holds the VMs, where one is a policy's scope.
    #[serde(default)]
    pub scope: Option<ScopeSample>,
    /// Counters of the kernel side that belong to no VM. `None`: it doesn't run.
    pub counters: Option<HostCountersSample>,
    /// The hooks that need not be attached all the time. `None`: the kernel side doesn't run, or it
    /// is that of a memtrace that had them attached all the time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hooks: Option<HooksSample>,
}

/// The hooks that fire in each page fault of the host, and have something to count only while
/// memory is reclaimed or swapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HooksSample {
    pub attached: bool,
    /// When they were attached or detached, on the clock of the sample.
    pub since: Nanos,
    /// They are detached when nothing is reclaimed or swapped.
    pub on_demand: bool,
}

/// Whether the cgroup at `path` is `scope`, or below it.
pub fn is_in_cgroup(path: &str, scope: &str) -> bool {
    path.strip_prefix(scope).is_some_and(|below| below.is_empty() || below.starts_with('/'))
}

/// What the VMs share: a memory cgroup and all below it. `None`: could not be read.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ScopeSample {
    /// Path below the hierarchy's root, without a slash at its end.
    pub cgroup: String,
    /// 1 or 2, of the memory controller.
    pub version: u8,
    pub usage: Option<Bytes>,
    /// The tightest of its and its ancestors' limits; memory.high is one.
    pub limit: Option<Limit>,
    /// Of the usage, what can be had without swap.
    pub reclaimable: Option<Bytes>,
    /// How often its limit was reached, total.
    pub limit_hits: Option<u64>,
    /// Version 1 has none.
    pub psi: Option<Psi>,
    /// Why something of the above is missing.
    pub problem: Option<String>,
}

/// Host-wide counters of the kernel side.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct HostCountersSample {
    pub host: HostCounters,
    /// The row of kswapd.
    pub kswapd: VmCounters,
    /// The row of everything that is neither a VM nor kswapd.
    pub other: VmCounters,
    /// VMs that the OOM killer chose since memtrace began, those that are gone with it too.
    /// `None`: recorded by a memtrace that didn't count them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vm_oom_kills: Option<u64>,
    /// Events that the kernel did not show to a program, because it was in the middle
    /// of another one. `None`: this kernel (before 5.12) doesn't tell.
    pub missed_runs: Option<u64>,
    /// The same by signal, where there were any. A program may serve several signals.
    #[serde(default)]
    pub missed_by_signal: BTreeMap<Signal, u64>,
}

/// From /proc/meminfo.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meminfo {
    pub total: Bytes,
    pub free: Bytes,
    pub available: Bytes,
    pub buffers: Bytes,
    pub cached: Bytes,
    pub swap_total: Bytes,
    pub swap_free: Bytes,
    pub swap_cached: Bytes,
    pub shmem: Option<Bytes>,
    pub anon: Option<Bytes>,
    pub hugetlb: Option<Bytes>,
    pub committed: Option<Bytes>,
}

/// From /proc/vmstat, totals since boot. `None`: this kernel has no such counter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vmstat {
    pub pswpin: Option<u64>,
    pub pswpout: Option<u64>,
    pub pgfault: Option<u64>,
    pub pgmajfault: Option<u64>,
    pub pgscan_kswapd: Option<u64>,
    pub pgsteal_kswapd: Option<u64>,
    pub pgscan_direct: Option<u64>,
    pub pgsteal_direct: Option<u64>,
    /// Sum over all `allocstall_*`.
    pub allocstall: Option<u64>,
    pub compact_stall: Option<u64>,
    pub workingset_refault_anon: Option<u64>,
    pub workingset_refault_file: Option<u64>,
    pub oom_kill: Option<u64>,
    pub zswpin: Option<u64>,
    pub zswpout: Option<u64>,
    /// Anonymous and shared pages that any reclaim looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pgscan_anon: Option<u64>,
}

/// Pressure stall information.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Psi {
    /// At least one task stalled.
    pub some: PsiLine,
    /// All non-idle tasks stalled.
    ///
    /// `None`: the file has no `full` line.
    pub full: Option<PsiLine>,
}

/// One line of pressure stall information.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PsiLine {
    /// 10 s average.
    #[schemars(with = "Percent")]
    pub avg10: f64,
    /// 60 s average.
    #[schemars(with = "Percent")]
    pub avg60: f64,
    /// 300 s average.
    #[schemars(with = "Percent")]
    pub avg300: f64,
    /// Total stall time since boot.
    #[schemars(extend("unit" = "microseconds"))]
    pub total_us: u64,
}

/// A swap device or file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Swap")]
pub struct SwapDevice {
    /// Path as in /proc/swaps.
    pub path: String,
    /// Partition or file.
    pub kind: String,
    /// Size.
    pub size: Bytes,
    /// Used.
    pub used: Bytes,
    /// Priority; highest is used first.
    pub priority: i32,
}
