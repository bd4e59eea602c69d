//! The registry of VMs with their cgroups and memory files, kept in sync with the eBPF maps.

use memtrace_core::sample::Topic;
use std::collections::HashMap;
use std::sync::Arc;

use super::cgroups::Neighbours;
use super::notices::Notices;
use super::rereading::Kept;
use super::shared::{self, Sharing};
use super::{Kernel, KnownVm, LiveSource};
use crate::clock::monotonic;
use crate::hostfs::process::ProcessStat;
use crate::probe::Belongings;
use crate::vmm::discover::FoundVm;

impl LiveSource {
    /// Removes ended VMs, and updates the eBPF maps for all others.
    pub(super) fn update_registry(
        &mut self,
        living: &[(Arc<FoundVm>, ProcessStat)],
        notices: &mut Notices,
    ) {
        let starts: HashMap<u32, u64> = living.iter().map(|(vm, _)| (vm.pid, vm.start)).collect();
        let gone: Vec<u32> = self
            .known
            .iter()
            .filter(|(pid, known)| starts.get(pid) != Some(&known.start))
            .map(|(&pid, _)| pid)
            .collect();
        for pid in gone {
            self.forget(pid);
        }
        let mut moved = std::mem::take(&mut self.left);
        for (vm, _) in living {
            self.candidates.remove(&vm.pid);
            self.guests.follow(&self.root, vm);
            moved |= self.look_where(vm, notices);
        }
        if moved {
            let neighbours = Neighbours::count(&self.known);
            for known in self.known.values_mut() {
                known.company = neighbours.company(&known.membership);
            }
            self.sharing = Sharing::of(&self.known);
        }
        for (vm, _) in living {
            if moved || self.known.get(&vm.pid).is_some_and(|known| known.told.is_none()) {
                self.tell_kernel(vm, notices);
            }
        }
        self.drop_candidates();
    }

    /// Updates the cgroup and memory files of a VM. Returns whether they have changed.
    fn look_where(&mut self, vm: &FoundVm, notices: &mut Notices) -> bool {
        let counts_files = match &self.kernel {
            Kernel::Runs(kernel) => shared::are_counted(kernel.signals()),
            Kernel::Absent(_) => false,
        };
        let new =
            || KnownVm { start: vm.start, name: vm.description.name.clone(), ..KnownVm::default() };
        let known = self.known.entry(vm.pid).or_insert_with(new);
        let now = monotonic();
        let mut moved = false;
        if !known.quiet || known.membership.turn_came(vm.pid, now) {
            moved = known.membership.refresh(&known.files, &self.root, vm.pid, now);
        }
        if moved {
            known.kept = Kept::default();
        }
        if counts_files {
            moved |= known.shared_memory.refresh(&self.root, vm.pid, now);
        }
        if let Some(problem) = known.membership.problem() {
            notices.add(Topic::Cgroup, format!("{}: {problem}", vm.description.name));
        }
        moved
    }

    fn tell_kernel(&mut self, vm: &FoundVm, notices: &mut Notices) {
        let (Kernel::Runs(kernel), Some(known)) = (&mut self.kernel, self.known.get_mut(&vm.pid))
        else {
            return;
        };
        let own = known.membership.cgroup().filter(|_| known.company.alone);
        let cgroups = own.and_then(|cgroup| cgroup.id).into_iter().collect();
        let belongings = Belongings { cgroups, shared_memory: self.sharing.own(known) };
        if known.told.as_ref() == Some(&belongings) {
            return;
        }
        match kernel.track(vm.pid, &belongings) {
            Ok(()) => known.told = Some(belongings),
            Err(error) => {
                let text = format!("{} is not counted: {error:#}", vm.description.name);
                notices.add(Topic::Counters, text);
            }
        }
    }

    pub(super) fn forget(&mut self, pid: u32) {
        if let Some(known) = self.known.remove(&pid) {
            self.left = true;
            self.oom_kills.ended(monotonic(), pid, known.name);
        }
        self.guests.forget(pid);
        if let Kernel::Runs(kernel) = &mut self.kernel {
            kernel.forget(pid);
        }
    }
}
