//! What one guest waited for: asynchronous faults and reclaim.

use memtrace_core::accuracy::table::Rule;
use memtrace_core::quantile::quantile;

use super::Sheet;
use crate::vm::comparison::{Comparison, Guest};

/// A guest is stopped in the middle of its work, where its one CPU may have a fault or a
/// wait under way.
const UNDER_WAY: f64 = 1.0;
/// Milliseconds of a timer tick (HZ=250). The kernel's clock of a wait runs within
/// memtrace's, and a thread that is preempted between the two loses up to a tick: over 5 %
/// of a guest's few waits, however well they are counted (33.6 against 30.3 ms was seen).
const TICK: f64 = 4.0;

pub fn rows(guest: &Guest<'_>, comparison: Comparison<'_>, sheet: &mut Sheet<'_>) {
    if !guest.is("emulated") {
        asynchronous(guest, comparison, sheet);
    }
    reclaim(guest, comparison, sheet);
}

fn asynchronous(guest: &Guest<'_>, comparison: Comparison<'_>, sheet: &mut Sheet<'_>) {
    let (begun, done) = (guest.total("async_faults"), guest.total("async_faults_done"));
    let quality = comparison.quality("async_faults");
    let name = ("async_faults", "asynchronous faults done");
    let own = (begun, "memtrace's own: begun");
    sheet.compare(name, (done, quality.clone()), own, Rule::within(0.0, UNDER_WAY));
    if guest.is("busy")
        && let Some((ready, spans)) = comparison.timed()
    {
        let name = ("async_faults", "asynchronous faults done, traced");
        let kernel = (Some(ready), "kvm_async_pf_ready");
        sheet.compare(name, (done, quality), kernel, Rule::within(0.0, 0.0));
        latency(guest, &spans, sheet);
    }
}

/// memtrace's histogram beside the times of the kernel's own tracing before its hooks and
/// after them. No fault was shorter than its span's begin or longer than its end, so no
/// quantile of them is: only the histogram's buckets blur it, by a 32nd.
fn latency(guest: &Guest<'_>, spans: &[(u64, u64)], sheet: &mut Sheet<'_>) {
    let counts = guest.counts("async_fault_histogram").unwrap_or_default();
    for (share, counter, field) in [
        (0.5, "asynchronous faults, p50, us", "async_fault_p50"),
        (0.99, "asynchronous faults, p99, us", "async_fault_p99"),
    ] {
        let shown = quantile(&counts, share).map(|nanos| nanos as f64 / 1000.0);
        let [least, most] =
            [spans.iter().map(|span| span.0).collect(), spans.iter().map(|span| span.1).collect()]
                .map(|ends: Vec<u64>| percentile(ends, share).map(|nanos| nanos / 1000.0));
        let between = least.zip(most).map(|(least, most)| (least.midpoint(most), most - least));
        let bucket = shown.map_or(0.0, |shown| shown / 32.0);
        let bound = between.map_or(0.0, |(_, span)| span / 2.0) + bucket;
        let kernel = (between.map(|(middle, _)| middle), "traces of kvm_async_pf_*, middle");
        let name = ("async_latency", counter);
        sheet.compare(name, (shown, guest.quality(field)), kernel, Rule::within(0.0, bound));
    }
}

/// The value below which `share` of the values lie, by the nearest rank.
fn percentile(values: Vec<u64>, share: f64) -> Option<f64> {
    let mut sorted = values;
    sorted.sort_unstable();
    let rank = (sorted.len() as f64 * share).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).map(|value| *value as f64)
}

/// Waits of the process's own threads, as its delay accounting has them.
fn reclaim(guest: &Guest<'_>, comparison: Comparison<'_>, sheet: &mut Sheet<'_>) {
    let both = |direct: &str, memcg: &str| {
        guest.total(direct).zip(guest.total(memcg)).map(|(direct, memcg)| direct + memcg)
    };
    let quality = comparison.quality("direct_reclaim").and(comparison.quality("memcg_reclaim"));
    let count = both("direct_reclaims", "memcg_reclaims");
    let name = ("reclaim_waits", "direct and memcg reclaims");
    let waits = guest.waits("count");
    // Where the kernel shows for which cgroup a worker reclaims, memtrace counts those reclaims
    // too.
    let (kernel, rule) = match comparison.quality("reclaim_for_vm").is_absent() {
        true => ((waits, "taskstats freepages count"), Rule::within(2.0, 4.0)),
        false => {
            let least = waits.map(|waits| waits - (waits * 0.02).max(4.0));
            ((least, "taskstats freepages count - 2 % or 4"), Rule::AtLeast)
        }
    };
    sheet.compare(name, (count, quality.clone()), kernel, rule);
    let milliseconds = |nanos: Option<f64>| nanos.map(|nanos| nanos / 1e6);
    let time = milliseconds(both("direct_reclaim_ns", "memcg_reclaim_ns"));
    let name = ("stall_time", "time in reclaim, ms");
    let kernel = (milliseconds(guest.waits("ns")), "taskstats freepages delay");
    sheet.compare(name, (time, quality.clone()), kernel, Rule::within(5.0, TICK));
    let name = ("stall_time", "time in reclaim, ms, by PSI");
    if !guest.is("alone") {
        return sheet.skip(name, "its cgroup is not its alone");
    }
    // No bound on more than one CPU: `some` is an average over the CPUs, each weighed by how
    // busy the cgroup was there (`collect_percpu_times` in kernel/sched/psi.c), so that a
    // wait on one counts the less the busier another is.
    let (Some(time), Some(pressure)) = (time, milliseconds(guest.pressure())) else {
        return sheet.skip(name, "this kernel has no memory.pressure");
    };
    if comparison.cpus() == Some(1.0) {
        let bound = (Some(pressure), "memory.pressure some");
        return sheet.compare(name, (Some(time), quality), bound, Rule::AtMost);
    }
    let reason = format!("PSI weighs CPUs; {time:.0} ms, of which it has {pressure:.0} as `some`");
    sheet.skip(name, &reason);
}
