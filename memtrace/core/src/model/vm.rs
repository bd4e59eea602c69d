//! One VM's row: puts together what the modules beside this one work out.

use memtrace_ebpf::VmCounters;

use crate::model::Measured;
use crate::model::cgroup;
use crate::model::dead::dead;
use crate::model::faults::faults;
use crate::model::flows::Flows;
use crate::model::gap::Gap;
use crate::model::guest;
use crate::model::histogram;
use crate::model::pair::Pair;
use crate::model::rates::{Growth, better, exact};
use crate::model::snapshot::{VmView, untouched};
use crate::model::stall::stalls;
use crate::model::swapping::{swap_ins, swapping};
use crate::model::threads::threads;
use crate::model::totals::Totals;
use crate::model::waited;
use crate::sample::{Party, ProcessSample, VmSample, VmState};
use crate::signal::{Quality, Signal, reason_or};
use crate::units::{Bytes, Nanos, Percent, Rate};

pub(super) fn vm(pair: &Pair<'_>, flows: &Flows) -> VmView {
    let now = pair.now;
    let (faults, swapping, stalls) = (faults(pair), swapping(pair), stalls(pair));
    let (waits, (caused, caused_pages)) = (histogram::waits(pair), caused(pair, flows));
    let (cgroup, guest) = (cgroup::view(now), guest::view(now, pair.context.now.wall));
    let memory = |value: Option<Bytes>| of_process(&now.process, value);
    VmView {
        id: now.id,
        name: now.name.clone(),
        uuid: now.uuid,
        claims: now.claims.clone(),
        labels: now.labels.clone(),
        pid: now.pid,
        vmm: now.vmm.clone(),
        accelerator: now.accelerator,
        manager: now.manager,
        state: state(now),
        cpu: pair.context.share(exact(pair.read(|vm| vm.process.cpu_time.map(|time| time.0)))),
        cpu_time: cpu_time(now),
        dead: dead(pair, &guest),
        balloon_actual: guest.actual,
        balloon_maximum: guest.maximum,
        balloon_target: untouched(),
        rss: memory(now.process.rss),
        rss_shmem: memory(now.process.rss_shmem),
        swap: swap(pair),
        hugetlb: memory(now.process.hugetlb),
        locked: memory(now.process.locked),
        faults: faults.all,
        process_faults: process_faults(now),
        process_major_faults: told(now.process.major_faults),
        guest_faults: faults.guest,
        user_faults: faults.user,
        kernel_faults: faults.kernel,
        major_faults: faults.major,
        async_faults: faults.asynchronous,
        swap_in: swapping.swap_in,
        swap_out: swapping.swap_out,
        refaults: swapping.refaults,
        direct_reclaims: stalls.direct_reclaims,
        memcg_reclaims: stalls.memcg_reclaims,
        throttles: stalls.throttles,
        compactions: stalls.compactions,
        stalled: stalls.stalled,
        caused,
        caused_pages,
        taken: swapping.taken,
        reclaim_p50: waits.reclaim.p50,
        reclaim_p99: waits.reclaim.p99,
        async_fault_p50: waits.async_fault.p50,
        async_fault_p99: waits.async_fault.p99,
        reclaim_histogram: waits.reclaim.counts,
        async_fault_histogram: waits.async_fault.counts,
        swap_in_p50: waits.swap_in.p50,
        swap_in_p99: waits.swap_in.p99,
        swap_in_histogram: waits.swap_in.counts,
        oom_kills: oom_kills(pair),
        oom_caused: pair.total(Signal::OomKills, |counters| counters.oom_caused),
        cgroup_path: cgroup.path,
        cgroup_usage: cgroup.usage,
        cgroup_limit: cgroup.limit,
        cgroup_high: cgroup.high,
        psi: cgroup.psi,
        guest_total: guest.total,
        guest_available: guest.available,
        guest_stats: guest.stats,
        guest_age: guest.age,
        totals: totals(pair),
        waits: waited::waits(pair),
        threads: threads(pair),
    }
}

fn cpu_time(now: &VmSample) -> Measured<Nanos> {
    now.process.cpu_time.map_or_else(|| Gap::NotRead.into(), Measured::exact)
}

fn process_faults(now: &VmSample) -> Measured<u64> {
    let ProcessSample { minor_faults, major_faults, .. } = now.process;
    told(minor_faults.zip(major_faults).map(|(minor, major)| minor.saturating_add(major)))
}

fn told(total: Option<u64>) -> Measured<u64> {
    total.map_or_else(|| Gap::NotRead.into(), Measured::exact)
}

fn state(now: &VmSample) -> Measured<VmState> {
    now.state.map_or_else(
        || Measured::absent(reason_or(now.guest.problem.as_deref(), "no source for its state")),
        Measured::exact,
    )
}

/// A line of /proc/PID/status.
fn of_process(process: &ProcessSample, value: Option<Bytes>) -> Measured<Bytes> {
    value.map_or_else(
        || {
            Measured::absent(match process.rss {
                None => "/proc/PID/status was not read, or the process is exiting",
                Some(_) => "this kernel's /proc/PID/status has no such line",
            })
        },
        Measured::exact,
    )
}

/// VmSwap. What of shared guest memory is in swap is not in it, so that only the VM's own cgroup
/// tells.
fn swap(pair: &Pair<'_>) -> Measured<Bytes> {
    let Some(reason) = pair.shared_memory() else {
        return of_process(&pair.now.process, pair.now.process.swap);
    };
    match cgroup::total(pair, |cgroup| cgroup.swap.map(|swap| swap.0)).value {
        Some(swap) => Measured::approximate(Bytes(swap), format!("of its cgroup: {reason}")),
        None => Measured::absent(reason),
    }
}

/// What the VM took of others and of itself, as a share and as a rate. Of a VM that
/// is not counted there are no flows, which is not that it took nothing.
fn caused(pair: &Pair<'_>, flows: &Flows) -> (Measured<Percent>, Measured<Rate>) {
    let party = Party::Vm(pair.now.id);
    let share = flows.caused_share(party);
    match pair.has_flows() {
        Err(gap) if share.value.is_some() => (gap.into(), gap.into()),
        _ => (share, flows.caused_rate(party)),
    }
}

/// As counted, except swap-ins that the events don't show.
fn totals(pair: &Pair<'_>) -> Measured<Totals<VmCounters>> {
    let Some(mut counters) = pair.now.counters else { return Gap::NotCounted.into() };
    if let Some(pages) = swap_ins(pair.now, pair.context.now.page_size) {
        counters.swap_in_pages = pages;
    }
    Measured::exact(Totals { counters, unhooked: pair.context.unhooked.clone() })
}

/// Kills since counting began; without the hook, those since the VM's cgroup was made.
fn oom_kills(pair: &Pair<'_>) -> Growth {
    let file = || {
        cgroup::total(pair, |cgroup| cgroup.oom_kills)
            .limited_by(Quality::approximate("since its cgroup was made"))
    };
    better(pair.total(Signal::OomKills, |counters| counters.oom_kills), file)
}
