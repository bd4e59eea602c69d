//! Putting together what several readers know: one VM, and who takes from whom.

use std::collections::BTreeMap;

use memtrace_ebpf::VmCounters;

use super::{Kernel, LiveSource, guests};
use crate::hostfs::process::{self, ProcessStat};
use crate::hostfs::{Keeper, cgroup};
use crate::probe::{FlowReading, Reading, Taker, VmReading};
use crate::sample::{FlowSample, Party, ProcessSample, ThreadSample, VmId, VmSample, VmState};
use crate::units::Pages;
use crate::vmm::discover::FoundVm;
use crate::vmm::name;

impl LiveSource {
    pub(super) fn read_vm(
        &mut self,
        vm: &FoundVm,
        stat: &ProcessStat,
        reading: Option<&Reading>,
        detail: Option<VmId>,
    ) -> VmSample {
        let answer = self.guests.answer(vm);
        let counted = reading.and_then(|reading| reading.vms.get(&vm.pid));
        let (process, counters, swap_base) = self.read_process(vm, stat, counted);
        let known = self.known.get(&vm.pid);
        let cgroup = known.and_then(|known| known.membership.cgroup());
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
            vcpus: description.qemu.as_ref().and_then(|qemu| qemu.vcpus),
            vfio: description.qemu.as_ref().map(|qemu| qemu.vfio),
            process,
            cgroup: known.zip(cgroup).map(|(known, cgroup)| {
                let alone = self.neighbours.is_alone(&known.membership);
                cgroup::sample(&known.files, cgroup, self.neighbours.of(cgroup), alone)
            }),
            guest: answer.guest,
            counters,
            histograms: counted.map(|counted| counted.histograms.clone()),
            counted_from_start: counted.is_some_and(|counted| counted.from_start),
            swap_base,
            threads: (detail == Some(vm.id)).then(|| self.read_threads(vm.pid)).flatten(),
        }
    }

    /// The process' memory and the VM's counters; where swap-ins are told from both, with
    /// the base for that, and both from as nearly the same moment as can be.
    fn read_process(
        &mut self,
        vm: &FoundVm,
        stat: &ProcessStat,
        counted: Option<&VmReading>,
    ) -> (ProcessSample, Option<VmCounters>, Option<i64>) {
        let Some(known) = self.known.get_mut(&vm.pid) else {
            return (ProcessSample::default(), counted.map(|counted| counted.counters), None);
        };
        let sample = |files: &Keeper| {
            process::sample(files, &self.root, vm.pid, stat, self.ticks_per_second)
        };
        let (Some(counted), Kernel::Runs(kernel)) = (counted, &self.kernel) else {
            return (sample(&known.files), counted.map(|counted| counted.counters), None);
        };
        if !kernel.swap_ins_need_vmswap() {
            return (sample(&known.files), Some(counted.counters), None);
        }
        let mut counters = counted.counters;
        if known.swap_base.has_moved(&counters)
            && let Some(fresh) = kernel.counters(vm.pid)
        {
            counters.swap_out_pages = fresh.swap_out_pages;
            counters.swap_in_pages = fresh.swap_in_pages;
            counters.swap_in_remote_pages = fresh.swap_in_remote_pages;
        }
        let process = sample(&known.files);
        let swapped = process.swap.and_then(|swap| swap.0.checked_div(self.page_size.0));
        let base = known.swap_base.update(&counters, counted.from_start, swapped);
        (process, Some(counters), base)
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
