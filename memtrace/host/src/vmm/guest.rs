//! A hypervisor's answer about one VM. Untrusted: most of it comes from the guest.

use memtrace_core::sample::{GuestSample, VmLabels, VmState};
use memtrace_core::units::Bytes;

/// Polling interval of hypervisors and guest statistics, as in Proxmox; the minimum for guests is
/// 1 s.
pub const PERIOD_SECONDS: u32 = 2;

/// Longest polling interval of a guest that is left as it is: with a longer one, as nova's of 10 s,
/// statistics are stale (`model::STALE_AFTER`) before the next ones come.
pub const LONGEST_PERIOD: u64 = 5;

/// Whether guest statistics that are polled at this interval (0: not at all) are of no use, so that
/// a shorter one is set.
pub fn is_too_slow(period: u64) -> bool {
    period == 0 || period > LONGEST_PERIOD
}

/// The last answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GuestAnswer {
    pub state: Option<VmState>,
    pub guest: GuestSample,
    /// All its memory, also what no balloon counts.
    pub size: Option<Bytes>,
    /// What the metadata of its domain call it.
    pub labels: VmLabels,
}

impl GuestAnswer {
    /// An empty answer with the reason.
    pub fn problem(text: impl Into<String>) -> Self {
        let guest = GuestSample { problem: Some(text.into()), ..GuestSample::default() };
        Self { guest, ..Self::default() }
    }
}
