//! The adapter to the eBPF programs: features of the kernel, the attach plan, loading, and reading
//! of the maps. The only module besides the eBPF crate that may contain unsafe code.

#[expect(unsafe_code, reason = "the allocator's limits are the C library's to set")]
mod allocator;
mod attach;
pub(crate) mod btf;
mod flows;
mod kfunc;
mod kswapd;
#[expect(unsafe_code, reason = "KVM maps memory into this process")]
pub mod kvm;
mod limits;
mod live;
mod load;
mod missed;
#[expect(unsafe_code, reason = "an iterator over a map takes system calls that aya hasn't")]
mod pass;
pub(crate) mod plan;
mod processes;
#[expect(unsafe_code, reason = "the ring buffer gives bytes")]
mod ring_reader;
mod rows;
pub(crate) mod signature;
mod slots;
pub mod support;
#[cfg(feature = "fixture")]
mod test_support;

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::BorrowedFd;
use std::path::Path;

use anyhow::Result;
use memtrace_ebpf::{Event, HostCounters, VmCounters};

use crate::hostfs::process::Vitals;
use crate::hostfs::process::maps::Inode;
use memtrace_core::sample::HistogramsSample;
use memtrace_core::signal::{Signal, SignalStatus};
use memtrace_core::units::{Nanos, Pages};

pub use limits::{LEAST_SLOTS, Limits};
pub use live::Probe;
#[cfg(feature = "fixture")]
pub use slots::Census;
#[cfg(feature = "fixture")]
pub use test_support::Leftover;

/// Attaches the hooks that kernel and privileges allow. `sys` is `/sys`; `log`
/// passes the programs' debug messages on to `tracing`.
///
/// # Errors
/// When nothing at all can run: no privilege, or no BPF.
pub fn open(sys: &Path, log: bool, hooking: Hooking) -> Result<Box<dyn KernelSide>> {
    Ok(Box::new(Probe::open(sys, log, &Limits::here(), hooking)?))
}

/// What becomes of hooks that fire in each page fault of the host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Hooking {
    /// Only what nothing else tells is attached, and only while pages are reclaimed or swapped.
    #[default]
    OnDemand,
    /// All are attached all the time.
    Always,
}

impl Hooking {
    pub const fn when(always: bool) -> Self {
        if always { Self::Always } else { Self::OnDemand }
    }
}

/// The interface to the eBPF programs: VMs are processes here, slots and generations are internal.
pub trait KernelSide: Send {
    /// The quality of each signal.
    fn signals(&self) -> &[SignalStatus];

    /// Count events for process `tgid` from now on. Does nothing when it is counted
    /// already. Call again whenever what belongs to the VM changes.
    fn track(&mut self, tgid: u32, belongings: &Belongings) -> Result<()>;

    /// Stop counting for `tgid` (ended, or no VM), and free its slot.
    fn forget(&mut self, tgid: u32);

    /// Events since the last call, oldest first. Never blocks.
    fn events(&mut self) -> Vec<Arrived>;

    /// Becomes readable when there are events.
    fn event_fd(&self) -> Option<BorrowedFd<'_>>;

    /// All counters. Never fails as a whole: what could not be read is missing, and
    /// `problems` says why.
    fn read(&mut self) -> Reading;

    /// What the kernel tells of tracked processes at this moment, by process id, as far as it does
    /// so without files.
    fn processes(&mut self) -> BTreeMap<u32, Vitals>;

    /// Why it never does. `None`: it does.
    fn processes_unread(&self) -> Option<&str>;

    /// Files of cgroups that are read all the same, as this kernel lacks fields.
    fn files_of_cgroups(&self) -> &[&'static str];

    /// Whether swap-in events miss pages, so that VmSwap is needed: since
    /// about 6.13 a huge page may come back as one event, and up to 6.1 events come in
    /// batches whose sizes are told apart by a value that CPUs race for.
    fn swap_ins_need_vmswap(&self) -> bool;

    /// The counters of one process at this very moment. `None`: it isn't counted.
    fn counters(&self, tgid: u32) -> Option<VmCounters>;

    /// Whether [`Self::rest`] would detach anything.
    fn can_rest(&self) -> bool;

    /// Detaches the hooks that have nothing to count while nothing is reclaimed or swapped.
    ///
    /// # Errors
    /// When that fails.
    fn rest(&mut self) -> Result<()>;

    /// Attaches them again.
    ///
    /// # Errors
    /// When that fails; what they would count is missed until it works.
    fn wake(&mut self) -> Result<()>;
}

/// An event, and when memtrace had it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrived {
    pub event: Event,
    /// On the clock of [`Event::at_ns`].
    pub seen: Nanos,
}

/// Resources that belong to one VM exclusively.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Belongings {
    /// Ids (inode numbers) of memory cgroups; none where it shares its own.
    pub cgroups: BTreeSet<u64>,
    /// Files that it maps shared and writable, and no other VM does.
    pub shared_memory: BTreeSet<Inode>,
}

impl Belongings {
    /// Memory cgroups and nothing else.
    pub fn of_cgroups(ids: impl IntoIterator<Item = u64>) -> Self {
        Self { cgroups: ids.into_iter().collect(), shared_memory: BTreeSet::new() }
    }
}

/// One reading of the kernel side's maps.
#[derive(Clone, Debug, Default)]
pub struct Reading {
    pub at: Nanos,
    /// By process id.
    pub vms: BTreeMap<u32, VmReading>,
    pub host: HostCounters,
    pub kswapd: VmCounters,
    pub other: VmCounters,
    /// One of these three could not be read, so that none of them is known.
    pub host_unread: bool,
    pub flows: Vec<FlowReading>,
    /// Times that the kernel did not run a program because it was running already on
    /// that CPU (preempted in the middle of it). `None`: not reported by this kernel.
    pub missed_runs: Option<u64>,
    /// The same by signal, where there were any. A program may serve several.
    pub missed_by_signal: BTreeMap<Signal, u64>,
    pub problems: Vec<String>,
}

#[derive(Clone, Debug, Default)]
pub struct VmReading {
    pub counters: VmCounters,
    pub histograms: HistogramsSample,
    /// The kernel side gave it its slot as it started, so nothing was missed.
    pub from_start: bool,
}

/// Pages reclaimed by one party from another, totals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowReading {
    pub causer: Taker,
    pub victim: Taker,
    pub pages: Pages,
}

/// A party of a flow, by process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Taker {
    Process(u32),
    Kswapd,
    Other,
}
