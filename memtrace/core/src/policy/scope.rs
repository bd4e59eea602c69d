//! The scope of a policy: what the VMs share, and which of them share it.

use super::observation::ScopeObservation;
use crate::model::snapshot::HostView;
use crate::sample::{HostSample, Sample, ScopeSample, VmSample, is_in_cgroup};
use crate::units::{Bytes, Limit, Nanos, Percent, Rate};

/// Keeps the last sample of a cgroup, for rates.
#[derive(Clone, Debug, Default)]
pub struct ScopeRates {
    before: Option<(Nanos, u64)>,
    hits: Option<Rate>,
}

impl ScopeRates {
    pub fn update(&mut self, sample: &Sample) {
        let hits = sample.host.scope.as_ref().and_then(|scope| scope.limit_hits);
        let now = hits.map(|hits| (sample.at, hits));
        self.hits = self.before.zip(now).and_then(|((then, before), (at, hits))| {
            let seconds = at.saturating_sub(then).seconds();
            let more = hits.checked_sub(before)?;
            (seconds > 0.0).then(|| Rate(more as f64 / seconds))
        });
        self.before = now;
    }
}

/// The cgroup, where one is the scope, and else the host.
pub fn scope(sample: &HostSample, view: &HostView, rates: &ScopeRates) -> ScopeObservation {
    let host = host(view);
    match &sample.scope {
        Some(scope) => cgroup(scope, &host, rates),
        None => host,
    }
}

/// The cgroup that is the scope, without rates of its own. `None`: the host is the scope.
pub fn shared(sample: &HostSample, view: &HostView) -> Option<ScopeObservation> {
    let scope = sample.scope.as_ref()?;
    Some(cgroup(scope, &host(view), &ScopeRates::default()))
}

/// Whether a VM is in the scope. One whose cgroup isn't known is in none.
pub fn holds(sample: &HostSample, vm: &VmSample) -> bool {
    sample.scope.is_none() || (vm.cgroup.is_some() && !is_outside(sample, vm))
}

/// Whether a VM is known to be outside the scope.
pub fn is_outside(sample: &HostSample, vm: &VmSample) -> bool {
    let (Some(scope), Some(cgroup)) = (&sample.scope, &vm.cgroup) else { return false };
    !is_in_cgroup(&cgroup.path, &scope.cgroup)
}

fn host(view: &HostView) -> ScopeObservation {
    let swap_total = view.swap_total.value;
    ScopeObservation {
        cgroup: None,
        total: view.memory_total.value,
        available: view.memory_available.value,
        swap_total,
        swap_free: swap_total
            .zip(view.swap_used.value)
            .map(|(total, used)| total.saturating_sub(used)),
        psi_some: view.psi.value.map(|psi| Percent(psi.some.avg10)),
        psi_full: view.psi.value.and_then(|psi| psi.full).map(|line| Percent(line.avg10)),
        kswapd: view.kswapd_active.value,
        direct_reclaims: view.direct_reclaims.value,
        swap_in: view.swap_in.value,
        swap_out: view.swap_out.value,
    }
}

/// Its limit plays the part of the host's memory. What it could still have isn't free when
/// the host hasn't got it. Without a limit there is nothing that its VMs share.
fn cgroup(scope: &ScopeSample, host: &ScopeObservation, rates: &ScopeRates) -> ScopeObservation {
    let limit = match scope.limit {
        Some(Limit::At(limit)) => host.total.map(|total| limit.min(total)),
        Some(Limit::Unlimited) | None => None,
    };
    let free = |(limit, usage): (Bytes, Bytes)| limit.saturating_sub(usage);
    let own = limit.zip(scope.usage).map(free).zip(scope.reclaimable);
    let own = own.map(|(free, reclaimable)| free.saturating_add(reclaimable));
    ScopeObservation {
        cgroup: Some(scope.cgroup.clone()),
        total: limit,
        available: own.zip(host.available).map(|(own, host)| own.min(host)),
        psi_some: scope.psi.map(|psi| Percent(psi.some.avg10)),
        psi_full: scope.psi.and_then(|psi| psi.full).map(|line| Percent(line.avg10)),
        // It wakes for the host's watermarks, and not for a cgroup's limit.
        kswapd: None,
        direct_reclaims: rates.hits,
        ..host.clone()
    }
}
