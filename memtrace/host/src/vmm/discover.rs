//! Finding the processes that are VMs, cheaply: a host has a thousand processes and a
//! handful of VMs, and looking through the descriptors of all of them each second would
//! cost more than everything else that memtrace does.
//!
//! So results are cached by (pid, start time, command): a process that execs has a new command
//! and is inspected again. Processes with the name of a VMM that are no VM yet are inspected in
//! each scan, also young processes; old ones at intervals.

mod claims;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::sync::Arc;

use uuid::Uuid;

use self::claims::{Claimant, Verdict};
use super::judge::{Description, Judged, Judgement, judge};
use super::qemu::QemuCommand;
use crate::hostfs::process::{self, ProcessStat};
use crate::hostfs::{HostRoot, read};
use memtrace_core::sample::{Accelerator, VmId};
use memtrace_core::units::Nanos;

/// Age up to which a process counts as young.
const YOUNG: Nanos = Nanos(5_000_000_000);
/// Interval of checks of old processes for an exec or a reused pid; spread by pid.
const RECHECK_SECONDS: u64 = 5;
/// Interval of scans of their descriptors; spread by pid.
const DESCRIPTORS_SECONDS: u64 = 60;
/// Most processes with unknown names whose descriptors are looked through in one scan.
const DESCRIPTORS_BUDGET: u32 = 256;
/// A QEMU that may use KVM and doesn't hold a guest after this long uses TCG.
const SETTLED: Nanos = Nanos(10_000_000_000);

/// A VM's process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundVm {
    pub id: VmId,
    pub pid: u32,
    /// Clock ticks after boot.
    pub start: u64,
    /// `None`: it has none, or says one that is another VM's.
    pub uuid: Option<Uuid>,
    /// As it says itself.
    pub description: Description,
}

/// A process that may be a VM, before it is known which of several it is.
#[derive(Clone, Debug)]
struct Suspect {
    start: u64,
    parent: u32,
    group: u32,
    session: u32,
    of_user: bool,
    young_until: Nanos,
    description: Description,
}

/// The result of inspecting a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sighting {
    Vm,
    /// May become one; it is looked at in each scan.
    NotYet,
    No,
}

#[derive(Debug, Default)]
pub struct Discovery {
    entries: HashMap<u32, Entry>,
    suspects: BTreeMap<u32, Suspect>,
    /// Those that are VMs.
    vms: BTreeMap<u32, Arc<FoundVm>>,
    /// Which processes say the same.
    disputes: Vec<String>,
    /// The suspects are others than when it was last decided which are VMs.
    changed: bool,
    scans: u64,
    /// Left of [`DESCRIPTORS_BUDGET`] in this scan.
    budget: u32,
    /// Processes that are VMs by request.
    included: BTreeSet<u32>,
}

#[derive(Debug)]
struct Entry {
    start: u64,
    comm: String,
    sighting: Sighting,
    /// Judged without seeing its descriptors.
    blind: bool,
    first_seen: Nanos,
    young_until: Nanos,
    next_check: Nanos,
    next_descriptors: Nanos,
    /// The last scan that saw it.
    scan: u64,
}

impl Discovery {
    /// Looks for new VMs. `now` is the monotonic clock.
    ///
    /// # Errors
    /// When /proc can't be listed; the previous result stays.
    pub fn scan(&mut self, root: &HostRoot, now: Nanos) -> io::Result<()> {
        let pids = process::ids(root)?;
        let first = self.scans == 0;
        self.scans = self.scans.wrapping_add(1);
        self.budget = if first { u32::MAX } else { DESCRIPTORS_BUDGET };
        for pid in pids {
            let due = match self.entries.get_mut(&pid) {
                None => true,
                Some(entry) => {
                    entry.scan = self.scans;
                    now >= entry.next_check
                }
            };
            if due {
                self.check(root, pid, now, first);
            }
        }
        let scan = self.scans;
        self.entries.retain(|_, entry| entry.scan == scan);
        let before = self.suspects.len();
        self.suspects.retain(|pid, _| self.entries.contains_key(pid));
        self.changed |= self.suspects.len() != before;
        self.arrange(now);
        Ok(())
    }

    /// Inspects one process at once, ignoring the previous result.
    pub fn look_at(&mut self, root: &HostRoot, pid: u32, now: Nanos) -> Sighting {
        self.budget = self.budget.max(1);
        if !self.vms.contains_key(&pid) {
            self.entries.remove(&pid);
        }
        self.check(root, pid, now, false);
        self.arrange(now);
        let sighting = self.entries.get(&pid).map_or(Sighting::No, |entry| entry.sighting);
        // The starter of a VM.
        let hidden = sighting == Sighting::Vm && !self.vms.contains_key(&pid);
        if hidden { Sighting::NotYet } else { sighting }
    }

    /// Whether `pid` is still the VM that it was found as. `stat` is its present state. Forgets
    /// it otherwise; a process that execs is inspected again in the next scan.
    pub fn confirm(&mut self, pid: u32, stat: Option<&ProcessStat>) -> bool {
        let found = self.vms.get(&pid).map(|vm| vm.start);
        let Some(stat) = stat.filter(|stat| found == Some(stat.start) && !stat.is_zombie()) else {
            self.forget(pid);
            return false;
        };
        // An exiting process no longer looks like a VM, and is kept until it is gone.
        if let Some(entry) = self.entries.get_mut(&pid)
            && entry.comm != stat.comm
            && !stat.exiting
        {
            entry.next_check = Nanos(0);
        }
        true
    }

    /// Treats process `pid` as a VM unconditionally, as long as it lives.
    pub fn include(&mut self, pid: u32) {
        self.included.insert(pid);
        self.entries.remove(&pid);
    }

    /// The process is gone.
    pub fn forget(&mut self, pid: u32) {
        self.entries.remove(&pid);
        self.changed |= self.suspects.remove(&pid).is_some();
        self.vms.remove(&pid);
        self.included.remove(&pid);
    }

    /// For the operator: which processes say to be the same VM, and which was believed.
    pub fn disputes(&self) -> &[String] {
        &self.disputes
    }

    /// By process id.
    pub fn vms(&self) -> impl Iterator<Item = &Arc<FoundVm>> {
        self.vms.values()
    }

    /// Number of processes whose descriptors memtrace may not see.
    pub fn blind(&self) -> usize {
        self.entries.values().filter(|entry| entry.blind).count()
    }

    fn check(&mut self, root: &HostRoot, pid: u32, now: Nanos, first: bool) {
        let Ok(stat) = process::stat(root, pid) else {
            self.forget(pid);
            return;
        };
        if stat.exiting && self.suspects.get(&pid).is_some_and(|vm| vm.start == stat.start) {
            return;
        }
        let known = self.entries.get(&pid).filter(|entry| entry.start == stat.start);
        let (first_seen, young_until) = match known {
            Some(entry) => (entry.first_seen, entry.young_until),
            // Processes that run already when memtrace starts aren't young.
            None if first => (now, now),
            None => (now, Nanos(now.0.saturating_add(YOUNG.0))),
        };
        let young = now < young_until;
        if let Some(entry) = known
            && entry.comm == stat.comm
            && entry.sighting == Sighting::No
            && (now < entry.next_descriptors || self.budget == 0)
        {
            let next_check = next_check(now, pid, young);
            if let Some(entry) = self.entries.get_mut(&pid) {
                entry.next_check = next_check;
            }
            return;
        }
        self.budget = self.budget.saturating_sub(1);
        let Ok(Judged { judgement, blind }) = judge(root, pid, &stat) else {
            self.forget(pid);
            return;
        };
        let settles = !blind && now.saturating_sub(first_seen) > SETTLED;
        let sighting = self.conclude(root, pid, &stat, judgement, settles, young_until);
        let next_check = match sighting {
            Sighting::No => next_check(now, pid, young),
            Sighting::Vm => self.next_look(pid, now, now.saturating_sub(first_seen) > SETTLED),
            Sighting::NotYet => now,
        };
        self.entries.insert(
            pid,
            Entry {
                start: stat.start,
                comm: stat.comm,
                sighting,
                blind,
                first_seen,
                young_until,
                next_check,
                next_descriptors: if young { now } else { later(now, pid, DESCRIPTORS_SECONDS) },
                scan: self.scans,
            },
        );
    }

    /// When a VM's process is looked at again: never, once all is known that doesn't change.
    fn next_look(&self, pid: u32, now: Nanos, settled: bool) -> Nanos {
        let Some(suspect) = self.suspects.get(&pid) else { return now };
        let description = &suspect.description;
        let read = description.qemu.as_ref().is_none_or(|qemu| qemu.unread.is_none());
        // Without a word on its command line it is emulated as far as can be seen, for now.
        let emulated = |qemu: &QemuCommand| qemu.accelerator() == Some(Accelerator::Tcg);
        let sure = description.kvm || description.qemu.as_ref().is_none_or(emulated);
        match (sure && read, settled) {
            (true, _) => Nanos(u64::MAX),
            (false, true) => later(now, pid, DESCRIPTORS_SECONDS),
            (false, false) => now,
        }
    }

    fn conclude(
        &mut self,
        root: &HostRoot,
        pid: u32,
        stat: &ProcessStat,
        judgement: Judgement,
        settles: bool,
        young_until: Nanos,
    ) -> Sighting {
        let mut description = match judgement {
            Judgement::Vm(description) => *description,
            _ if self.included.contains(&pid) => Description::of_process(pid, stat),
            Judgement::NotYet => {
                self.changed |= self.suspects.remove(&pid).is_some();
                return Sighting::NotYet;
            }
            Judgement::No => {
                self.changed |= self.suspects.remove(&pid).is_some();
                return Sighting::No;
            }
        };
        if self.is_fork_of_a_vm(stat.parent, &description) {
            return Sighting::NotYet;
        }
        if settles && description.qemu.as_ref().is_some_and(QemuCommand::may_emulate) {
            description.accelerator = description.accelerator.or(Some(Accelerator::Tcg));
        }
        let suspect = Suspect {
            start: stat.start,
            parent: stat.parent,
            group: stat.group,
            session: stat.session,
            of_user: is_of_user(root, pid),
            young_until,
            description,
        };
        self.suspects.insert(pid, suspect);
        self.changed = true;
        Sighting::Vm
    }

    /// A VMM that forks to run a script, or to isolate a device, exists twice for a moment, or as
    /// long as the child runs.
    fn is_fork_of_a_vm(&self, parent: u32, description: &Description) -> bool {
        self.suspects.get(&parent).map(|parent| &parent.description).is_some_and(|parent| {
            parent.program == description.program
                && parent.uuid == description.uuid
                && parent.qemu == description.qemu
                && (parent.kvm || !description.kvm)
        })
    }

    /// Decides which of the suspects are VMs, and which VM each is.
    fn arrange(&mut self, now: Nanos) {
        let is_young = |pid: u32| self.suspects.get(&pid).is_some_and(|one| now < one.young_until);
        // What a young one is may become clear without a change in it.
        let young = self.suspects.keys().any(|&pid| is_young(pid));
        if !(std::mem::replace(&mut self.changed, young)) {
            return;
        }
        let all: Vec<Claimant<'_>> =
            self.suspects.iter().map(|(&pid, suspect)| self.claimant(pid, suspect)).collect();
        let (_, claimants): (Vec<_>, Vec<_>) =
            all.iter().cloned().partition(|one| one.is_starter(&all, is_young(one.pid)));
        let (verdicts, disputes) = claims::judge(&claimants);
        let found = claimants.iter().zip(verdicts).map(|(one, verdict)| self.found(one, verdict));
        self.vms = found.map(|vm| (vm.pid, vm)).collect();
        self.disputes = disputes;
    }

    fn claimant<'a>(&self, pid: u32, suspect: &'a Suspect) -> Claimant<'a> {
        let Suspect { start, parent, group, session, of_user, ref description, .. } = *suspect;
        let detached = session == group && session != pid && !self.entries.contains_key(&session);
        let known = self.vms.get(&pid).filter(|vm| vm.start == start);
        let held = known.is_some_and(|vm| matches!(vm.id, VmId::Uuid(_)));
        Claimant { pid, start, parent, detached, of_user, held, description }
    }

    /// The same as before, as long as nothing of it has changed.
    fn found(&self, one: &Claimant<'_>, verdict: Verdict) -> Arc<FoundVm> {
        let Claimant { pid, start, description, .. } = *one;
        let name = verdict.renamed.then(|| claims::own_name(description, pid));
        let name = name.as_ref().unwrap_or(&description.name);
        let known = self.vms.get(&pid).filter(|vm| {
            let same = (vm.start, vm.id, vm.uuid) == (start, verdict.id, verdict.uuid);
            same && vm.description == Description { name: name.clone(), ..description.clone() }
        });
        known.cloned().unwrap_or_else(|| {
            let description = Description { name: name.clone(), ..description.clone() };
            Arc::new(FoundVm { id: verdict.id, pid, start, uuid: verdict.uuid, description })
        })
    }
}

/// Whether the process runs in the session of an ordinary user, which it can't leave by itself.
fn is_of_user(root: &HostRoot, pid: u32) -> bool {
    let cgroups = read::text(&root.process(pid).join("cgroup"), read::SMALL).unwrap_or_default();
    cgroups.lines().any(|line| line.contains(":/user.slice/"))
}

fn next_check(now: Nanos, pid: u32, young: bool) -> Nanos {
    if young { now } else { later(now, pid, RECHECK_SECONDS) }
}

/// `seconds` to twice that from now, so that not all are due in the same scan.
fn later(now: Nanos, pid: u32, seconds: u64) -> Nanos {
    let spread = u64::from(pid).checked_rem(seconds).unwrap_or(0);
    let wait = Nanos::SECOND.0.saturating_mul(seconds.saturating_add(spread));
    Nanos(now.0.saturating_add(wait))
}
