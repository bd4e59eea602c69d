//! Decides which of several processes with the same identity is the VM: by what the kernel shows of
//! them, never by what they claim. Pure.
//!
//! A starter (`-daemonize`) waits for the process that it forked, with the same command line. A
//! copy, or somebody's program, may name a UUID or a name that isn't its own.

use std::collections::{BTreeMap, HashMap};

use uuid::Uuid;

use super::standing::{Standing, Worth};
use crate::vmm::judge::Description;
use crate::vmm::qemu::QemuCommand;
use memtrace_core::sample::VmId;

/// What counts of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Claimant<'a> {
    pub(super) pid: u32,
    pub(super) start: u64,
    pub(super) parent: u32,
    /// It is in a session whose leader has ended, as a daemon is.
    pub(super) detached: bool,
    pub(super) standing: Standing,
    /// It was taken for the owner of its UUID before.
    pub(super) held: bool,
    pub(super) description: &'a Description,
}

/// What is made of a claimant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) id: VmId,
    /// `None`: it has none, or it is another VM's.
    pub(super) uuid: Option<Uuid>,
    /// Its name is another VM's.
    pub(super) renamed: bool,
}

impl Claimant<'_> {
    /// Whose it is precedes what it holds: anybody who may open /dev/kvm holds a guest.
    fn rank(&self) -> Worth {
        self.standing.worth(self.description)
    }

    /// Whether `other`, of the same configuration, runs the guest that this one waits for.
    fn waits_for(&self, others_guest: bool, other: (u64, u32)) -> bool {
        others_guest || (!self.detached && (self.start, self.pid) < other)
    }
}

/// Candidates for the process that a starter waits for, as an index, because any user may have
/// thousands of processes.
#[derive(Debug, Default)]
pub(super) struct Runners<'a> {
    /// Of daemons by their configuration: whether one holds a guest, and the newest.
    daemons: HashMap<&'a QemuCommand, (bool, (u64, u32))>,
    children: HashMap<u32, Vec<Claimant<'a>>>,
}

impl<'a> Runners<'a> {
    pub(super) fn of(all: &[Claimant<'a>]) -> Self {
        let mut runners = Self::default();
        for one in all {
            let Some(qemu) = &one.description.qemu else { continue };
            runners.children.entry(one.parent).or_default().push(one.clone());
            if qemu.daemonize {
                let (guest, newest) = runners.daemons.entry(qemu).or_default();
                *guest |= one.description.kvm;
                *newest = (*newest).max((one.start, one.pid));
            }
        }
        runners
    }

    /// Whether `one` is a process that waits for another, or has not forked it yet.
    pub(super) fn has_starter(&self, one: &Claimant<'_>, young: bool) -> bool {
        let Some(qemu) = one.description.qemu.as_ref().filter(|_| !one.description.kvm) else {
            return false;
        };
        if qemu.daemonize {
            let waits = |&(guest, newest): &_| one.waits_for(guest, newest);
            return (young && !one.detached) || self.daemons.get(qemu).is_some_and(waits);
        }
        let is_its_guest = |other: &Claimant<'_>| {
            other.description.qemu.as_ref() == Some(qemu)
                && one.waits_for(other.description.kvm, (other.start, other.pid))
        };
        self.children.get(&one.pid).is_some_and(|children| children.iter().any(is_its_guest))
    }
}

/// The verdicts on all claimants, in their order, and what the operator should know.
pub(super) fn judge(all: &[Claimant<'_>]) -> (Vec<Identity>, Vec<String>) {
    let (mut notices, mut verdicts) = (Vec::new(), Vec::new());
    let owners = owners(all);
    let names = best_of_names(all);
    for one in all {
        let process = VmId::Process { pid: one.pid, start: one.start };
        let owner = one.description.uuid.and_then(|uuid| owners.get(&uuid).copied());
        let loses = owner.filter(|owner| owner.pid != one.pid);
        let outranked = loses.is_some_and(|owner| owner.rank() < one.rank());
        if let Some(owner) = loses {
            notices.push(disputed(one, owner));
        }
        let best = names.get(one.description.name.as_str()).filter(|_| is_named(one));
        let better = best.filter(|best| best.rank() < one.rank());
        if let Some(best) = better {
            notices.push(renamed(one, best));
        }
        verdicts.push(Identity {
            id: match (one.description.uuid, loses) {
                (Some(uuid), None) => VmId::Uuid(uuid),
                _ => process,
            },
            uuid: one.description.uuid.filter(|_| !outranked),
            renamed: better.is_some(),
        });
    }
    (verdicts, notices)
}

/// The owner of each UUID.
fn owners<'a, 'b>(all: &'b [Claimant<'a>]) -> BTreeMap<Uuid, &'b Claimant<'a>> {
    let mut owners: BTreeMap<Uuid, &Claimant<'_>> = BTreeMap::new();
    for one in all {
        let Some(uuid) = one.description.uuid else { continue };
        let order = |one: &Claimant<'_>| (one.rank(), !one.held, one.start, one.pid);
        let owner = owners.entry(uuid).or_insert(one);
        if order(one) < order(owner) {
            *owner = one;
        }
    }
    owners
}

/// Of each name that was given, who ranks best.
fn best_of_names<'a, 'b>(all: &'b [Claimant<'a>]) -> BTreeMap<&'a str, &'b Claimant<'a>> {
    let mut best: BTreeMap<&str, &Claimant<'_>> = BTreeMap::new();
    for one in all.iter().filter(|one| is_named(one)) {
        let known = best.entry(one.description.name.as_str()).or_insert(one);
        if one.rank() < known.rank() {
            *known = one;
        }
    }
    best
}

fn is_named(one: &Claimant<'_>) -> bool {
    one.description.qemu.as_ref().is_some_and(|qemu| qemu.name.is_some())
}

fn disputed(one: &Claimant<'_>, owner: &Claimant<'_>) -> String {
    let uuid = one.description.uuid.unwrap_or_default();
    format!(
        "processes {} and {} both have the UUID {uuid}: {} is taken for that VM, {}, and the other \
         for one without UUID",
        owner.pid,
        one.pid,
        owner.pid,
        because(one, owner)
    )
}

fn renamed(one: &Claimant<'_>, best: &Claimant<'_>) -> String {
    format!(
        "process {} has the name {:?} of another VM, process {}, {}: it is shown as {}",
        one.pid,
        one.description.name,
        best.pid,
        because(one, best),
        own_name(&one.description.vmm, one.pid)
    )
}

/// Why `best` goes before `one`.
fn because(one: &Claimant<'_>, best: &Claimant<'_>) -> &'static str {
    let (high, low) = (best.standing, one.standing);
    if high < low && high == Standing::Managed {
        "as its manager has put it into a cgroup of its VMs, or has its pid"
    } else if high < low && low.is_in_session() && !high.is_in_session() {
        "as the other runs in a user's session"
    } else if high < low {
        "as the other is neither root's nor a service's"
    } else if best.description.kvm && !one.description.kvm {
        "as it alone holds a guest of KVM"
    } else {
        "as it was there first"
    }
}

/// The name of a process that has none of its own.
pub(in crate::vmm) fn own_name(vmm: &str, pid: u32) -> String {
    format!("{vmm}-{pid}")
}
