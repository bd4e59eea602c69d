//! Assembles samples from several readers: VMs, and reclaim flows.

use std::collections::BTreeMap;
use std::sync::Arc;

use memtrace_ebpf::VmCounters;

use super::cgroups::Company;
use super::known::KnownVm;
use super::notices::Notices;
use super::rereading::{self, ActivitySigns, LastReading};
use super::{Kernel, LiveSource, Tick, guests};
use crate::clock::monotonic;
use crate::hostfs::process::{self, Charge, Vitals};
use crate::hostfs::{HostRoot, cgroup};
use crate::probe::{FlowReading, Taker, VmReading};
use crate::vmm::discover::FoundVm;
use crate::vmm::guest::GuestAnswer;
use crate::vmm::name;
use crate::vmm::naming::{CalledVm, settle};
use crate::vmm::qemu::QemuCommand;
use memtrace_core::sample::{
    CgroupSample, FlowSample, GuestSample, Party, ProcessSample, ThreadSample, Topic, VmId,
    VmLabels, VmSample, VmState,
};
use memtrace_core::settings::configured_labels;
use memtrace_core::units::{Bytes, Nanos, Pages};

/// A VM's files, and its counters of the same time.
#[derive(Default)]
struct Files {
    process: ProcessSample,
    cgroup: Option<CgroupSample>,
    counters: Option<VmCounters>,
    swap_base: Option<i64>,
}

impl KnownVm {
    /// `charged`: what its cgroup charges, where that is known without its file.
    fn is_quiet(
        &mut self,
        signs: Option<&ActivitySigns>,
        charged: Option<Bytes>,
        now: Nanos,
    ) -> bool {
        let usage = || charged.or_else(|| cgroup::usage(&self.files, self.membership.cgroup()?));
        if signs.is_some_and(|signs| self.kept.is_still(signs, usage)) {
            return self.kept.is_told();
        }
        self.kept.moved = now;
        false
    }

    fn turn_came(&self, pid: u32, now: Nanos) -> bool {
        rereading::turn_came(pid, self.kept.at, now)
    }

    /// What is told of its cgroup, if the kernel side saw the process in the cgroup that it is
    /// known to be in. The root cgroup counts for nobody.
    fn charged(&self, charge: Option<Charge>) -> Option<Charge> {
        let cgroup = self.membership.cgroup().filter(|cgroup| !cgroup.is_root())?;
        charge.filter(|charge| cgroup.id == Some(charge.memory))
    }

    /// Reads all its files.
    fn read(
        &mut self,
        root: &HostRoot,
        pid: u32,
        at: Nanos,
        signs: Option<ActivitySigns>,
        charged: Option<Charge>,
    ) {
        let process = process::memory(&self.files, root, pid);
        let cgroup = self.membership.cgroup();
        let cgroup = cgroup.map(|cgroup| cgroup::sample(&self.files, cgroup, charged));
        self.kept = LastReading { at, moved: self.kept.moved, signs, process, cgroup };
    }
}

impl LiveSource {
    pub(super) fn read_vm(
        &mut self,
        vm: &FoundVm,
        now: &Vitals,
        mut counted: Option<&mut VmReading>,
        tick: &Tick,
    ) -> VmSample {
        let mut answer = if self.is_outside_scope(vm.pid) {
            GuestAnswer::problem("not asked: the VM is outside the scope (scope.cgroup)")
        } else {
            self.guests.answer(&self.root, vm)
        };
        let balloon = vm.description.qemu.as_ref().and_then(|qemu| qemu.balloon);
        answer.guest.deflate_on_oom = balloon.map(|balloon| balloon.deflate_on_oom);
        let labels = self.name(vm, &mut answer, tick.at);
        let files = self.read_files(vm, now, counted.as_deref(), &answer.guest, tick);
        let description = &vm.description;
        let qemu = description.qemu.as_ref();
        let in_detail = tick.detail == Some(vm.id);
        VmSample {
            id: vm.id,
            name: description.name.clone(),
            uuid: vm.identity(),
            claims: vm.claims(&description.name),
            labels,
            pid: vm.pid,
            start: vm.start,
            vmm: description.vmm.clone(),
            accelerator: description.accelerator,
            manager: guests::manager(vm),
            state: state(now, answer.state),
            allocated: answer.size.or(answer.guest.maximum).or_else(|| qemu?.size().ok()),
            vcpus: qemu.and_then(QemuCommand::virtual_cpus),
            vfio: description.vfio,
            encrypted: description.is_encrypted(),
            shared: qemu.and_then(QemuCommand::shares_memory),
            incoming: qemu.and_then(QemuCommand::is_incoming),
            process: process::with_vitals(files.process, now, self.ticks_per_second),
            cgroup: files.cgroup,
            guest: answer.guest,
            counters: files.counters,
            counted_from_start: counted.as_ref().is_some_and(|counted| counted.from_start),
            histograms: counted.as_mut().map(|counted| std::mem::take(&mut counted.histograms)),
            swap_base: files.swap_base,
            threads: in_detail.then(|| self.read_threads(vm.pid)).flatten(),
        }
    }

    /// What the VM is called; the platform's bounds go into the answer.
    fn name(&mut self, vm: &FoundVm, answer: &mut GuestAnswer, at: Nanos) -> VmLabels {
        let own = configured_labels(&self.tables.get(), &vm.description.name, vm.identity());
        let Some(known) = self.known.get_mut(&vm.pid) else { return own };
        let named = known.naming.update(&self.root, vm, at);
        answer.guest.settings = answer.guest.settings.or(named.settings);
        own.over(std::mem::take(&mut answer.labels).or(named.labels.clone()))
    }

    /// Names and numbers belong to the VM that the kernel shows to have them.
    pub(super) fn settle_names(
        living: &[(Arc<FoundVm>, Vitals)],
        vms: &mut [VmSample],
        notices: &mut Notices,
    ) {
        let mut called: Vec<CalledVm<'_>> = living
            .iter()
            .zip(vms.iter_mut())
            .map(|((found, _), vm)| CalledVm::of(found, &mut vm.name, &mut vm.labels))
            .collect();
        for text in settle(&mut called) {
            notices.add(Topic::Discovery, text);
        }
        for ((found, _), vm) in living.iter().zip(vms) {
            if vm.name != found.description.name {
                vm.claims = found.claims(&vm.name);
            }
        }
    }

    /// A VM's files as read last, and its counters.
    fn read_files(
        &mut self,
        vm: &FoundVm,
        now: &Vitals,
        counted: Option<&VmReading>,
        guest: &GuestSample,
        tick: &Tick,
    ) -> Files {
        let mut counters = counted.map(|counted| counted.counters);
        let Some(known) = self.known.get_mut(&vm.pid) else {
            return Files { counters, ..Files::default() };
        };
        let kernel = match &self.kernel {
            Kernel::Runs(kernel) => Some(kernel),
            Kernel::Absent(_) => None,
        };
        let seen = kernel.is_some_and(|kernel| rereading::are_seen(kernel.signals()));
        let signs =
            counters.filter(|_| seen).map(|counters| ActivitySigns::new(counters, now, guest));
        let charged = known.charged(now.charge);
        let quiet = known.is_quiet(signs.as_ref(), charged.map(|charged| charged.usage), tick.at);
        known.quiet = quiet && !tick.rest.stirred;
        // VmSwap and the counters from nearly the same time.
        let told_by_vmswap = kernel.filter(|kernel| kernel.swap_ins_need_vmswap());
        if let (Some(kernel), Some(counters)) = (told_by_vmswap, &mut counters)
            && known.swap_base.has_moved(counters)
            && let Some(fresh) = kernel.counters(vm.pid)
        {
            counters.swap_out_pages = fresh.swap_out_pages;
            counters.swap_in_pages = fresh.swap_in_pages;
            counters.swap_in_remote_pages = fresh.swap_in_remote_pages;
        }
        let turn = tick.detail == Some(vm.id) || known.turn_came(vm.pid, tick.at);
        let before = known.kept.process.swap;
        if !known.quiet || turn {
            known.read(&self.root, vm.pid, tick.at, signs, charged);
        }
        let process = known.kept.process;
        let moved = before.is_some() && before != process.swap;
        if let Some(arming) = self.arming.as_mut().filter(|_| moved) {
            arming.sign(monotonic());
        }
        // A VM that is read for the first time may have been pressed before.
        let rested = tick.rest.rested && (tick.rest.stirred || moved);
        let unseen = rested || self.arming.is_some() && known.swap_base.is_new();
        let swap_base = told_by_vmswap.zip(counters).and_then(|(kernel, counters)| {
            let from_start = counted.is_some_and(|counted| counted.from_start);
            let swapped = process.swap.and_then(|swap| swap.0.checked_div(self.page_size.0));
            let later = unseen.then(|| kernel.counters(vm.pid)).flatten();
            let later = later.map(|counters| counters.swap_out_pages);
            known.swap_base.update(&counters, from_start, swapped, later)
        });
        if let Some(counters) = &mut counters {
            counters.swap_out_pages = known.swap_base.with_unseen(counters.swap_out_pages);
        }
        let Company { vms, alone } = known.company;
        let cgroup = known.kept.cgroup.as_ref();
        let cgroup = cgroup.map(|cgroup| CgroupSample { vms, alone, ..cgroup.clone() });
        Files { process, cgroup, counters, swap_base }
    }

    fn read_threads(&self, pid: u32) -> Option<Vec<ThreadSample>> {
        let mut threads = process::threads::read(&self.root, pid, self.ticks_per_second).ok()?;
        for thread in &mut threads {
            thread.name = name::display(&thread.name);
        }
        Some(threads)
    }
}

/// The state of the process takes precedence over the hypervisor's older answer.
fn state(now: &Vitals, said: Option<VmState>) -> Option<VmState> {
    if now.exiting {
        Some(VmState::Exiting)
    } else if now.stopped {
        Some(VmState::Paused)
    } else {
        said
    }
}

/// The flows of processes as flows of VMs. A process that has a slot and is no VM (yet)
/// counts as other.
pub(super) fn flows(
    readings: &[FlowReading],
    living: &[(Arc<FoundVm>, Vitals)],
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
