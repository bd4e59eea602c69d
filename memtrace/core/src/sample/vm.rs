//! What was read of one VM.

use memtrace_ebpf::VmCounters;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Claims, Psi, VmId, VmLabels};
use crate::settings::VmSettings;
use crate::units::{Bytes, Limit, Nanos, WallNanos};

/// One VM.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VmSample {
    pub id: VmId,
    /// The name that the operator gave, or one made of command and pid. Untrusted text.
    pub name: String,
    /// `None`: it has none, or says one that is another VM's.
    pub uuid: Option<Uuid>,
    /// What it says that is another VM's.
    #[serde(default)]
    pub claims: Claims,
    /// What its platform and its operator call it.
    #[serde(default)]
    pub labels: VmLabels,
    pub pid: u32,
    /// Field 22 of /proc/PID/stat.
    pub start: u64,
    /// The command: `qemu-system-x86`, `firecracker`, ...
    pub vmm: String,
    pub accelerator: Option<Accelerator>,
    /// The interface to its balloon and guest statistics.
    pub manager: Manager,
    pub state: Option<VmState>,
    /// Its size without a balloon, as its hypervisor says it, or as it was started with where
    /// that can't have changed.
    pub allocated: Option<Bytes>,
    /// Virtual CPUs that it was started with.
    #[serde(default)]
    pub vcpus: Option<u32>,
    /// It was started with a passed-through device, which pins all guest memory.
    #[serde(default)]
    pub vfio: Option<bool>,
    /// The guest's memory is encrypted (SEV, TDX and the like): no balloon frees any of it.
    #[serde(default)]
    pub encrypted: Option<bool>,
    /// It was started with guest memory that it shares (virtiofs, vhost-user), which isn't in its
    /// swap as the kernel counts it.
    #[serde(default)]
    pub shared: Option<bool>,
    /// It was started from the state of another: memory that was zero there isn't touched here.
    #[serde(default)]
    pub incoming: Option<bool>,
    pub process: ProcessSample,
    pub cgroup: Option<CgroupSample>,
    pub guest: GuestSample,
    /// Counters of the kernel side. `None`: it doesn't run, or has no slot for this VM.
    pub counters: Option<VmCounters>,
    pub histograms: Option<HistogramsSample>,
    /// The kernel side has had this VM from its very start.
    pub counted_from_start: bool,
    /// Where swap-ins have to be told with the help of VmSwap (`None`: as counted): base
    /// pages that were in swap beyond what had been counted when counting began, so that
    /// swap-ins are swap-outs plus this less VmSwap. More where VmSwap is ahead of the
    /// swap-outs, so that they never run backwards.
    #[serde(default)]
    pub swap_base: Option<i64>,
    /// Only for the VM that a view asked for.
    pub threads: Option<Vec<ThreadSample>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Accelerator {
    Kvm,
    Tcg,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Manager {
    Libvirt,
    Qmp,
    /// No interface that memtrace can use.
    None,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum VmState {
    Running,
    Paused,
    /// Incoming migration, booting firmware, or created but not started.
    Starting,
    Migrating,
    ShuttingDown,
    Crashed,
    /// The process is a zombie or is being killed.
    Exiting,
}

/// Distributions of one VM, totals: counts by bucket (`memtrace_ebpf::bucket_range_ns`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistogramsSample {
    /// Waits in direct and memcg reclaim.
    pub reclaim: Vec<u64>,
    /// KVM asynchronous page faults.
    pub async_fault: Vec<u64>,
    /// Waits for pages that come back from swap.
    pub swap_in: Vec<u64>,
}

/// From /proc/PID/{status,stat}. `None`: the line is missing or could not be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessSample {
    pub rss: Option<Bytes>,
    pub rss_anon: Option<Bytes>,
    pub rss_file: Option<Bytes>,
    pub rss_shmem: Option<Bytes>,
    /// VmSwap: anonymous memory only; shared guest memory isn't in it.
    pub swap: Option<Bytes>,
    pub hugetlb: Option<Bytes>,
    pub locked: Option<Bytes>,
    pub minor_faults: Option<u64>,
    pub major_faults: Option<u64>,
    /// User plus system time.
    pub cpu_time: Option<Nanos>,
    pub threads: Option<u32>,
}

/// The memory cgroup that a VM is charged to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CgroupSample {
    /// 1 or 2.
    pub version: u8,
    /// Path below the hierarchy's root.
    pub path: String,
    /// Number of known VMs that share it, this one included.
    pub vms: u32,
    /// It holds only this VM and its companions (swtpm, virtiofsd, ...), so that its numbers are
    /// the VM's.
    pub alone: bool,
    pub usage: Option<Bytes>,
    /// The tightest hard limit of the cgroup and its ancestors.
    pub limit: Option<Limit>,
    /// The same for memory.high, which v1 doesn't have.
    pub high: Option<Limit>,
    pub swap: Option<Bytes>,
    /// The tightest limit of its swap; v1 has none of swap alone.
    #[serde(default)]
    pub swap_limit: Option<Limit>,
    pub stat: MemoryStat,
    /// memory.events `max`, or v1's memory.failcnt.
    pub limit_hits: Option<u64>,
    pub oom_kills: Option<u64>,
    pub psi: Option<Psi>,
    /// Why something of the above is missing.
    pub problem: Option<String>,
}

/// From memory.stat, totals. `None`: this kernel's file has no such line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryStat {
    pub anon: Option<Bytes>,
    pub file: Option<Bytes>,
    pub shmem: Option<Bytes>,
    pub pgfault: Option<u64>,
    pub pgmajfault: Option<u64>,
    pub pswpin: Option<u64>,
    pub pswpout: Option<u64>,
    pub pgscan: Option<u64>,
    pub pgsteal: Option<u64>,
    pub workingset_refault_anon: Option<u64>,
    pub workingset_refault_file: Option<u64>,
}

/// Reported by hypervisor and guest. Untrusted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GuestSample {
    /// Logical size now (maximum less balloon).
    pub actual: Option<Bytes>,
    pub maximum: Option<Bytes>,
    pub stats: Option<GuestStats>,
    /// Its balloon deflates before its OOM killer strikes (VIRTIO_BALLOON_F_DEFLATE_ON_OOM): Linux
    /// then counts what the balloon holds in its total memory (drivers/virtio/virtio_balloon.c).
    #[serde(default)]
    pub deflate_on_oom: Option<bool>,
    /// Why there is no balloon or are no statistics.
    pub problem: Option<String>,
    /// Settings in the hypervisor's metadata for its balloon, and errors in them.
    #[serde(default)]
    pub settings: VmSettings,
    #[serde(default)]
    pub metadata_problems: Vec<String>,
}

/// Guest statistics: sizes, and totals since the guest booted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GuestStats {
    /// Time of the last update.
    ///
    /// `None`: never, or not told.
    pub updated: Option<WallNanos>,
    /// Total memory.
    pub total: Option<Bytes>,
    /// Free memory.
    pub free: Option<Bytes>,
    /// Available memory.
    pub available: Option<Bytes>,
    /// Page cache.
    pub disk_caches: Option<Bytes>,
    /// Read from guest swap.
    pub swap_in: Option<Bytes>,
    /// Written to guest swap.
    pub swap_out: Option<Bytes>,
    /// Major faults in the guest.
    pub major_faults: Option<u64>,
    /// Minor faults in the guest.
    pub minor_faults: Option<u64>,
    /// OOM kills in the guest, those in its containers too.
    ///
    /// Told by QMP alone, from QEMU 10.0 and guests with Linux 6.12 on
    /// (VIRTIO_BALLOON_S_OOM_KILL of linux/virtio_balloon.h).
    #[serde(default)]
    pub oom_kills: Option<u64>,
}

/// One thread of a VM.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThreadSample {
    pub tid: u32,
    pub name: String,
    /// The letter of /proc/PID/task/TID/stat.
    pub state: char,
    pub minor_faults: u64,
    pub major_faults: u64,
    pub cpu_time: Nanos,
}
