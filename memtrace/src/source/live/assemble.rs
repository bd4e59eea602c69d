//! Putting together what several readers know: one VM, and who takes from whom.

use std::collections::BTreeMap;

use super::{LiveSource, cgroups, guests};
use crate::hostfs::cgroup;
use crate::hostfs::process::{self, ProcessStat};
use crate::probe::{FlowReading, Reading, Taker};
use crate::sample::{FlowSample, Party, ThreadSample, VmId, VmSample, VmState};
use crate::units::Pages;
use crate::vmm::discover::FoundVm;
use crate::vmm::name;

impl LiveSource {
    pub(super) fn read_vm(
        &self,
        vm: &FoundVm,
        stat: &ProcessStat,
        reading: Option<&Reading>,
        detail: Option<VmId>,
    ) -> VmSample {
        let answer = self.guests.answer(vm);
        let known = self.known.get(&vm.pid);
        let cgroup = known.and_then(|known| known.membership.cgroup());
        let counted = reading.and_then(|reading| reading.vms.get(&vm.pid));
        let description = &vm.description;
        let memory = description.qemu.as_ref().and_then(|qemu| qemu.memory);
        VmSample {
            id: vm.id,
            name: description.name.clone(),
            uuid: description.uuid,
            pid: vm.pid,
            start: vm.start,
            vmm: description.vmm.clone(),
            accelerator: description.accelerator,
            manager: guests::manager(vm),
            state: state(stat, answer.state),
            allocated: memory.or(answer.guest.maximum),
            process: process::sample(&self.root, vm.pid, stat, self.ticks_per_second),
            cgroup: cgroup.map(|cgroup| {
                let vms = cgroups::sharing(&self.known, cgroup);
                cgroup::sample(cgroup, vms, cgroups::is_alone(&self.known, vm.pid))
            }),
            guest: answer.guest,
            counters: counted.map(|counted| counted.counters),
            histograms: counted.map(|counted| counted.histograms.clone()),
            counted_from_start: counted.is_some_and(|counted| counted.from_start),
            threads: (detail == Some(vm.id)).then(|| self.read_threads(vm.pid)).flatten(),
        }
    }

    fn read_threads(&self, pid: u32) -> Option<Vec<ThreadSample>> {
        let mut threads = process::threads::read(&self.root, pid, self.ticks_per_second).ok()?;
        for thread in &mut threads {
            thread.name = name::display(&thread.name);
        }
        Some(threads)
    }
}

/// What the process is goes before what the hypervisor said about it a second ago.
fn state(stat: &ProcessStat, said: Option<VmState>) -> Option<VmState> {
    if stat.exiting {
        Some(VmState::Exiting)
    } else if stat.is_stopped() {
        Some(VmState::Paused)
    } else {
        said
    }
}

/// The flows of processes as flows of VMs. A process that has a slot and is no VM (yet)
/// counts as other.
pub(super) fn flows(
    readings: &[FlowReading],
    living: &[(FoundVm, ProcessStat)],
) -> Vec<FlowSample> {
    let ids: BTreeMap<u32, VmId> = living.iter().map(|(vm, _)| (vm.pid, vm.id)).collect();
    let party = |taker| match taker {
        Taker::Process(pid) => ids.get(&pid).map_or(Party::Other, |&id| Party::Vm(id)),
        Taker::Kswapd => Party::Kswapd,
        Taker::Other => Party::Other,
    };
    let mut totals = BTreeMap::<(Party, Party), u64>::new();
    for flow in readings {
        let total = totals.entry((party(flow.causer), party(flow.victim))).or_default();
        *total = total.saturating_add(flow.pages.0);
    }
    totals
        .into_iter()
        .map(|((causer, victim), pages)| FlowSample { causer, victim, pages: Pages(pages) })
        .collect()
}
