//! The host: its memory, swap and pressure, kswapd's activity, and memory allocated to VMs.

use memtrace_ebpf::VmCounters;

use crate::model::Measured;
use crate::model::gap::Gap;
use crate::model::pair::{Context, Pair};
use crate::model::rates::{Growth, better, exact, growth};
use crate::model::snapshot::{HooksView, HostView, Losses};
use crate::model::totals::HostTotals;
use crate::sample::{
    HooksSample, HostCountersSample, HostSample, Meminfo, Psi, PsiLine, Sample, VmSample, Vmstat,
};
use crate::signal::{Quality, Signal};
use crate::units::{ByteRate, Bytes, Pages, Percent};

pub(super) fn host(context: &Context<'_>, pairs: &[Pair<'_>]) -> HostView {
    let host = &context.now.host;
    let memory = |field: fn(&Meminfo) -> Bytes| {
        let value = host.meminfo.as_ref().map(field);
        value.map_or_else(|| Measured::absent("/proc/meminfo was not read"), Measured::exact)
    };
    let in_bytes = |pages| Pages(pages).bytes(context.now.page_size);
    let total = memory(|meminfo| meminfo.total);
    let allocated = allocated(&context.now.vms);
    HostView {
        hostname: host.hostname.clone(),
        kernel: host.kernel.clone(),
        cpus: host.cpus,
        overcommit: overcommit(&allocated, &total),
        memory_total: total,
        memory_available: available(&context.now.host),
        memory_free: memory(|meminfo| meminfo.free),
        memory_cached: memory(|meminfo| meminfo.buffers.saturating_add(meminfo.cached)),
        swap_total: memory(|meminfo| meminfo.swap_total),
        swap_used: memory(|meminfo| meminfo.swap_total.saturating_sub(meminfo.swap_free)),
        swap_in: pages_rate(context, |vmstat| vmstat.pswpin),
        swap_out: pages_rate(context, |vmstat| vmstat.pswpout),
        swap_in_total: of_vmstat(host, |vmstat| vmstat.pswpin).map(in_bytes),
        swap_out_total: of_vmstat(host, |vmstat| vmstat.pswpout).map(in_bytes),
        swaps: host.swaps.clone().unwrap_or_default(),
        psi: host.psi.filter(Psi::is_sound).map_or_else(
            || Measured::absent("/proc/pressure/memory was not read; PSI may be off (psi=1)"),
            Measured::exact,
        ),
        kswapd_active: kswapd_active(context),
        kswapd_reclaim: pages_rate(context, |vmstat| vmstat.pgsteal_kswapd),
        direct_reclaims: context.rate(better(
            exact(vmstat(context, |vmstat| vmstat.allocstall)),
            || {
                sum_over_parties(context, pairs, Signal::DirectReclaim, |counters| {
                    counters.direct_reclaims
                })
            },
        )),
        direct_reclaims_total: of_vmstat(host, |vmstat| vmstat.allocstall),
        memcg_reclaims: context.rate(sum_over_parties(
            context,
            pairs,
            Signal::MemcgReclaim,
            |counters| counters.memcg_reclaims,
        )),
        allocated,
        hooks: hooks(context.now),
        losses: totals(context).map(|totals| losses(&totals)),
        totals: totals(context).map(|totals| HostTotals::new(totals, &context.unhooked)),
    }
}

fn hooks(now: &Sample) -> Measured<HooksView> {
    let Some(hooks) = now.host.hooks else {
        return Measured::absent("no hook that is attached on demand");
    };
    let since = now.at.saturating_sub(hooks.since);
    let HooksSample { attached, on_demand, .. } = hooks;
    Measured::exact(HooksView { attached, since, on_demand })
}

/// What can be had without harm: MemAvailable, and what ZFS's ARC gives back, which the kernel
/// doesn't count in it.
fn available(host: &HostSample) -> Measured<Bytes> {
    let Some(available) = host.meminfo.as_ref().map(|meminfo| meminfo.available) else {
        return Measured::absent("/proc/meminfo was not read");
    };
    match host.arc_reclaimable {
        Some(arc) => Measured::exact(available.saturating_add(arc)),
        // Without it the host would look more pressed than it is.
        None => Measured::absent("the reclaimable part of ZFS's ARC is unknown"),
    }
}

impl Psi {
    /// All averages are numbers.
    pub(super) fn is_sound(&self) -> bool {
        let sound = |line: &PsiLine| {
            [line.avg10, line.avg60, line.avg300].iter().all(|average| average.is_finite())
        };
        sound(&self.some) && self.full.as_ref().is_none_or(sound)
    }
}

fn vmstat(context: &Context<'_>, field: fn(&Vmstat) -> Option<u64>) -> Result<u64, Gap> {
    let total = |sample: &Sample| sample.host.vmstat.as_ref().and_then(field);
    growth(total(context.previous.ok_or(Gap::FirstSample)?), total(context.now))
}

/// A total since boot.
fn of_vmstat(host: &HostSample, field: fn(&Vmstat) -> Option<u64>) -> Measured<u64> {
    let Some(vmstat) = &host.vmstat else { return Measured::absent("/proc/vmstat was not read") };
    let value = field(vmstat);
    value.map_or_else(
        || Measured::absent("this kernel's /proc/vmstat has no such line"),
        Measured::exact,
    )
}

/// /proc/vmstat counts base pages.
fn pages_rate(context: &Context<'_>, field: fn(&Vmstat) -> Option<u64>) -> Measured<ByteRate> {
    context.byte_rate(exact(vmstat(context, field)))
}

fn counters<'a>(
    context: &Context<'a>,
) -> Result<(&'a HostCountersSample, &'a HostCountersSample), Gap> {
    let previous = context.previous.ok_or(Gap::FirstSample)?;
    let now = context.now.host.counters.as_ref().ok_or(Gap::NotRead)?;
    Ok((previous.host.counters.as_ref().ok_or(Gap::NotReadBefore)?, now))
}

/// Time from kswapd's wakes to its next full sleeps, or to now, of all nodes.
fn kswapd_active(context: &Context<'_>) -> Measured<Percent> {
    let quality = context.quality(Signal::Kswapd);
    if quality.is_absent() {
        return Measured { value: None, quality };
    }
    let active = counters(context).and_then(|(before, now)| {
        growth(Some(before.host.kswapd_active_ns), Some(now.host.kswapd_active_ns))
    });
    let growth = exact(active);
    // No time at all is certain.
    let growth = if growth.value == Some(0) { growth } else { growth.limited_by(quality) };
    context.share(growth)
}

/// Sum over the VMs, kswapd and everything else. What VMs that came or went in the interval did
/// is not all in it, and then it says so.
fn sum_over_parties(
    context: &Context<'_>,
    pairs: &[Pair<'_>],
    signal: Signal,
    field: fn(&VmCounters) -> u64,
) -> Growth {
    let quality = context.quality(signal);
    if quality.is_absent() {
        return Measured { value: None, quality };
    }
    let rest = counters(context).and_then(|(before, now)| {
        let kswapd = growth(Some(field(&before.kswapd)), Some(field(&now.kswapd)))?;
        let other = growth(Some(field(&before.other)), Some(field(&now.other)))?;
        Ok(kswapd.saturating_add(other))
    });
    let rest = match rest {
        Ok(rest) => rest,
        Err(gap) => return gap.into(),
    };
    let vms: Vec<Option<u64>> =
        pairs.iter().map(|pair| pair.counted(signal, field).value).collect();
    let sum = vms.iter().flatten().fold(rest, |sum, vm| sum.saturating_add(*vm));
    let missing = vms.iter().filter(|vm| vm.is_none()).count();
    let sum = Measured::new(Some(sum), quality).limited_by(context.ended());
    match missing {
        0 => sum,
        missing => sum.limited_by(Quality::approximate(format!(
            "without {missing} of {} VMs, whose growth is not known",
            vms.len()
        ))),
    }
}

/// What the VMs may grow to together. A balloon's maximum lacks what a virtio-mem device has
/// plugged in, and recordings of older versions what was plugged in since the start of a VM.
fn allocated(vms: &[VmSample]) -> Measured<Bytes> {
    let known: Vec<Bytes> =
        vms.iter().filter_map(|vm| vm.guest.maximum.max(vm.allocated)).collect();
    let sum = known.iter().fold(Bytes(0), |sum, bytes| sum.saturating_add(*bytes));
    match vms.len().saturating_sub(known.len()) {
        0 => Measured::exact(sum),
        _ if known.is_empty() => Measured::absent("no VM's memory size is known"),
        missing => Measured::approximate(
            sum,
            format!("the memory size of {missing} of {} VMs is not known", vms.len()),
        ),
    }
}

fn overcommit(allocated: &Measured<Bytes>, total: &Measured<Bytes>) -> Measured<f64> {
    let quality = allocated.quality.clone().and(total.quality.clone());
    match (allocated.value, total.value) {
        (Some(allocated), Some(total)) => allocated.share_of(total).map_or_else(
            || Measured::absent("/proc/meminfo says that there is no memory"),
            |share| Measured::new(Some(share.0 / 100.0), quality),
        ),
        _ => Measured { value: None, quality },
    }
}

fn totals(context: &Context<'_>) -> Measured<HostCountersSample> {
    let counters = context.now.host.counters.clone();
    counters.map_or_else(|| Measured::absent("the kernel side does not run"), Measured::exact)
}

const fn losses(totals: &HostCountersSample) -> Losses {
    let host = &totals.host;
    Losses {
        missed_runs: totals.missed_runs,
        events: host.lost_events,
        slots: host.lost_slots,
        stalls: host.lost_stalls,
        async_faults: host.lost_async_faults,
        flow_pages: host.lost_flow_pages,
        address_spaces: host.lost_address_spaces,
        failed_reads: host.failed_reads,
    }
}
