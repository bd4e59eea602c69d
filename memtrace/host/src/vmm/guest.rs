//! A hypervisor's answer about one VM. Untrusted: most of it comes from the guest.

use memtrace_core::sample::{GuestSample, VmLabels, VmState};
use memtrace_core::units::Bytes;

/// Polling interval of hypervisors and guest statistics, as in Proxmox; the minimum for guests is
/// 1 s.
pub const PERIOD_SECONDS: u32 = 2;

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
