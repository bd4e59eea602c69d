//! A [`Snapshot`]: rates and shares, each with its quality. This is what every view,
//! encoder and policy reads, and what `--json` prints.

use memtrace_ebpf::VmCounters;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::model::totals::{HostTotals, Totals};
use crate::model::waited::VmWaits;
use crate::sample::{
    Accelerator, GuestStats, Manager, Notice, Party, Psi, SwapDevice, VmId, VmState,
};
use crate::signal::{Quality, Reason, SignalStatus};
use crate::units::{ByteRate, Bytes, Limit, Nanos, Percent, Rate, WallNanos};

/// Version of the JSON form. Counts up when a field changes its meaning or goes away.
pub const SCHEMA_VERSION: u32 = 1;

/// A number that knows how far it can be trusted. `value` is `None` exactly when the
/// quality is absent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measured<T> {
    pub value: Option<T>,
    #[serde(flatten)]
    pub quality: Quality,
}

impl<T> Measured<T> {
    pub const fn exact(value: T) -> Self {
        Self { value: Some(value), quality: Quality::Exact }
    }

    pub fn approximate(value: T, reason: impl Into<Reason>) -> Self {
        Self { value: Some(value), quality: Quality::approximate(reason) }
    }

    pub fn absent(reason: impl Into<Reason>) -> Self {
        Self { value: None, quality: Quality::absent(reason) }
    }

    /// `value` with `quality`; absent when either is.
    pub fn new(value: Option<T>, quality: Quality) -> Self {
        match (value, quality) {
            (_, quality @ Quality::Absent(_)) => Self { value: None, quality },
            (None, _) => Self::absent("not read this time"),
            (value, quality) => Self { value, quality },
        }
    }

    /// The value put into another form; the quality stays.
    pub fn map<U>(self, form: impl FnOnce(T) -> U) -> Measured<U> {
        Measured { value: self.value.map(form), quality: self.quality }
    }

    /// No better than `quality`, because that went into it too.
    #[must_use]
    pub fn limited_by(self, quality: Quality) -> Self {
        Self::new(self.value, self.quality.and(quality))
    }
}

/// Everything that is known about one interval.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    pub schema_version: u32,
    pub wall: WallNanos,
    /// Length of the interval that the rates stand for. `None` in the first snapshot,
    /// whose rates are all absent.
    pub interval: Option<Nanos>,
    pub host: HostView,
    pub vms: Vec<VmView>,
    /// Largest flow first. Absent when the kernel side doesn't run.
    pub flows: Measured<Vec<FlowView>>,
    pub signals: Vec<SignalStatus>,
    pub notices: Vec<Notice>,
}

/// The host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HostView {
    pub hostname: Option<String>,
    pub kernel: Option<String>,
    pub cpus: Option<u32>,
    pub memory_total: Measured<Bytes>,
    pub memory_available: Measured<Bytes>,
    pub memory_free: Measured<Bytes>,
    /// Buffers and page cache.
    pub memory_cached: Measured<Bytes>,
    pub swap_total: Measured<Bytes>,
    pub swap_used: Measured<Bytes>,
    pub swap_in: Measured<ByteRate>,
    pub swap_out: Measured<ByteRate>,
    pub swaps: Vec<SwapDevice>,
    pub psi: Measured<Psi>,
    /// Share of the interval in which kswapd worked; over 100 with several nodes.
    pub kswapd_active: Measured<Percent>,
    pub kswapd_reclaim: Measured<ByteRate>,
    /// Direct reclaims of the whole host per second.
    pub direct_reclaims: Measured<Rate>,
    /// Reclaims within memory cgroups of the whole host per second.
    pub memcg_reclaims: Measured<Rate>,
    /// Sum of the VMs' memory (balloon maximum, else what they were started with).
    pub allocated: Measured<Bytes>,
    /// `allocated` / `memory_total`; 1.0 is all of it.
    pub overcommit: Measured<f64>,
    /// What the kernel side lost since it started.
    pub losses: Measured<Losses>,
    /// The kernel side's counters that belong to no VM, since it started.
    pub totals: Measured<HostTotals>,
}

/// What the kernel side could not count, totals since it started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Losses {
    pub events: u64,
    pub slots: u64,
    pub stalls: u64,
    pub async_faults: u64,
    pub flow_pages: u64,
    pub address_spaces: u64,
    pub failed_reads: u64,
    /// Events that a program wasn't run for. `None`: this kernel doesn't tell.
    pub missed_runs: Option<u64>,
}

impl Losses {
    pub fn any(&self) -> bool {
        self.missed_runs.unwrap_or(0)
            | self.events
            | self.slots
            | self.stalls
            | self.async_faults
            | self.flow_pages
            | self.address_spaces
            | self.failed_reads
            != 0
    }
}

/// One VM.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VmView {
    pub id: VmId,
    pub name: String,
    pub uuid: Option<Uuid>,
    pub pid: u32,
    pub vmm: String,
    pub accelerator: Option<Accelerator>,
    pub manager: Manager,
    pub state: Measured<VmState>,
    /// User and system time of all its threads; 100 is one CPU.
    pub cpu: Measured<Percent>,

    pub balloon_actual: Measured<Bytes>,
    pub balloon_maximum: Measured<Bytes>,
    /// The size that memtrace last ordered, or would order.
    #[serde(default = "untouched")]
    pub balloon_target: Measured<Bytes>,
    pub rss: Measured<Bytes>,
    pub rss_shmem: Measured<Bytes>,
    pub swap: Measured<Bytes>,
    pub hugetlb: Measured<Bytes>,
    pub locked: Measured<Bytes>,

    /// Guest, user and kernel faults together. Guest faults are exits (EPT/NPT violations),
    /// of which one page may cause several, or none if the page was there.
    pub faults: Measured<Rate>,
    pub guest_faults: Measured<Rate>,
    pub user_faults: Measured<Rate>,
    pub kernel_faults: Measured<Rate>,
    pub major_faults: Measured<Rate>,
    pub async_faults: Measured<Rate>,
    pub swap_in: Measured<ByteRate>,
    pub swap_out: Measured<ByteRate>,
    pub refaults: Measured<Rate>,
    pub direct_reclaims: Measured<Rate>,
    pub memcg_reclaims: Measured<Rate>,
    pub throttles: Measured<Rate>,
    pub compactions: Measured<Rate>,

    /// Time that its threads waited for memory (direct and memcg reclaim with the throttling
    /// in them, compaction, asynchronous faults; where the kernel lets it be seen swap-in and
    /// the throttling before reclaim), as a share of the interval; over 100 where several
    /// waited at once.
    pub stalled: Measured<Percent>,
    /// Its share of all pages that reclaim took in the interval, whoever lost them.
    pub caused: Measured<Percent>,
    /// Pages that its threads took, from whomever, per second.
    pub caused_pages: Measured<Rate>,
    /// Pages that anybody's reclaim took from it per second.
    pub taken: Measured<Rate>,

    pub reclaim_p50: Measured<Nanos>,
    pub reclaim_p99: Measured<Nanos>,
    pub async_fault_p50: Measured<Nanos>,
    pub async_fault_p99: Measured<Nanos>,
    /// Waits for a page that comes back from swap, its own threads' and KVM's workers'.
    pub swap_in_p50: Measured<Nanos>,
    pub swap_in_p99: Measured<Nanos>,
    /// Counts by bucket in the interval (`memtrace_ebpf::bucket_range_ns`), without
    /// trailing zeros.
    pub reclaim_histogram: Measured<Vec<u64>>,
    pub async_fault_histogram: Measured<Vec<u64>>,
    pub swap_in_histogram: Measured<Vec<u64>>,

    pub oom_kills: Measured<u64>,
    pub oom_caused: Measured<u64>,

    pub cgroup_path: Option<String>,
    pub cgroup_usage: Measured<Bytes>,
    pub cgroup_limit: Measured<Limit>,
    pub cgroup_high: Measured<Limit>,
    pub psi: Measured<Psi>,

    pub guest_total: Measured<Bytes>,
    pub guest_available: Measured<Bytes>,
    pub guest_stats: Measured<GuestStats>,
    /// Age of the guest statistics.
    pub guest_age: Measured<Nanos>,
    /// The memory in this VM that the guest itself has no use for.
    pub dead: Measured<Bytes>,

    /// The kernel side's counters since it began to count this VM.
    pub totals: Measured<Totals<VmCounters>>,
    /// How long it waited since then.
    #[serde(default)]
    pub waits: VmWaits,

    /// Only for the VM that a view asked for.
    pub threads: Option<Vec<ThreadView>>,
}

/// The target of a VM that nobody has sent anywhere.
pub const fn untouched() -> Measured<Bytes> {
    Measured { value: None, quality: Quality::Absent(Reason::Borrowed(UNTOUCHED)) }
}

const UNTOUCHED: &str = "no memtrace that runs here has ordered a size";

/// One thread of a VM.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ThreadView {
    pub tid: u32,
    pub name: String,
    pub state: char,
    pub cpu: Measured<Percent>,
    pub minor_faults: Measured<Rate>,
    pub major_faults: Measured<Rate>,
}

/// Pages that one party's reclaim took from another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FlowView {
    pub causer: Party,
    pub victim: Party,
    /// Pages per second in the interval.
    pub pages: Rate,
    /// Pages since memtrace started.
    pub total_pages: u64,
}
