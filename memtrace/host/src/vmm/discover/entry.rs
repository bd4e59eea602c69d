//! What is known of a process that may be a VM.

use super::standing::Standing;
use super::turns::User;
use crate::hostfs::process::fds::KvmFds;
use crate::vmm::judge::Description;
use memtrace_core::units::Nanos;

/// A QEMU that may use KVM and doesn't hold a guest after this long uses TCG.
const SETTLED: Nanos = Nanos(10_000_000_000);

/// A process that may be a VM, before it is known which of several it is.
#[derive(Clone, Debug)]
pub(super) struct Suspect {
    pub(super) start: u64,
    pub(super) parent: u32,
    pub(super) group: u32,
    pub(super) session: u32,
    pub(super) user: User,
    pub(super) standing: Standing,
    pub(super) young_until: Nanos,
    pub(super) description: Description,
}

/// Where a suspect comes from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Origin {
    pub(super) user: User,
    pub(super) young_until: Nanos,
    /// It would hold a guest of KVM by now.
    pub(super) settles: bool,
}

/// Of a process' descriptors, with the work that it was.
pub(super) enum DescriptorScan {
    /// `None`: they are not for us to see.
    All(Option<KvmFds>, u32),
    /// The rest is looked at later.
    Part(u32),
    /// The process is gone.
    Gone,
}

/// The result of inspecting a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sighting {
    Vm,
    /// May become one; it is looked at in each scan.
    NotYet,
    No,
}

/// A process.
#[derive(Debug)]
pub(super) struct ProcessEntry {
    pub(super) user: User,
    pub(super) first_seen: Nanos,
    pub(super) young_until: Nanos,
    /// The last scan that saw it.
    pub(super) scan: u64,
    /// `None`: it was not looked at yet.
    pub(super) seen: Option<InspectedProcess>,
}

/// What a look at a process has shown.
#[derive(Debug)]
pub(super) struct InspectedProcess {
    pub(super) start: u64,
    pub(super) comm: String,
    pub(super) sighting: Sighting,
    /// Judged without seeing its descriptors.
    pub(super) blind: bool,
    pub(super) next_check: Nanos,
    pub(super) next_descriptors: Nanos,
}

impl ProcessEntry {
    pub(super) fn is_due(&self, now: Nanos) -> bool {
        self.seen.as_ref().is_none_or(|seen| now >= seen.next_check)
    }

    pub(super) fn is_young(&self, now: Nanos) -> bool {
        now < self.young_until
    }

    pub(super) fn has_settled(&self, now: Nanos) -> bool {
        now.saturating_sub(self.first_seen) > SETTLED
    }
}
