//! The counters and histograms of each VM.

use memtrace_ebpf::VmCounters;

use super::read::{alone, by, hooked, in_bytes, pressure, recent, seconds};
use super::scene::Scene;
use super::table::{Metric, MetricKind, OfVm, Point, Unit, Value};
use memtrace_core::model::Measured;
use memtrace_core::model::snapshot::VmView;
use memtrace_core::model::waited::WaitTotals;
use memtrace_core::sample::Accelerator;
use memtrace_core::signal::Signal;
use memtrace_core::units::Nanos;

pub(super) fn metrics() -> Vec<Metric> {
    [ran().as_slice(), &moved(), &slowed(), &waited()].concat()
}

const fn counter(name: &'static str, unit: Unit, help: &'static str, read: OfVm) -> Metric {
    Metric::of_vm(MetricKind::Counter, name, unit, &[], help, read)
}

/// What the VM used, and who took its memory.
fn ran() -> [Metric; 2] {
    [
        counter("vm_cpu", Unit::Seconds, "CPU time of all its threads.", |vm, _| {
            alone(vm.cpu_time.value.map(seconds))
        }),
        Metric::of_vm(
            MetricKind::Counter,
            "vm_taken",
            Unit::Bytes,
            &["by", "by_id"],
            "Memory that reclaim took from it, by who reclaimed: a VM, kswapd, or other. Of the \
             256 largest pairs of the host alone.",
            |vm, scene| scene.taken(vm),
        ),
    ]
}

/// Faults, and what was moved to and from swap.
fn moved() -> [Metric; 8] {
    use Signal as S;
    [
        Metric::of_vm(
            MetricKind::Counter,
            "vm_faults",
            Unit::None,
            &["kind"],
            "Page faults: guest (EPT or NPT violations: VM exits, not pages), user, and \
             kernel.",
            |vm, _| {
                by([
                    ("guest", total(vm, S::GuestFaults, |row| row.guest_faults)),
                    ("user", total(vm, S::UserFaults, |row| row.user_faults)),
                    ("kernel", total(vm, S::KernelFaults, |row| row.kernel_faults)),
                ])
            },
        ),
        counter(
            "vm_process_faults",
            Unit::None,
            "Minor and major faults of its process since it started.",
            |vm, _| alone(vm.process_faults.value.map(Value::Count)),
        ),
        counter("vm_major_faults", Unit::None, "Major faults of the VM.", |vm, _| {
            alone(total(vm, S::MajorFaults, |row| row.major_faults).or_else(|| by_process(vm)))
        }),
        counter("vm_async_faults", Unit::None, "KVM asynchronous page faults.", |vm, _| {
            alone(total(vm, S::AsyncFaults, |row| row.async_faults).filter(|_| may_be_kvm(vm)))
        }),
        counter("vm_swap_in", Unit::Bytes, "Private memory swapped in.", |vm, scene| {
            pages(vm, scene, S::SwapIn, |row| row.swap_in_pages)
        }),
        counter("vm_swap_out", Unit::Bytes, "Private memory swapped out.", |vm, scene| {
            pages(vm, scene, S::SwapOut, |row| row.swap_out_pages)
        }),
        counter(
            "vm_shared_taken",
            Unit::Bytes,
            "Shared memory unmapped by reclaim.",
            |vm, scene| pages(vm, scene, S::ShmemTaken, |row| row.shmem_taken_pages),
        ),
        counter(
            "vm_reclaimed",
            Unit::Bytes,
            "Memory freed by direct and memcg reclaim of its threads, from any party: what it \
             caused.",
            |vm, scene| pages(vm, scene, S::DirectReclaim, |row| row.reclaimed_pages),
        ),
    ]
}

/// What reclaim cost its threads.
fn slowed() -> [Metric; 8] {
    use Signal as S;
    [
        Metric::of_vm(
            MetricKind::Counter,
            "vm_reclaims",
            Unit::None,
            &["kind"],
            "Reclaims by its threads: direct, and memcg.",
            |vm, _| {
                by([
                    ("direct", total(vm, S::DirectReclaim, |row| row.direct_reclaims)),
                    ("memcg", total(vm, S::MemcgReclaim, |row| row.memcg_reclaims)),
                ])
            },
        ),
        counter("vm_throttles", Unit::None, "Throttles of its threads in reclaim.", |vm, _| {
            alone(total(vm, S::Throttling, |row| row.throttles))
        }),
        counter("vm_compactions", Unit::None, "Direct compactions by its threads.", |vm, _| {
            alone(total(vm, S::Compaction, |row| row.compactions))
        }),
        counter(
            "vm_oom_kills",
            Unit::None,
            "Its tasks killed by the OOM killer. If the VM ends, its series end with it: see \
             memtrace_host_vm_oom_kills_total.",
            |vm, _| alone(total(vm, S::OomKills, |row| row.oom_kills)),
        ),
        counter("vm_oom_caused", Unit::None, "OOM kills triggered by its allocations.", |vm, _| {
            alone(total(vm, S::OomKills, |row| row.oom_caused))
        }),
        Metric::of_vm(
            MetricKind::Counter,
            "vm_stalled",
            Unit::Seconds,
            &["kind"],
            "Time its threads stalled on memory, by cause; the kinds don't overlap.",
            stalls,
        ),
        Metric::of_vm(
            MetricKind::Counter,
            "vm_pressure",
            Unit::Seconds,
            &["kind"],
            "Time that some, or all non-idle (full), tasks of its cgroup stalled on memory (PSI).",
            |vm, _| vm.psi.value.map(pressure).unwrap_or_default(),
        ),
        Metric::of_vm(
            MetricKind::Gauge,
            "vm_pressure_10s",
            Unit::Ratio,
            &["kind"],
            "The same, as the kernel's average of the last 10 seconds.",
            |vm, _| vm.psi.value.map(recent).unwrap_or_default(),
        ),
    ]
}

fn waited() -> [Metric; 3] {
    let waits = |name, help, read| {
        Metric::of_vm(MetricKind::Histogram, name, Unit::Seconds, &[], help, read)
    };
    [
        waits("vm_reclaim_wait", "Latency of direct and memcg reclaim.", |vm, _| {
            distribution(&vm.waits.reclaim)
        }),
        waits("vm_async_fault_wait", "Latency of KVM asynchronous page faults.", |vm, _| {
            distribution(&vm.waits.async_fault)
        }),
        waits(
            "vm_swap_in_wait",
            "Latency of swap-ins, by its threads and KVM's workers.",
            |vm, _| distribution(&vm.waits.swap_in),
        ),
    ]
}

/// TCG has no asynchronous faults; 0 would claim that they are measured.
fn may_be_kvm(vm: &VmView) -> bool {
    vm.accelerator != Some(Accelerator::Tcg)
}

fn raw(vm: &VmView, signal: Signal, field: fn(&VmCounters) -> u64) -> Option<u64> {
    vm.totals.value.as_ref().and_then(|totals| hooked(totals, signal, field))
}

fn total(vm: &VmView, signal: Signal, field: fn(&VmCounters) -> u64) -> Option<Value> {
    raw(vm, signal, field).map(Value::Count)
}

/// Major faults without their hook: those of its process, and those that kernel workers did for its
/// guest, which the kernel side alone tells and may be most of them.
fn by_process(vm: &VmView) -> Option<Value> {
    let (own, _) = vm.process_major_faults.value.zip(vm.totals.value.as_ref())?;
    let asynchronous = raw(vm, Signal::AsyncFaults, |row| row.async_faults_done).unwrap_or(0);
    Some(Value::Count(own.saturating_add(asynchronous)))
}

fn pages(
    vm: &VmView,
    scene: &Scene,
    signal: Signal,
    field: fn(&VmCounters) -> u64,
) -> Vec<Point<'static>> {
    alone(raw(vm, signal, field).map(|pages| in_bytes(scene, pages)))
}

/// The components of `stalled` in a snapshot.
fn stalls<'a>(vm: &'a VmView, _: &'a Scene) -> Vec<Point<'a>> {
    let time = |signal, field| raw(vm, signal, field).map(|ns| seconds(Nanos(ns)));
    let asynchronous =
        time(Signal::AsyncFaults, |row| row.async_fault_ns).filter(|_| may_be_kvm(vm));
    by([
        ("direct_reclaim", time(Signal::DirectReclaim, |row| row.direct_reclaim_ns)),
        ("memcg_reclaim", time(Signal::MemcgReclaim, |row| row.memcg_reclaim_ns)),
        ("compaction", time(Signal::Compaction, |row| row.compaction_ns)),
        ("async_fault", asynchronous),
        ("swap_in", time(Signal::SwapInWait, |row| row.swap_in_wait_ns)),
        ("throttle", time(Signal::ThrottleWait, |row| row.throttle_wait_ns)),
    ])
}

fn distribution(waits: &Measured<WaitTotals>) -> Vec<Point<'static>> {
    alone(waits.value.clone().map(Value::Waits))
}
