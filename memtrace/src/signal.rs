//! The signals that memtrace measures, and how far each can be trusted here.

use serde::{Deserialize, Serialize};

/// One thing that is measured. The order is the order on the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
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
    /// Folios of a VM that reclaim wrote out.
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
}

impl Signal {
    pub const ALL: [Self; 17] = [
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
    ];

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
            Self::Flows => "who takes from whom",
            Self::OomKills => "OOM kills",
            Self::Lifecycle => "VM start and end",
        }
    }
}

/// How far a number can be trusted. Travels with the number wherever it goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "quality", content = "reason", rename_all = "snake_case")]
pub enum Quality {
    /// Agrees with the kernel's own counter.
    Exact,
    /// Near it; the reason says what is missing or added.
    Approximate(String),
    /// Not known; the reason says why.
    Absent(String),
}

impl Quality {
    pub fn approximate(reason: impl Into<String>) -> Self {
        Self::Approximate(reason.into())
    }

    pub fn absent(reason: impl Into<String>) -> Self {
        Self::Absent(reason.into())
    }

    pub const fn is_absent(&self) -> bool {
        matches!(self, Self::Absent(_))
    }

    /// `exact`, `approximate` or `absent`.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Approximate(_) => "approximate",
            Self::Absent(_) => "absent",
        }
    }

    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Exact => None,
            Self::Approximate(reason) | Self::Absent(reason) => Some(reason),
        }
    }

    /// The less trustworthy of two, for a number made of both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (&self, &other) {
            (Self::Absent(_), _) | (Self::Approximate(_), Self::Exact | Self::Approximate(_)) => {
                self
            }
            (_, Self::Absent(_) | Self::Approximate(_)) => other,
            (Self::Exact, Self::Exact) => self,
        }
    }
}

/// What this kernel and these permissions allow for one signal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignalStatus {
    pub signal: Signal,
    /// The hooks or files that it comes from, for example `raw_tp kmem:rss_stat`.
    pub source: Option<String>,
    #[serde(flatten)]
    pub quality: Quality,
}
