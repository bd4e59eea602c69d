//! The cgroup of each VM, and whether it is exclusive: only then are the cgroup's counters those of
//! the VM.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use super::known::KnownVm;
use super::rereading;
use crate::clock::later;
use crate::hostfs::cgroup::{self, MemoryCgroup};
use crate::hostfs::process::{self, Charge};
use crate::hostfs::{HostRoot, Keeper, read};
use memtrace_core::units::Nanos;

/// Shortest interval between two scans of a cgroup's processes, in seconds; up to twice as long by
/// process id, so that not all are due in the same sample.
const RECHECK: u64 = 6;
/// Most processes of a cgroup that are looked at; with more, the VM isn't alone.
const MOST_PROCESSES: usize = 16;
/// Commands of helper processes in a VM's cgroup, whose memory is charged to the VM.
const COMPANIONS: &[&str] =
    &["passt", "qemu-pr-helper", "slirp4netns", "swtpm", "vhost-user-gpu", "virtiofsd"];

/// The cgroup of one VM.
#[derive(Debug, Default)]
pub(super) struct Membership {
    /// /proc/PID/cgroup as it was when the rest was found out.
    text: Option<String>,
    cgroup: Option<Result<MemoryCgroup, String>>,
    /// No process but the VM and its helpers is in it.
    apart: bool,
    /// When that is looked at again.
    next: Nanos,
    /// When `text` was read.
    seen: Nanos,
    /// Ids of the cgroups just before that, where the kernel side tells them.
    ids: Option<(u64, u64)>,
}

impl Membership {
    /// Whether it is time to scan again, even for a quiet VM.
    pub(super) fn turn_came(&self, pid: u32, now: Nanos) -> bool {
        rereading::turn_came(pid, self.seen, now)
    }

    /// Whether the process is in the cgroups that it was in when the text was read.
    pub(super) fn is_same(&self, charge: Charge) -> bool {
        self.ids == Some(ids(charge))
    }

    /// Updates the cgroup and its members. Returns whether they have changed. `charge`: where the
    /// kernel side saw the process before.
    pub(super) fn refresh(
        &mut self,
        files: &Keeper,
        root: &HostRoot,
        pid: u32,
        charge: Option<Charge>,
        now: Nanos,
    ) -> bool {
        self.seen = now;
        self.ids = charge.map(ids);
        let text = files.text(&root.process(pid).join("cgroup"), read::SMALL).ok();
        let due = now >= self.next;
        if self.cgroup.is_some() && self.text == text && !due {
            return false;
        }
        let cgroup = Some(cgroup::find(root, pid));
        let found = |cgroup: &Result<MemoryCgroup, _>| {
            cgroup.as_ref().is_ok_and(|cgroup| is_apart(root, cgroup, pid))
        };
        let apart = cgroup.as_ref().is_some_and(found);
        let changed = self.cgroup != cgroup || self.apart != apart;
        self.text = text;
        self.next = later(now, pid, RECHECK);
        (self.cgroup, self.apart) = (cgroup, apart);
        changed
    }

    pub(super) fn cgroup(&self) -> Option<&MemoryCgroup> {
        self.cgroup.as_ref()?.as_ref().ok()
    }

    pub(super) fn problem(&self) -> Option<&str> {
        self.cgroup.as_ref()?.as_ref().err().map(String::as_str)
    }
}

const fn ids(charge: Charge) -> (u64, u64) {
    (charge.memory, charge.unified)
}

fn is_apart(root: &HostRoot, cgroup: &MemoryCgroup, pid: u32) -> bool {
    if cgroup.is_root() {
        return false;
    }
    let processes = cgroup::processes(&cgroup.directory, MOST_PROCESSES.saturating_add(1));
    processes.is_some_and(|processes| {
        let companion = |other: u32| {
            // KVM's and vhost's kernel threads (kvm-nx-lpage-recovery, kvm-pit, vhost) are put
            // into the VM's cgroup and work for it; newer kernels make them its threads.
            process::stat(root, other)
                .is_ok_and(|stat| stat.kernel_thread || COMPANIONS.contains(&stat.comm.as_str()))
        };
        processes.len() <= MOST_PROCESSES
            && processes.into_iter().all(|other| other == pid || companion(other))
    })
}

/// Sharing of a VM's cgroup.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Company {
    /// Number of known VMs in it.
    pub(super) vms: u32,
    /// No processes but this VM and its helpers.
    pub(super) alone: bool,
}

/// How many known VMs are in each cgroup.
#[derive(Debug, Default)]
pub(super) struct Neighbours {
    vms: HashMap<PathBuf, u32>,
}

impl Neighbours {
    pub(super) fn count(known: &BTreeMap<u32, KnownVm>) -> Self {
        let mut vms = HashMap::new();
        for cgroup in known.values().filter_map(|vm| vm.membership.cgroup()) {
            let count: &mut u32 = vms.entry(cgroup.directory.clone()).or_default();
            *count = count.saturating_add(1);
        }
        Self { vms }
    }

    pub(super) fn company(&self, membership: &Membership) -> Company {
        let vms = membership.cgroup().and_then(|cgroup| self.vms.get(&cgroup.directory));
        let vms = vms.copied().unwrap_or(0);
        Company { vms, alone: membership.apart && vms == 1 }
    }
}
