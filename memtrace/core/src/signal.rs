//! The signals that memtrace measures, and how far each can be trusted here.

use serde::{Deserialize, Serialize};

mod quality;

pub use quality::{Quality, Reason, reason_or};

/// Why a signal is absent whose hook fires in each page fault of the host, unless it is asked for.
pub const UNASKED: &str =
    "its hook fires in each page fault of the host, and is attached with --always alone";

/// One thing that is measured. The order is the order on the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "full", derive(schemars::JsonSchema), schemars(rename = "SignalName"))]
#[serde(rename_all = "snake_case")]
pub enum Signal {
    /// Guest page faults that reach the host (EPT/NPT violations).
    GuestFaults,
    /// Ordinary user page faults of a VM's threads.
    UserFaults,
    /// Page faults that the kernel takes on a VM's behalf.
    KernelFaults,
    /// Major faults of a VM's memory, asynchronous ones included.
    MajorFaults,
    /// KVM asynchronous page faults and how long they took.
    AsyncFaults,
    /// Pages of a VM that came back from swap.
    SwapIn,
    /// Pages of a VM that reclaim unmapped to swap.
    SwapOut,
    /// Shared guest memory that reclaim took.
    ShmemTaken,
    /// Pages of a VM that reclaim wrote out.
    ReclaimWrites,
    /// Direct reclaim by a VM's threads: count and time.
    DirectReclaim,
    /// Reclaim within a memory cgroup by a VM's threads: count and time.
    MemcgReclaim,
    /// Waits in reclaim throttling.
    Throttling,
    /// Direct compaction by a VM's threads: count and time.
    Compaction,
    /// kswapd's rounds, sleeps and active time.
    Kswapd,
    /// Who takes pages from whom.
    Flows,
    /// Victims of the OOM killer, and who was allocating.
    OomKills,
    /// VMs that start and end, seen as it happens.
    Lifecycle,
    /// How long pages take that come back from swap, and who waits for them.
    SwapInWait,
    /// Shared guest memory that goes to swap and comes back.
    ShmemSwap,
    /// Waits of a VM's threads before their direct reclaim begins.
    ThrottleWait,
    /// Reclaim in a VM's cgroup that a kernel worker does for it.
    ReclaimForVm,
}

impl Signal {
    pub const ALL: [Self; 21] = [
        Self::GuestFaults,
        Self::UserFaults,
        Self::KernelFaults,
        Self::MajorFaults,
        Self::AsyncFaults,
        Self::SwapIn,
        Self::SwapOut,
        Self::ShmemTaken,
        Self::ReclaimWrites,
        Self::DirectReclaim,
        Self::MemcgReclaim,
        Self::Throttling,
        Self::Compaction,
        Self::Kswapd,
        Self::Flows,
        Self::OomKills,
        Self::Lifecycle,
        Self::SwapInWait,
        Self::ShmemSwap,
        Self::ThrottleWait,
        Self::ReclaimForVm,
    ];

    /// What is counted by hooks that may be at rest while nothing is reclaimed or swapped.
    pub const ON_DEMAND: [Self; 4] = [Self::SwapIn, Self::SwapOut, Self::ShmemTaken, Self::Flows];

    /// Whether it comes from the programs that many kernels refuse, so that memtrace is
    /// complete without it.
    pub const fn is_optional(self) -> bool {
        matches!(self, Self::SwapInWait | Self::ShmemSwap | Self::ThrottleWait | Self::ReclaimForVm)
    }

    /// The name on the screen and in the documentation.
    pub const fn title(self) -> &'static str {
        match self {
            Self::GuestFaults => "guest faults",
            Self::UserFaults => "user faults",
            Self::KernelFaults => "kernel faults",
            Self::MajorFaults => "major faults",
            Self::AsyncFaults => "asynchronous faults",
            Self::SwapIn => "swap-ins",
            Self::SwapOut => "swap-outs",
            Self::ShmemTaken => "shared memory taken",
            Self::ReclaimWrites => "reclaim writes",
            Self::DirectReclaim => "direct reclaim",
            Self::MemcgReclaim => "memcg reclaim",
            Self::Throttling => "reclaim throttling",
            Self::Compaction => "direct compaction",
            Self::Kswapd => "kswapd",
            Self::Flows => "reclaim between VMs",
            Self::OomKills => "OOM kills",
            Self::Lifecycle => "VM start and end",
            Self::SwapInWait => "waits for swap-in",
            Self::ShmemSwap => "shared memory swap",
            Self::ThrottleWait => "waits before reclaim",
            Self::ReclaimForVm => "reclaim on a VM's behalf",
        }
    }
}

/// What this kernel and these permissions allow for one signal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "full", derive(schemars::JsonSchema), schemars(rename = "Signal"))]
pub struct SignalStatus {
    /// Its name.
    pub signal: Signal,
    /// Hooks or files that it is read from, for example `raw_tp kmem:rss_stat`.
    pub source: Option<String>,
    /// Counted by an attached hook.
    ///
    /// Without one the counter stays at zero, and the signal, if there is one, comes from files.
    pub hooked: bool,
    #[serde(flatten)]
    pub quality: Quality,
}

impl SignalStatus {
    /// Absent, and an extra on kernels that allow it, or not asked for: nothing to complain of.
    pub fn is_spared(&self) -> bool {
        let unasked = self.quality.reason() == Some(UNASKED);
        self.quality.is_absent() && (unasked || self.signal.is_optional())
    }
}
