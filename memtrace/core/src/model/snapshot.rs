//! A [`Snapshot`]: rates and shares, each with its quality. This is what every view,
//! encoder and policy reads, and what `--json` prints. The first paragraph of a field's comment
//! describes it in docs/stream.md too.

use memtrace_ebpf::VmCounters;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use uuid::Uuid;

use crate::model::measured::Measured;
use crate::model::totals::{HostTotals, Totals};
use crate::model::waited::VmWaits;
use crate::sample::{
    Accelerator, Claims, GuestStats, Manager, Notice, Party, Psi, SwapDevice, VmId, VmLabels,
    VmState,
};
use crate::signal::{Quality, Reason, SignalStatus};
use crate::units::{ByteRate, Bytes, Limit, Nanos, Pages, Percent, Rate, WallNanos};

/// Version of the JSON form. Counts up when a field changes its meaning or goes away.
pub const SCHEMA_VERSION: u32 = 1;

/// Everything that is known about one interval.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Snapshot {
    /// Version of this schema; incremented when a key is removed or changes its meaning.
    pub schema_version: u32,
    /// When the kernel's counters were read.
    pub wall: WallNanos,
    /// Period that rates and shares cover; `null` in the first line, whose rates are all absent.
    pub interval: Option<Nanos>,
    /// The host.
    pub host: HostView,
    /// VMs that match --filter, most stalled first.
    pub vms: Vec<VmView>,
    /// Pages reclaimed, by causing and losing party, largest first. Absent without eBPF.
    pub flows: Measured<Vec<FlowView>>,
    /// Signals and their quality on this host.
    pub signals: Vec<SignalStatus>,
    /// Messages for the operator.
    pub notices: Vec<Notice>,
}

/// The host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Host")]
pub struct HostView {
    /// Host name.
    pub hostname: Option<String>,
    /// Kernel release.
    pub kernel: Option<String>,
    /// CPUs that are online.
    pub cpus: Option<u32>,
    /// MemTotal.
    pub memory_total: Measured<Bytes>,
    /// MemAvailable, and what ZFS's ARC gives back.
    pub memory_available: Measured<Bytes>,
    /// MemFree.
    pub memory_free: Measured<Bytes>,
    /// Buffers and page cache.
    pub memory_cached: Measured<Bytes>,
    /// All swap.
    pub swap_total: Measured<Bytes>,
    /// Swap used.
    pub swap_used: Measured<Bytes>,
    /// Read from swap.
    pub swap_in: Measured<ByteRate>,
    /// Written to swap.
    pub swap_out: Measured<ByteRate>,
    /// Read from swap since the host started.
    #[serde(default = "not_in_document::<Bytes>")]
    pub swap_in_total: Measured<Bytes>,
    /// Written to swap since the host started.
    #[serde(default = "not_in_document::<Bytes>")]
    pub swap_out_total: Measured<Bytes>,
    /// Swap devices and files.
    pub swaps: Vec<SwapDevice>,
    /// Pressure stall information of memory.
    pub psi: Measured<Psi>,
    /// Time kswapd was active, of the interval; over 100 with several NUMA nodes.
    pub kswapd_active: Measured<Percent>,
    /// Reclaimed by kswapd.
    pub kswapd_reclaim: Measured<ByteRate>,
    /// Direct reclaims of all processes.
    pub direct_reclaims: Measured<Rate>,
    /// Direct reclaims of all processes since the host started.
    #[serde(default = "not_in_document::<u64>")]
    pub direct_reclaims_total: Measured<u64>,
    /// Reclaims within cgroups of all processes.
    pub memcg_reclaims: Measured<Rate>,
    /// Sum of the VMs' maximum sizes.
    ///
    /// The balloon's maximum, else what a VM was started with.
    pub allocated: Measured<Bytes>,
    /// `allocated` divided by `memory_total`; 1 is all of it.
    pub overcommit: Measured<f64>,
    /// Hooks that are attached on demand. Absent without eBPF.
    #[serde(default = "not_in_document::<HooksView>")]
    pub hooks: Measured<HooksView>,
    /// Events that the eBPF programs could not count.
    pub losses: Measured<Losses>,
    /// Counters that belong to no VM.
    pub totals: Measured<HostTotals>,
}

/// The hooks that fire in each page fault of the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Hooks")]
pub struct HooksView {
    /// They are attached.
    pub attached: bool,
    /// For how long they have been attached, or detached.
    pub since: Nanos,
    /// They are detached while nothing is reclaimed or swapped.
    pub on_demand: bool,
}

/// What the eBPF programs could not count since memtrace started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Losses {
    /// Events that did not fit into the ring buffer.
    pub events: u64,
    /// VMs without a slot in the map.
    pub slots: u64,
    /// Waits that could not be timed.
    pub stalls: u64,
    /// Asynchronous faults that could not be timed.
    pub async_faults: u64,
    /// Pages of pairs that did not fit into the flow table.
    #[schemars(with = "Pages")]
    pub flow_pages: u64,
    /// Address spaces that did not fit into the map.
    pub address_spaces: u64,
    /// Failed reads of kernel memory.
    pub failed_reads: u64,
    /// Events for which the eBPF program was not run.
    ///
    /// `None`: this kernel doesn't tell.
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

/// A VM.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Vm")]
pub struct VmView {
    /// Stable VM id.
    pub id: VmId,
    /// VM name; untrusted, sanitised.
    pub name: String,
    /// UUID, if it has one that isn't another VM's.
    pub uuid: Option<Uuid>,
    /// What it says that is another VM's.
    #[serde(default)]
    pub claims: Claims,
    /// What its platform and its operator call it; untrusted, sanitised.
    #[serde(default)]
    pub labels: VmLabels,
    /// Process id.
    pub pid: u32,
    /// Name of the VMM program.
    pub vmm: String,
    /// Accelerator.
    pub accelerator: Option<Accelerator>,
    /// Interface to its balloon.
    pub manager: Manager,
    /// State.
    pub state: Measured<VmState>,
    /// CPU time of all its threads, % of one CPU.
    pub cpu: Measured<Percent>,
    /// CPU time of all its threads since it started.
    #[serde(default = "not_in_document::<Nanos>")]
    pub cpu_time: Measured<Nanos>,

    /// Current size: maximum less balloon.
    pub balloon_actual: Measured<Bytes>,
    /// Maximum size.
    pub balloon_maximum: Measured<Bytes>,
    /// Balloon target of memtrace, ordered or proposed.
    #[serde(default = "untouched")]
    pub balloon_target: Measured<Bytes>,
    /// Resident memory, including shared memory.
    pub rss: Measured<Bytes>,
    /// Resident shared memory.
    pub rss_shmem: Measured<Bytes>,
    /// Memory in host swap; of shared guest memory only its own cgroup tells.
    pub swap: Measured<Bytes>,
    /// Memory in hugetlb pages.
    pub hugetlb: Measured<Bytes>,
    /// Locked memory, or pinned for a device.
    pub locked: Measured<Bytes>,

    /// Page faults: guest, user and kernel.
    ///
    /// Without the hooks of user and kernel faults, the more of its guest's and its process'.
    pub faults: Measured<Rate>,
    /// Minor and major faults of its process since it started.
    ///
    /// Those of its guest that the process had to resolve are among them.
    #[serde(default = "not_in_document::<u64>")]
    pub process_faults: Measured<u64>,
    /// Major faults of its process since it started, without those of kernel workers for its guest.
    #[serde(default = "not_in_document::<u64>")]
    pub process_major_faults: Measured<u64>,
    /// EPT or NPT violations.
    ///
    /// These are exits: one page may cause several, or none if it was there.
    pub guest_faults: Measured<Rate>,
    /// Page faults of its threads.
    pub user_faults: Measured<Rate>,
    /// Page faults in the kernel on its behalf.
    pub kernel_faults: Measured<Rate>,
    /// Major faults.
    pub major_faults: Measured<Rate>,
    /// KVM asynchronous page faults.
    pub async_faults: Measured<Rate>,
    /// Swap-in.
    pub swap_in: Measured<ByteRate>,
    /// Swap-out.
    pub swap_out: Measured<ByteRate>,
    /// Refaults: pages read again soon after reclaim.
    pub refaults: Measured<Rate>,
    /// Direct reclaims by its threads.
    pub direct_reclaims: Measured<Rate>,
    /// Memcg reclaims by its threads.
    pub memcg_reclaims: Measured<Rate>,
    /// Throttles of its threads in reclaim.
    pub throttles: Measured<Rate>,
    /// Direct compactions by its threads.
    pub compactions: Measured<Rate>,

    /// Time its threads stalled on memory, of the interval; over 100 if several did.
    ///
    /// In direct and memcg reclaim with the throttling in them, compaction, asynchronous
    /// faults; where the kernel lets it be seen swap-in and the throttling before reclaim.
    pub stalled: Measured<Percent>,
    /// Pages reclaimed by it, of all pages reclaimed.
    pub caused: Measured<Percent>,
    /// Pages reclaimed by it, from any party.
    pub caused_pages: Measured<Rate>,
    /// Pages reclaimed from it, by any party.
    pub taken: Measured<Rate>,

    /// Median of its reclaim latency.
    pub reclaim_p50: Measured<Nanos>,
    /// 99th percentile of its reclaim latency.
    pub reclaim_p99: Measured<Nanos>,
    /// Median of its asynchronous fault latency.
    pub async_fault_p50: Measured<Nanos>,
    /// 99th percentile of its asynchronous fault latency.
    pub async_fault_p99: Measured<Nanos>,
    /// Median of its swap-in latency.
    ///
    /// Waits of its own threads and of KVM's workers.
    pub swap_in_p50: Measured<Nanos>,
    /// 99th percentile of its swap-in latency.
    pub swap_in_p99: Measured<Nanos>,
    /// Reclaim waits by bucket: 16 buckets per power of two of ns, without trailing zeros.
    ///
    /// In the interval; the bounds are `memtrace_ebpf::bucket_range_ns`.
    pub reclaim_histogram: Measured<Vec<u64>>,
    /// Asynchronous faults by bucket.
    pub async_fault_histogram: Measured<Vec<u64>>,
    /// Swap-in waits by bucket.
    pub swap_in_histogram: Measured<Vec<u64>>,

    /// Its processes killed by the host's OOM killer.
    pub oom_kills: Measured<u64>,
    /// OOM kills triggered by its allocations.
    pub oom_caused: Measured<u64>,

    /// Memory cgroup that it is charged to.
    pub cgroup_path: Option<String>,
    /// Memory charged to the cgroup.
    pub cgroup_usage: Measured<Bytes>,
    /// Tightest hard limit of the cgroup and its ancestors.
    pub cgroup_limit: Measured<Limit>,
    /// Tightest memory.high of the cgroup and its ancestors.
    pub cgroup_high: Measured<Limit>,
    /// Pressure stall information of its cgroup.
    pub psi: Measured<Psi>,

    /// Memory reported by the guest.
    pub guest_total: Measured<Bytes>,
    /// Available memory reported by the guest.
    pub guest_available: Measured<Bytes>,
    /// All guest statistics.
    pub guest_stats: Measured<GuestStats>,
    /// Age of the guest statistics.
    pub guest_age: Measured<Nanos>,
    /// Unused memory: held by the host (memory and swap), free in the guest.
    pub dead: Measured<Bytes>,

    /// eBPF counters since memtrace has seen this VM.
    pub totals: Measured<Totals<VmCounters>>,
    /// Wait times since then.
    #[serde(default)]
    pub waits: VmWaits,

    /// Threads, on request of the live view; `null` in a stream.
    pub threads: Option<Vec<ThreadView>>,
}

impl VmView {
    /// It is a guest of memtrace's self-test, as recordings of older versions have them.
    pub fn is_of_selftest(&self) -> bool {
        self.vmm == SELFTEST_VMM
    }

    /// The name that people know it by.
    pub fn title(&self) -> Cow<'_, str> {
        self.labels.title().map_or(Cow::Borrowed(self.name.as_str()), Cow::Owned)
    }

    /// Its id: what its platform's commands take, or its identity.
    pub fn number(&self) -> Cow<'_, str> {
        self.labels.id.as_deref().map_or_else(|| self.id.to_string().into(), Cow::Borrowed)
    }
}

/// The command of those that run the guests of a self-test.
const SELFTEST_VMM: &str = "memtrace";

/// The target of a VM that was given none.
pub(crate) const fn untouched() -> Measured<Bytes> {
    Measured { value: None, quality: Quality::Absent(Reason::Borrowed(UNTOUCHED)) }
}

/// A value that documents of older versions don't have.
fn not_in_document<T>() -> Measured<T> {
    Measured { value: None, quality: Quality::Absent(Reason::Borrowed(NOT_IN_DOCUMENT)) }
}

const NOT_IN_DOCUMENT: &str = "this document's version doesn't have it";
const UNTOUCHED: &str = "no balloon target set";

/// A thread of a VM.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Thread")]
pub struct ThreadView {
    /// Thread id.
    pub tid: u32,
    /// Its name.
    pub name: String,
    /// R, S, D, ...
    pub state: char,
    /// Of one CPU.
    pub cpu: Measured<Percent>,
    /// Minor faults.
    pub minor_faults: Measured<Rate>,
    /// Major faults.
    pub major_faults: Measured<Rate>,
}

/// Pages reclaimed by one party from another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Flow")]
pub struct FlowView {
    /// Party that reclaimed.
    pub causer: Party,
    /// Party that lost the pages.
    pub victim: Party,
    /// Pages reclaimed.
    pub pages: Rate,
    /// Since memtrace started.
    #[schemars(with = "Pages")]
    pub total_pages: u64,
}
