//! Finding the processes that are VMs, cheaply: a host has a thousand processes and a
//! handful of VMs, and looking through the descriptors of all of them each second would
//! cost more than everything else that memtrace does.
//!
//! So results are cached by (pid, start time, command): a process that execs has a new command
//! and is inspected again. Processes with the name of a VMM that are no VM yet are inspected in
//! each scan, also young processes; old ones at intervals.
//!
//! Any user may run thousands of processes with thousands of descriptors each, so a scan has a
//! budget of work and time. The rest waits for the next scan, and users take turns.

mod claims;
mod crowds;
mod entry;
mod looking;
mod standing;
#[cfg(test)]
mod tests;
mod turns;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use uuid::Uuid;

pub(in crate::vmm) use self::claims::own_name;
use self::claims::{Claimant, Identity, Runners};
use self::crowds::Crowds;
pub use self::entry::Sighting;
use self::entry::{ProcessEntry, Suspect};
pub use self::standing::{Standing, Worth};
use self::turns::{Allowance, Shares, TURN, Turns, User};
use super::judge::Description;
use super::name;
use crate::hostfs::HostRoot;
use crate::hostfs::process::fds::Descriptors;
use crate::hostfs::process::{self, Vitals};
use memtrace_core::format::several;
use memtrace_core::sample::{Claims, VmId};
use memtrace_core::units::Nanos;

/// Most work and time for looking at processes in a second, and for those that events tell of.
/// On a host with a thousand processes a scan takes a hundredth of that.
const A_SECOND: (u32, Duration) = (16 * TURN, of_time(Duration::from_millis(50)));
/// The same in the first scan, which looks at all processes: commands that look once go by it.
const AT_FIRST: (u32, Duration) = (256 * TURN, of_time(Duration::from_secs(1)));
/// A listing of processes that takes less is made in each scan, and after others there is a pause
/// of so many times as long.
const SHORT_LISTING: Duration = Duration::from_millis(20);
const LISTING_PAUSE: u32 = 20;
/// Claims that can be decided on with as much work as a descriptor takes.
const CLAIMS_PER_WORK: u32 = 16;

/// A VM's process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundVm {
    pub id: VmId,
    pub pid: u32,
    /// The user to whom its process counts. `None`: not known.
    pub user: Option<u32>,
    /// Clock ticks after boot.
    pub start: u64,
    /// Whose it is.
    pub standing: Standing,
    /// What its hypervisor is asked by. `None`: it has none, or says one that is another VM's.
    pub uuid: Option<Uuid>,
    /// As it says itself.
    pub description: Description,
}

impl FoundVm {
    pub fn worth(&self) -> Worth {
        self.standing.worth(&self.description)
    }

    /// The UUID that it is known and configured by, which one VM has.
    pub fn identity(&self) -> Option<Uuid> {
        match self.id {
            VmId::Uuid(uuid) => Some(uuid),
            VmId::Process { .. } => None,
        }
    }

    /// What it says that is another VM's, where it is called `name`.
    pub fn claims(&self, name: &str) -> Claims {
        let identity = self.identity();
        let said = self.description.qemu.as_ref().and_then(|qemu| qemu.name.as_deref());
        Claims {
            uuid: self.description.uuid.filter(|&uuid| identity != Some(uuid)),
            name: said.map(name::display).filter(|said| said != name),
        }
    }
}

/// A limit of time. Tests have limits of work alone: a busy machine must not change what they find.
const fn of_time(limit: Duration) -> Duration {
    if cfg!(test) { Duration::from_secs(3600) } else { limit }
}

#[derive(Debug)]
pub struct Discovery {
    entries: HashMap<u32, ProcessEntry>,
    suspects: BTreeMap<u32, Suspect>,
    /// Those that are VMs.
    vms: BTreeMap<u32, Arc<FoundVm>>,
    /// Which processes say the same.
    disputes: Vec<String>,
    /// The suspects are others than when it was last decided which are VMs.
    changed: bool,
    scans: u64,
    /// Processes that are VMs by request.
    included: BTreeSet<u32>,
    /// Those that are due for a look.
    turns: Turns,
    /// Most work for one user at a time.
    turn: u32,
    /// The last process that was taken up as new, and how many were not in the last scan.
    arrived: u32,
    untaken: u64,
    /// Processes that the first scan found and did not take up: they ran before.
    earlier: BTreeSet<u32>,
    /// When processes are listed again.
    next_listing: Nanos,
    /// Those whose descriptors were looked through in part.
    paused: HashMap<u32, (u64, Descriptors)>,
    /// Of scans, and of looks that events ask for.
    allowance: Allowance,
    of_events: Allowance,
    shares: Shares,
    /// What all looks were so far.
    work: u64,
    crowds: Crowds,
}

impl Default for Discovery {
    fn default() -> Self {
        Self {
            entries: HashMap::new(),
            suspects: BTreeMap::new(),
            vms: BTreeMap::new(),
            disputes: Vec::new(),
            changed: false,
            scans: 0,
            included: BTreeSet::new(),
            turns: Turns::default(),
            turn: TURN,
            arrived: 0,
            untaken: 0,
            earlier: BTreeSet::new(),
            next_listing: Nanos(0),
            paused: HashMap::new(),
            allowance: Allowance::new(A_SECOND, AT_FIRST),
            of_events: Allowance::new(A_SECOND, A_SECOND),
            shares: Shares::default(),
            work: 0,
            crowds: Crowds::default(),
        }
    }
}

impl Discovery {
    /// Looks for new VMs. `now` is the monotonic clock.
    ///
    /// # Errors
    /// When /proc can't be listed; the previous result stays.
    pub fn scan(&mut self, root: &HostRoot, now: Nanos) -> io::Result<()> {
        self.allowance.refill(now);
        if now >= self.next_listing {
            let begun = Instant::now();
            let arrivals = self.list(root, now)?;
            let pause = pause(begun.elapsed(), of_time(SHORT_LISTING));
            self.next_listing = Nanos(now.0.saturating_add(pause.0));
            if self.scans == 1 {
                self.earlier = arrivals.iter().copied().collect();
            }
            self.take_up(root, arrivals, now, self.scans == 1);
        }
        self.take_turns(root, now);
        self.arrange(now);
        Ok(())
    }

    /// Finds out which processes there are, and which are due for a look. Returns the new ones.
    fn list(&mut self, root: &HostRoot, now: Nanos) -> io::Result<Vec<u32>> {
        let pids = process::ids(root)?;
        self.scans = self.scans.wrapping_add(1);
        let mut arrivals = Vec::new();
        for pid in pids {
            match self.entries.get_mut(&pid) {
                None => arrivals.push(pid),
                Some(entry) => {
                    entry.scan = self.scans;
                    if entry.is_due(now) {
                        self.turns.add(entry.user, pid);
                    }
                }
            }
        }
        self.drop_gone();
        if !self.earlier.is_empty() {
            let listed: BTreeSet<u32> = arrivals.iter().copied().collect();
            self.earlier.retain(|pid| listed.contains(pid));
        }
        Ok(arrivals)
    }

    /// Inspects one process at once, ignoring the previous result, as far as its user's share of
    /// such looks goes. Otherwise it is the next one of its user's in the next scan, and what it
    /// was.
    pub fn look_at(&mut self, root: &HostRoot, pid: u32, now: Nanos) -> Sighting {
        let user = process::account(root, pid);
        let known = self.vms.contains_key(&pid) && self.entries.contains_key(&pid);
        if !known {
            self.enter(pid, user, now);
        }
        self.of_events.refill(now);
        let most = self.shares.left(user, self.turn, now);
        if self.of_events.left() == 0 || most == 0 {
            self.turns.add_first(user, pid);
            return if known { Sighting::Vm } else { Sighting::NotYet };
        }
        let begun = Instant::now();
        let work = self.look(root, pid, now, most);
        self.arrange(now);
        let work = work.saturating_add(self.suspects.len() as u32 / CLAIMS_PER_WORK);
        self.of_events.spend(work, begun.elapsed());
        self.shares.spend(user, work);
        self.work = self.work.saturating_add(u64::from(work));
        match self.sighting(pid) {
            // The starter of a VM.
            Some(Sighting::Vm) if !self.vms.contains_key(&pid) => Sighting::NotYet,
            Some(sighting) => sighting,
            None if self.entries.contains_key(&pid) => Sighting::NotYet,
            None => Sighting::No,
        }
    }

    fn sighting(&self, pid: u32) -> Option<Sighting> {
        Some(self.entries.get(&pid)?.seen.as_ref()?.sighting)
    }

    /// Forgets processes that weren't seen in this scan.
    fn drop_gone(&mut self) {
        let scan = self.scans;
        self.entries.retain(|_, entry| entry.scan == scan);
        self.paused.retain(|pid, _| self.entries.contains_key(pid));
        let before = self.suspects.len();
        self.suspects.retain(|pid, _| self.entries.contains_key(pid));
        self.changed |= self.suspects.len() != before;
        self.crowds.retain(|pid| self.entries.contains_key(&pid));
    }

    /// Whether `pid` is still the VM that it was found as. `now` is its present state. Forgets
    /// it otherwise; a process that execs is inspected again in the next scan.
    pub fn confirm(&mut self, pid: u32, now: Option<&Vitals>) -> bool {
        let found = self.vms.get(&pid).map(|vm| vm.start);
        let Some(now) = now.filter(|now| found == Some(now.start) && !now.ended) else {
            self.forget(pid);
            return false;
        };
        // An exiting process no longer looks like a VM, and is kept until it is gone.
        if let Some(seen) = self.entries.get_mut(&pid).and_then(|entry| entry.seen.as_mut())
            && seen.comm != now.comm
            && !now.exiting
        {
            seen.next_check = Nanos(0);
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
        self.earlier.remove(&pid);
        self.paused.remove(&pid);
        self.crowds.remove(pid);
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

    /// What looking has been so far: descriptors, and some for each process.
    pub fn work(&self) -> u64 {
        self.work
    }

    /// The user of a process. `None`: not known.
    pub fn user(&self, pid: u32) -> Option<u32> {
        self.entries.get(&pid)?.user
    }

    /// Number of processes whose descriptors memtrace may not see.
    pub fn blind(&self) -> usize {
        let seen = self.entries.values().filter_map(|entry| entry.seen.as_ref());
        seen.filter(|seen| seen.blind).count()
    }

    /// For the operator: what was not looked at yet or is not taken, and whose it is.
    pub fn omissions(&self) -> Vec<String> {
        let mut unseen = BTreeMap::<User, u64>::new();
        for entry in self.entries.values().filter(|entry| entry.seen.is_none()) {
            let count = unseen.entry(entry.user).or_default();
            *count = count.saturating_add(1);
        }
        let all = unseen.values().fold(self.untaken, |sum, &count| sum.saturating_add(count));
        let most = unseen.iter().max_by_key(|(_, count)| **count);
        let most = most.map(|(&user, count)| format!(", {count} of them of {}", whose(user)));
        let waiting = (all > 0).then(|| {
            format!(
                "{} not looked at yet{}: VMs among them are missing so far",
                several(all, "process"),
                most.unwrap_or_default()
            )
        });
        waiting.into_iter().chain(self.crowds.notices(whose)).collect()
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
        let runners = Runners::of(&all);
        let is_vm = |one: &&Claimant<'_>| !runners.has_starter(one, is_young(one.pid));
        let claimants: Vec<Claimant<'_>> = all.iter().filter(is_vm).cloned().collect();
        let (verdicts, disputes) = claims::judge(&claimants);
        let found = claimants.iter().zip(verdicts).map(|(one, verdict)| self.found(one, verdict));
        self.vms = found.map(|vm| (vm.pid, vm)).collect();
        self.disputes = disputes;
    }

    fn claimant<'a>(&self, pid: u32, suspect: &'a Suspect) -> Claimant<'a> {
        let Suspect { start, parent, group, session, standing, ref description, .. } = *suspect;
        let detached = session == group && session != pid && !self.entries.contains_key(&session);
        let known = self.vms.get(&pid).filter(|vm| vm.start == start);
        let held = known.is_some_and(|vm| matches!(vm.id, VmId::Uuid(_)));
        Claimant { pid, start, parent, detached, standing, held, description }
    }

    /// The same as before, as long as nothing of it has changed.
    fn found(&self, one: &Claimant<'_>, verdict: Identity) -> Arc<FoundVm> {
        let Claimant { pid, start, standing, description, .. } = *one;
        let name = verdict.renamed.then(|| own_name(&description.vmm, pid));
        let name = name.as_ref().unwrap_or(&description.name);
        let known = self.vms.get(&pid).filter(|vm| {
            let same = (vm.start, vm.id, vm.uuid) == (start, verdict.id, verdict.uuid);
            same && vm.standing == standing && vm.description.is_the_same_called(description, name)
        });
        known.cloned().unwrap_or_else(|| {
            let description = Description { name: name.clone(), ..description.clone() };
            let Identity { id, uuid, .. } = verdict;
            let user = self.user(pid);
            Arc::new(FoundVm { id, pid, user, start, standing, uuid, description })
        })
    }
}

/// The pause after a listing of that duration. Any user may have 100,000 processes, whose listing
/// takes 0.1 s; listings may take a twentieth of the time, and short ones are made in each scan.
fn pause(listing: Duration, short: Duration) -> Nanos {
    let short = listing < short;
    let wait = if short { Duration::ZERO } else { listing.saturating_mul(LISTING_PAUSE) };
    Nanos(u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX))
}

fn whose(user: User) -> String {
    user.map_or_else(|| "unknown users".to_owned(), |user| format!("user {user}"))
}
