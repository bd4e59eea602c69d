//! A [`Sample`]: what was read from the kernel, from files and from hypervisors at
//! one moment. Raw and serialisable; `None` is "not known", never "none".
//! Counters are totals; nothing here is a rate. Must not know how it was read.

mod host;
mod vm;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::signal::SignalStatus;
use crate::units::{Bytes, Nanos, Pages, WallNanos};

pub use host::{
    HostCountersSample, HostSample, Meminfo, Psi, PsiLine, ScopeSample, SwapDevice, Vmstat,
};
pub use vm::{
    Accelerator, CgroupSample, GuestSample, GuestStats, HistogramsSample, Manager, MemoryStat,
    ProcessSample, ThreadSample, VmSample, VmState,
};

/// Who a VM is: its UUID, or the process and the moment of its start. Never a bare pid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VmId {
    Uuid(Uuid),
    /// `start` is field 22 of /proc/PID/stat: clock ticks after boot.
    Process {
        pid: u32,
        start: u64,
    },
}

impl std::fmt::Display for VmId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Uuid(uuid) => uuid.fmt(f),
            Self::Process { pid, start } => write!(f, "{pid}@{start}"),
        }
    }
}

/// One reading of everything.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// `CLOCK_MONOTONIC` when the kernel counters were read.
    pub at: Nanos,
    pub wall: WallNanos,
    pub page_size: Bytes,
    pub host: HostSample,
    pub vms: Vec<VmSample>,
    /// Totals by (causer, victim) since memtrace started, for the pairs that exist.
    /// `None`: the kernel side doesn't run.
    pub flows: Option<Vec<FlowSample>>,
    /// What the kernel side allows. One entry for each [`crate::signal::Signal`].
    pub signals: Vec<SignalStatus>,
    /// What went wrong while reading, in words for the operator.
    pub notices: Vec<Notice>,
}

/// A party that takes pages, or loses them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Party {
    Vm(VmId),
    Kswapd,
    /// Processes that are no VM, and kernel threads other than kswapd.
    Other,
}

/// Pages that `causer`'s reclaim took from `victim` so far.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FlowSample {
    pub causer: Party,
    pub victim: Party,
    pub pages: Pages,
}

/// What a notice is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Topic {
    Cgroup,
    /// The kernel side's counters.
    Counters,
    /// Finding VMs.
    Discovery,
    /// The host's own files.
    Host,
    Libvirt,
    Qmp,
    /// The cgroup that the policy is limited to.
    Scope,
    /// A victim of the OOM killer.
    Oom,
    Memtrace,
    /// Of another version of memtrace.
    #[serde(other)]
    Other,
}

impl Topic {
    pub const fn word(self) -> &'static str {
        match self {
            Self::Cgroup => "cgroup",
            Self::Counters => "counters",
            Self::Discovery => "discovery",
            Self::Host => "host",
            Self::Libvirt => "libvirt",
            Self::Qmp => "qmp",
            Self::Scope => "scope",
            Self::Oom => "oom",
            Self::Memtrace => "memtrace",
            Self::Other => "other",
        }
    }
}

/// Something that the operator should know: a source that is gone, a limit that was hit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    pub about: Topic,
    pub text: String,
}
