//! From a sample and its snapshot to what a policy knows. What isn't known stays so; and
//! where a condition against acting can't be checked, that is a reason against acting.

use super::guest_rates::GuestRates;
use super::observation::{GuestObservation, Observation, VmObservation};
use super::reason::{Reason, Uncounted};
use super::scope::{self, ScopeRates};
use crate::model::snapshot::VmView;
use crate::model::{Measured, Snapshot, shares_memory};
use crate::sample::{Accelerator, CgroupSample, Manager, Sample, VmSample};
use crate::signal::Quality;
use crate::units::{Bytes, Limit, Percent, Rate};

/// Of a VM's memory, so much locked or in huge pages pins it: less is a library's key
/// store or a device's queue, and no guest memory.
pub const PINNED_SHARE: u64 = 8;

/// Observes one sample after the other. Keeps the guests' last answers, as their rates
/// are between those and not between samples.
#[derive(Clone, Debug, Default)]
pub struct Observer {
    guests: GuestRates,
    scope: ScopeRates,
}

impl Observer {
    /// `snapshot` is what [`crate::model::derive`] made of the sample before and `sample`.
    pub fn observe(&mut self, sample: &Sample, snapshot: &Snapshot) -> Observation {
        self.guests.update(sample);
        self.scope.update(sample);
        let vms = sample.vms.iter().zip(&snapshot.vms);
        let vms = vms.filter(|(vm, _)| scope::holds(&sample.host, vm));
        Observation {
            at: sample.at,
            scope: scope::scope(&sample.host, &snapshot.host, &self.scope),
            vms: vms.map(|(vm, view)| observe_vm(vm, view, &self.guests, sample)).collect(),
        }
    }
}

fn observe_vm(vm: &VmSample, view: &VmView, guests: &GuestRates, sample: &Sample) -> VmObservation {
    VmObservation {
        id: vm.id,
        name: vm.name.clone(),
        uuid: vm.uuid,
        claims: vm.claims.clone(),
        state: vm.state,
        vcpus: vm.vcpus,
        cpu_time: vm.process.cpu_time,
        no_balloon: no_balloon(vm),
        actual: vm.guest.actual,
        maximum: vm.guest.maximum,
        deflate_on_oom: vm.guest.deflate_on_oom,
        pinned: pinned(vm),
        guest: guest(vm, view, guests),
        rss: vm.process.rss,
        swap: vm.process.swap,
        uncounted: uncounted(vm, sample),
        dead: view.dead.value,
        swap_in: view.swap_in.value,
        async_faults: async_faults(vm, view),
        refaults: view.refaults.value,
        stalled: view.stalled.value,
        psi_some: own_pressure(view),
        takes_reclaim: takes_reclaim(vm, view),
        settings: vm.guest.settings,
    }
}

/// KVM alone makes them, so a VM that is emulated certainly has none.
fn async_faults(vm: &VmSample, view: &VmView) -> Option<Rate> {
    match vm.accelerator {
        Some(Accelerator::Tcg) => Some(Rate(0.0)),
        Some(Accelerator::Kvm) | None => view.async_faults.value,
    }
}

fn no_balloon(vm: &VmSample) -> Option<Reason> {
    let or = |reason| match &vm.guest.problem {
        Some(text) => Some(Reason::Reported { text: text.clone() }),
        None => Some(reason),
    };
    match (vm.manager, vm.guest.actual, vm.guest.maximum) {
        (Manager::None, ..) => or(Reason::NoConnection),
        (_, Some(_), Some(_)) => None,
        _ => or(Reason::SizeUnknown),
    }
}

/// Only what is known not to be pinned is not.
fn pinned(vm: &VmSample) -> Option<Reason> {
    let process = &vm.process;
    if vm.encrypted == Some(true) {
        return Some(Reason::Encrypted);
    }
    match vm.vfio {
        Some(false) => {}
        Some(true) => return Some(Reason::PassedThrough),
        None => return Some(Reason::DevicesUnknown),
    }
    let (Some(rss), Some(locked), Some(huge)) = (process.rss, process.locked, process.hugetlb)
    else {
        return Some(Reason::LockedUnknown);
    };
    let least = Bytes(rss.saturating_add(huge).0 / PINNED_SHARE);
    if locked > least {
        Some(Reason::Locked { bytes: locked })
    } else {
        (huge > least).then_some(Reason::HugePages { bytes: huge })
    }
}

/// What RSS and swap of its process don't show of its guest's memory.
fn uncounted(vm: &VmSample, sample: &Sample) -> Option<Uncounted> {
    if shares_memory(vm, sample.page_size) {
        return Some(Uncounted::Shared);
    }
    if vm.incoming == Some(true) {
        return Some(Uncounted::Incoming);
    }
    (sample.host.merges_zeros == Some(true)).then_some(Uncounted::MergedZeros)
}

fn guest(vm: &VmSample, view: &VmView, guests: &GuestRates) -> Option<GuestObservation> {
    let stats = vm.guest.stats?;
    let rates = guests.of(vm.id);
    Some(GuestObservation {
        age: view.guest_age.value,
        total: stats.total,
        free: stats.free,
        available: stats.available,
        disk_caches: stats.disk_caches,
        major_faults: rates.major_faults,
        swap_in: rates.swap_in,
        swap_out: rates.swap_out,
        killed: rates.killed,
        rebooted: rates.rebooted,
    })
}

/// Of its cgroup, where that is the VM's alone.
fn own_pressure(view: &VmView) -> Option<Percent> {
    exact(&view.psi).map(|psi| Percent(psi.some.avg10))
}

/// From its cgroup only its own memory is reclaimed, and that may be swapped.
fn takes_reclaim(vm: &VmSample, view: &VmView) -> bool {
    let has_file_and_swap = |cgroup: &CgroupSample| {
        cgroup.version == 2 && cgroup.swap_limit != Some(Limit::At(Bytes(0)))
    };
    vm.cgroup.as_ref().is_some_and(has_file_and_swap)
        && view.cgroup_usage.quality.reason().is_none()
}

fn exact<T: Copy>(measured: &Measured<T>) -> Option<T> {
    measured.value.filter(|_| measured.quality == Quality::Exact)
}

#[cfg(test)]
mod tests;
