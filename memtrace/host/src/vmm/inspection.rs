//! What a hypervisor says of a VM's devices when it is asked once, and nothing is changed.
//! All of it is untrusted.

use memtrace_core::policy::settings::VmSettings;
use memtrace_core::sample::GuestStats;
use memtrace_core::units::Bytes;

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Inspection {
    /// The most that the VM may have, and what it has now.
    pub maximum: Option<Bytes>,
    pub actual: Option<Bytes>,
    /// It has a passed-through device.
    pub vfio: bool,
    pub balloon: Option<BalloonDevice>,
    /// Of a domain's metadata; nothing where there is none.
    pub settings: VmSettings,
}

/// A balloon device. `None`: not told.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BalloonDevice {
    /// Where QEMU has it in its tree of objects.
    pub path: Option<String>,
    pub deflate_on_oom: Option<bool>,
    pub free_page_reporting: Option<bool>,
    /// Seconds between two questions to the guest; 0: it isn't asked.
    pub period: Option<u64>,
    pub stats: GuestStats,
}
