//! What a hypervisor says about one VM. All of it is untrusted: most comes from the guest.

use memtrace_core::sample::{GuestSample, VmState};

/// So often hypervisors are asked, and guests for statistics. As Proxmox does; guests
/// can't be asked more often than each second.
pub const PERIOD_SECONDS: u32 = 2;

/// What was answered last.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GuestAnswer {
    pub state: Option<VmState>,
    pub guest: GuestSample,
}

impl GuestAnswer {
    /// Nothing but the reason why.
    pub fn problem(text: impl Into<String>) -> Self {
        let guest = GuestSample { problem: Some(text.into()), ..GuestSample::default() };
        Self { state: None, guest }
    }
}
