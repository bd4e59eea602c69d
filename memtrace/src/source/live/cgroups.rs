//! Which cgroup each VM is in, and whether it is there alone: only then do the kernel's
//! counters of that cgroup belong to it.

use std::collections::{BTreeMap, BTreeSet};

use super::KnownVm;
use crate::hostfs::cgroup::{self, MemoryCgroup};
use crate::hostfs::{HostRoot, process, read};
use crate::units::Nanos;

/// So often the processes of a cgroup are looked through, in nanoseconds.
const RECHECK: u64 = 10_000_000_000;
/// Most processes of a cgroup that are looked at; with more, the VM isn't alone.
const MOST_PROCESSES: usize = 16;
/// Commands of processes that belong to a VM and are put into its cgroup (by libvirt, or
/// whoever starts it). What they use is the VM's doing.
const COMPANIONS: &[&str] =
    &["passt", "qemu-pr-helper", "slirp4netns", "swtpm", "vhost-user-gpu", "virtiofsd"];

/// The cgroup of one VM.
#[derive(Debug, Default)]
pub(super) struct Membership {
    /// /proc/PID/cgroup as it was when the rest was found out.
    text: Option<String>,
    cgroup: Option<Result<MemoryCgroup, String>>,
    /// No process but the VM and its companions is in it.
    apart: bool,
    checked: Nanos,
}

impl Membership {
    pub(super) fn refresh(&mut self, root: &HostRoot, pid: u32, now: Nanos) {
        let text = read::text(&root.process(pid).join("cgroup"), read::SMALL).ok();
        let due = now.saturating_sub(self.checked).0 >= RECHECK;
        if self.cgroup.is_some() && self.text == text && !due {
            return;
        }
        let cgroup = cgroup::find(root, pid);
        self.apart = cgroup.as_ref().is_ok_and(|cgroup| is_apart(root, cgroup, pid));
        (self.text, self.cgroup, self.checked) = (text, Some(cgroup), now);
    }

    pub(super) fn cgroup(&self) -> Option<&MemoryCgroup> {
        self.cgroup.as_ref()?.as_ref().ok()
    }

    pub(super) fn problem(&self) -> Option<&str> {
        self.cgroup.as_ref()?.as_ref().err().map(String::as_str)
    }
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

/// Ids of the memory cgroups that are this VM's alone.
pub(super) fn alone(known: &BTreeMap<u32, KnownVm>, pid: u32) -> BTreeSet<u64> {
    if !is_alone(known, pid) {
        return BTreeSet::new();
    }
    let cgroup = known.get(&pid).and_then(|vm| vm.membership.cgroup());
    cgroup.and_then(|cgroup| cgroup.id).into_iter().collect()
}

/// Whether the VM and its companions have their cgroup to themselves.
pub(super) fn is_alone(known: &BTreeMap<u32, KnownVm>, pid: u32) -> bool {
    known.get(&pid).is_some_and(|vm| {
        let cgroup = vm.membership.cgroup();
        vm.membership.apart && cgroup.is_some_and(|cgroup| sharing(known, cgroup) == 1)
    })
}

/// Number of known VMs in `cgroup`.
pub(super) fn sharing(known: &BTreeMap<u32, KnownVm>, cgroup: &MemoryCgroup) -> u32 {
    let same = |vm: &&KnownVm| {
        vm.membership.cgroup().is_some_and(|other| other.directory == cgroup.directory)
    };
    u32::try_from(known.values().filter(same).count()).unwrap_or(u32::MAX)
}
