//! Looking at processes: as far as a scan's budget goes, a user's after another's.

use std::io;
use std::time::{Duration, Instant};

use super::Discovery;
use super::crowds::VmKind;
use super::entry::{DescriptorScan, InspectedProcess, Origin, ProcessEntry, Sighting, Suspect};
use super::standing::Standing;
use super::turns::{LOOK, READING, TAKING_UP, User};
use crate::clock::later;
use crate::hostfs::process::fds::{Descriptors, KvmFds};
use crate::hostfs::process::{self, ProcessStat};
use crate::hostfs::{HostRoot, read};
use crate::vmm::judge::{Description, Judged, Judgement, is_none, judge};
use crate::vmm::qemu::QemuCommand;
use memtrace_core::sample::Accelerator;
use memtrace_core::units::Nanos;

/// Age up to which a process counts as young.
const YOUNG: Nanos = Nanos(5_000_000_000);
/// Interval of checks of old processes for an exec or a reused pid; spread by pid.
const RECHECK_SECONDS: u64 = 5;
/// Interval of scans of their descriptors; spread by pid.
const DESCRIPTORS_SECONDS: u64 = 60;
/// Most new processes that a scan takes up.
const MOST_ARRIVALS: usize = 2048;
/// Most processes whose descriptors are looked through in part; each holds one of ours.
const MOST_PAUSED: usize = 64;

impl Discovery {
    /// Takes up new processes, as many as a scan may, beginning after those of the last one. Half
    /// of the time is for looking at them.
    pub(super) fn take_up(&mut self, root: &HostRoot, mut pids: Vec<u32>, now: Nanos, first: bool) {
        pids.sort_unstable();
        let after = pids.partition_point(|&pid| pid <= self.arrived);
        pids.rotate_left(after);
        let most = if first { usize::MAX } else { MOST_ARRIVALS };
        let (begun, patience) = (Instant::now(), self.allowance.half_the_time());
        let mut work = 0_u32;
        self.untaken = pids.len() as u64;
        for pid in pids.into_iter().take(most) {
            if work > 0 && begun.elapsed() >= patience {
                break;
            }
            self.arrived = pid;
            self.untaken = self.untaken.saturating_sub(1);
            let user = process::account(root, pid);
            work = work.saturating_add(TAKING_UP);
            self.enter(pid, user, now);
            self.turns.add(user, pid);
        }
        // Looks have the other half, however long these took.
        self.allowance.spend(work, begun.elapsed().min(patience));
        self.work = self.work.saturating_add(u64::from(work));
    }

    pub(super) fn enter(&mut self, pid: u32, user: User, now: Nanos) {
        let old = self.earlier.remove(&pid);
        let young = if old { Nanos(0) } else { YOUNG };
        let young_until = Nanos(now.0.saturating_add(young.0));
        let entry =
            ProcessEntry { user, first_seen: now, young_until, scan: self.scans, seen: None };
        self.entries.insert(pid, entry);
    }

    /// Looks at those that are due, as far as the allowance goes.
    pub(super) fn take_turns(&mut self, root: &HostRoot, now: Nanos) {
        while self.allowance.left() > 0
            && let Some(user) = self.turns.user()
        {
            let begun = Instant::now();
            let share = self.turn.min(self.allowance.left());
            let (mut work, mut time) = (0, Duration::ZERO);
            // One look may take long: the process' files may be on any file system.
            while work < share
                && !self.allowance.is_over(time)
                && let Some(pid) = self.turns.process(user)
            {
                work = work.saturating_add(self.look(root, pid, now, share.saturating_sub(work)));
                time = begun.elapsed();
            }
            self.allowance.spend(work, time);
            self.work = self.work.saturating_add(u64::from(work));
        }
    }

    /// Looks at one process, with `most` descriptors of it at most: the rest at its user's next
    /// turn. Returns the work that it was.
    pub(super) fn look(&mut self, root: &HostRoot, pid: u32, now: Nanos, most: u32) -> u32 {
        let Ok(stat) = process::stat(root, pid) else {
            self.forget(pid);
            return READING;
        };
        if stat.exiting && self.suspects.get(&pid).is_some_and(|vm| vm.start == stat.start) {
            return READING;
        }
        self.know(root, pid, &stat, now);
        if self.is_as_before(pid, &stat, now) {
            return READING;
        }
        let (kvm, work) = match self.descriptors(root, pid, &stat, most) {
            DescriptorScan::All(kvm, work) => (kvm, work),
            DescriptorScan::Part(work) => return work,
            DescriptorScan::Gone => {
                self.forget(pid);
                return LOOK;
            }
        };
        self.conclude(root, pid, stat, kvm, now);
        work.saturating_add(LOOK)
    }

    /// Makes the entry that of this process, and not that of one with the same id before it. What
    /// root starts for a user becomes that user's before it runs the user's program, which may have
    /// the same name: that is noticed when its descriptors are due.
    fn know(&mut self, root: &HostRoot, pid: u32, stat: &ProcessStat, now: Nanos) {
        let is_begun = self.paused.get(&pid).is_some_and(|(start, _)| *start == stat.start);
        let known = self.entries.get_mut(&pid);
        match known.map(|entry| (entry.seen.as_ref(), &mut entry.user)) {
            Some((Some(seen), user)) if seen.start == stat.start => {
                let is_due = *user == Some(0) && now >= seen.next_descriptors;
                if seen.comm != stat.comm || is_due {
                    *user = process::account(root, pid);
                }
            }
            Some((None, _)) if is_begun => {}
            // It may be another process than the one that was entered.
            Some((None, user)) => *user = process::account(root, pid),
            _ => self.enter(pid, process::account(root, pid), now),
        }
    }

    /// Whether it was no VM, and nothing suggests another look at its descriptors.
    fn is_as_before(&mut self, pid: u32, stat: &ProcessStat, now: Nanos) -> bool {
        let Some(entry) = self.entries.get_mut(&pid) else { return false };
        let young = entry.is_young(now);
        let Some(seen) = entry.seen.as_mut() else { return false };
        let same = seen.comm == stat.comm && seen.sighting == Sighting::No;
        let same = same && now < seen.next_descriptors;
        if same {
            seen.next_check = next_check(now, pid, young);
        }
        same
    }

    fn descriptors(
        &mut self,
        root: &HostRoot,
        pid: u32,
        stat: &ProcessStat,
        most: u32,
    ) -> DescriptorScan {
        if is_none(stat) {
            return DescriptorScan::All(None, 0);
        }
        let paused = self.paused.remove(&pid).filter(|(start, _)| *start == stat.start);
        let begun = paused.map_or_else(|| Descriptors::begin(root, pid), |(_, paused)| Ok(paused));
        let mut descriptors = match begun {
            Ok(descriptors) => descriptors,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return DescriptorScan::Gone,
            Err(_) => return DescriptorScan::All(None, 0),
        };
        let (work, all) = descriptors.advance(most);
        // With too many, what was seen so far has to do.
        if all || self.paused.len() >= MOST_PAUSED {
            return DescriptorScan::All(Some(descriptors.found()), work);
        }
        self.paused.insert(pid, (stat.start, descriptors));
        let user = self.entries.get(&pid).and_then(|entry| entry.user);
        self.turns.add_first(user, pid);
        DescriptorScan::Part(work)
    }

    /// Notes what a process is, and when to look again.
    fn conclude(
        &mut self,
        root: &HostRoot,
        pid: u32,
        stat: ProcessStat,
        kvm: Option<KvmFds>,
        now: Nanos,
    ) {
        let user = self.user(pid);
        let Ok(Judged { judgement, blind }) = judge(root, pid, user, &stat, kvm) else {
            return self.unread(root, pid, stat, now);
        };
        let Some(entry) = self.entries.get(&pid) else { return self.forget(pid) };
        let (young, settled) = (entry.is_young(now), entry.has_settled(now));
        let young_until = entry.young_until;
        let origin = Origin { user, young_until, settles: settled && !blind };
        let sighting = self.suspect(root, pid, &stat, judgement, origin);
        let next_check = match sighting {
            Sighting::Vm => self.next_look(pid, now, settled),
            Sighting::NotYet if !settled => now,
            Sighting::NotYet | Sighting::No => next_check(now, pid, young),
        };
        let next_descriptors = if young { now } else { later(now, pid, DESCRIPTORS_SECONDS) };
        let (start, comm) = (stat.start, stat.comm);
        let seen = InspectedProcess { start, comm, sighting, blind, next_check, next_descriptors };
        if let Some(entry) = self.entries.get_mut(&pid) {
            entry.seen = Some(seen);
        }
    }

    /// Its files weren't read: it is gone, or its command line doesn't come, which says nothing of
    /// what it is. What was known of it stays.
    fn unread(&mut self, root: &HostRoot, pid: u32, stat: ProcessStat, now: Nanos) {
        let entry = self.entries.get_mut(&pid).filter(|_| process::stat(root, pid).is_ok());
        let Some(entry) = entry else { return self.forget(pid) };
        let (start, comm, next_check) = (stat.start, stat.comm, later(now, pid, RECHECK_SECONDS));
        let sighting = entry.seen.as_ref().map_or(Sighting::NotYet, |seen| seen.sighting);
        let next_descriptors = next_check;
        entry.seen = Some(InspectedProcess {
            start,
            comm,
            sighting,
            blind: true,
            next_check,
            next_descriptors,
        });
    }

    fn suspect(
        &mut self,
        root: &HostRoot,
        pid: u32,
        stat: &ProcessStat,
        judgement: Judgement,
        origin: Origin,
    ) -> Sighting {
        self.crowds.remove(pid);
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
        let cgroups = read::text(&root.process(pid).join("cgroup"), read::SMALL);
        let standing = Standing::of(root, pid, &description, &cgroups.unwrap_or_default());
        let kind = VmKind::of(standing, description.kvm);
        if self.crowds.is_one_too_many(&self.suspects, pid, origin.user, kind) {
            // It was another kind of VM before; the bound also holds after a change of kind.
            self.changed |= self.suspects.remove(&pid).is_some();
            return Sighting::No;
        }
        if origin.settles && description.qemu.as_ref().is_some_and(QemuCommand::may_emulate) {
            description.accelerator = description.accelerator.or(Some(Accelerator::Tcg));
        }
        let suspect = Suspect {
            start: stat.start,
            parent: stat.parent,
            group: stat.group,
            session: stat.session,
            user: origin.user,
            standing,
            young_until: origin.young_until,
            description,
        };
        self.suspects.insert(pid, suspect);
        self.changed = true;
        Sighting::Vm
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
}

fn next_check(now: Nanos, pid: u32, young: bool) -> Nanos {
    if young { now } else { later(now, pid, RECHECK_SECONDS) }
}
