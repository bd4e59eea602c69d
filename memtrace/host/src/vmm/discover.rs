//! Finding the processes that are VMs, cheaply: a host has a thousand processes and a
//! handful of VMs, and looking through the descriptors of all of them each second would
//! cost more than everything else that memtrace does.
//!
//! So results are cached by (pid, start time, command): a process that execs has a new command
//! and is inspected again. Processes with the name of a VMM that are no VM yet are inspected in
//! each scan, also young processes; old ones at intervals.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::sync::Arc;

use super::judge::{Description, Judged, Judgement, judge};
use crate::hostfs::HostRoot;
use crate::hostfs::process::{self, ProcessStat};
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
    pub description: Description,
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
    vms: BTreeMap<u32, Arc<FoundVm>>,
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
        self.vms.retain(|pid, _| self.entries.contains_key(pid));
        Ok(())
    }

    /// Inspects one process at once, ignoring the previous result.
    pub fn look_at(&mut self, root: &HostRoot, pid: u32, now: Nanos) -> Sighting {
        self.budget = self.budget.max(1);
        if !self.vms.contains_key(&pid) {
            self.entries.remove(&pid);
        }
        self.check(root, pid, now, false);
        self.entries.get(&pid).map_or(Sighting::No, |entry| entry.sighting)
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
        self.vms.remove(&pid);
        self.included.remove(&pid);
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
        if stat.exiting && self.vms.get(&pid).is_some_and(|vm| vm.start == stat.start) {
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
        let sighting = self.conclude(pid, &stat, judgement, now, first_seen);
        let settled = self.vms.get(&pid).is_none_or(|vm| vm.description.accelerator.is_some());
        self.entries.insert(
            pid,
            Entry {
                start: stat.start,
                comm: stat.comm,
                sighting,
                blind,
                first_seen,
                young_until,
                next_check: match sighting {
                    Sighting::No => next_check(now, pid, young),
                    Sighting::Vm if settled => Nanos(u64::MAX),
                    Sighting::NotYet | Sighting::Vm => now,
                },
                next_descriptors: if young { now } else { later(now, pid, DESCRIPTORS_SECONDS) },
                scan: self.scans,
            },
        );
    }

    fn conclude(
        &mut self,
        pid: u32,
        stat: &ProcessStat,
        judgement: Judgement,
        now: Nanos,
        first_seen: Nanos,
    ) -> Sighting {
        let mut description = match judgement {
            Judgement::Vm(description) => description,
            _ if self.included.contains(&pid) => Box::new(Description::of_process(pid, stat)),
            Judgement::NotYet => {
                self.vms.remove(&pid);
                return Sighting::NotYet;
            }
            Judgement::No => {
                self.vms.remove(&pid);
                return Sighting::No;
            }
        };
        if self.is_fork_of_a_vm(stat.parent, &description) {
            return Sighting::NotYet;
        }
        if now.saturating_sub(first_seen) > SETTLED {
            let falls_back = description.qemu.is_some();
            description.accelerator =
                description.accelerator.or(falls_back.then_some(Accelerator::Tcg));
        }
        let id = match self.vms.get(&pid) {
            Some(known) if known.start == stat.start => known.id,
            _ => self.new_id(pid, stat.start, &description),
        };
        let found = FoundVm { id, pid, start: stat.start, description: *description };
        self.vms.insert(pid, Arc::new(found));
        Sighting::Vm
    }

    /// A VMM that forks to run a script, or to isolate a device, exists twice for a moment, or as
    /// long as the child runs.
    fn is_fork_of_a_vm(&self, parent: u32, description: &Description) -> bool {
        self.vms.get(&parent).is_some_and(|vm| {
            vm.description.program == description.program
                && vm.description.uuid == description.uuid
                && vm.description.qemu == description.qemu
        })
    }

    /// The first one to have a UUID keeps it; a copy that runs beside it is its process.
    fn new_id(&self, pid: u32, start: u64, description: &Description) -> VmId {
        let process = VmId::Process { pid, start };
        let id = description.uuid.map_or(process, VmId::Uuid);
        let taken = self.vms.values().any(|vm| vm.id == id && vm.pid != pid);
        if taken { process } else { id }
    }
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
