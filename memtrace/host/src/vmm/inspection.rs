//! One-time inspection of a VM's devices through its hypervisor. Changes nothing; untrusted.

use std::fmt;

use memtrace_core::sample::GuestStats;
use memtrace_core::settings::VmSettings;
use memtrace_core::units::Bytes;

use super::libvirt::UNKNOWN;

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Inspection {
    /// Maximum and current size.
    pub maximum: Option<Bytes>,
    pub actual: Option<Bytes>,
    /// It has a passed-through device.
    pub vfio: bool,
    pub balloon: Option<BalloonDevice>,
    /// Settings from a domain's metadata.
    pub settings: VmSettings,
}

/// Why there is no inspection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unanswered {
    /// This host's libvirt has no such domain.
    OtherLibvirt,
    /// In words for the operator.
    Failed(String),
}

impl fmt::Display for Unanswered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OtherLibvirt => write!(f, "libvirt: {UNKNOWN}"),
            Self::Failed(text) => f.write_str(text),
        }
    }
}

/// A balloon device. `None`: unknown.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BalloonDevice {
    /// Where QEMU has it in its tree of objects.
    pub path: Option<String>,
    pub deflate_on_oom: Option<bool>,
    pub free_page_reporting: Option<bool>,
    /// Polling period of guest statistics in seconds; 0: off.
    pub period: Option<u64>,
    pub stats: GuestStats,
}
