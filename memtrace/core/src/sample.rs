//! A [`Sample`]: what was read from the kernel, from files and from hypervisors at
//! one moment. Raw and serialisable; `None` is "not known", never "none".
//! Counters are totals; nothing here is a rate. Must not know how it was read.

mod host;
mod vm;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::signal::SignalStatus;
use crate::units::{Bytes, Nanos, Pages, WallNanos};

pub use crate::labels::{Claims, Platform, VmLabels};
pub use host::is_in_cgroup;
pub use host::{
    HooksSample, HostCountersSample, HostSample, Meminfo, Psi, PsiLine, ScopeSample, SwapDevice,
    Vmstat,
};
pub use vm::{
    Accelerator, CgroupSample, GuestSample, GuestStats, HistogramsSample, Manager, MemoryStat,
    ProcessSample, ThreadSample, VmSample, VmState,
};

/// VM id: its UUID, or the process and the moment of its start. Never a bare pid.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "Id")]
pub enum VmId {
    /// UUID.
    Uuid(Uuid),
    /// Process of a VM without UUID; unique even if the pid is reused.
    Process {
        /// Process id.
        pid: u32,
        /// Start time in clock ticks since boot.
        ///
        /// Field 22 of /proc/PID/stat.
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

/// A party that reclaims pages, or loses them.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Party {
    /// The VM.
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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

/// A message for the operator: a source that is gone, a limit that was hit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Notice {
    /// What it is about.
    pub about: Topic,
    /// Message.
    pub text: String,
}
