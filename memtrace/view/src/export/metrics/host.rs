//! The metrics of the host.

use std::borrow::Cow;
use std::collections::BTreeMap;

use memtrace_ebpf::{HostCounters, VmCounters};

use super::read::{
    alone, bytes, flag, hooked, in_bytes, number, per_second, pressure, recent, seconds,
};
use super::scene::Scene;
use super::table::{Metric, MetricKind, Point, Unit, Value};
use memtrace_core::model::totals::HostTotals;
use memtrace_core::signal::Signal;
use memtrace_core::text::clean;
use memtrace_core::units::Nanos;

/// Maximum number of swap devices (MAX_SWAPFILES, linux/swap.h).
const MOST_DEVICES: usize = 32;

pub(super) fn metrics() -> Vec<Metric> {
    [memory().as_slice(), &swap(), &moved(), &counted(), &promised()].concat()
}

fn memory() -> [Metric; 5] {
    use MetricKind::{Gauge, Info};
    let of = Metric::of_host;
    [
        of(Info, "host", Unit::None, &["hostname", "kernel"], "The host.", |scene| {
            let host = &scene.snapshot.host;
            let text = |text: &'_ Option<String>| {
                Cow::Owned(clean(text.as_deref().unwrap_or_default()).into_owned())
            };
            vec![Point {
                labels: vec![text(&host.hostname), text(&host.kernel)],
                value: flag(true),
            }]
        }),
        of(Gauge, "host_memory", Unit::Bytes, &[], "Memory of the host.", |scene| {
            bytes(&scene.snapshot.host.memory_total)
        }),
        of(
            Gauge,
            "host_memory_available",
            Unit::Bytes,
            &[],
            "MemAvailable, and what ZFS's ARC gives back.",
            |scene| bytes(&scene.snapshot.host.memory_available),
        ),
        of(Gauge, "host_memory_free", Unit::Bytes, &[], "MemFree.", |scene| {
            bytes(&scene.snapshot.host.memory_free)
        }),
        of(Gauge, "host_memory_cached", Unit::Bytes, &[], "Buffers and page cache.", |scene| {
            bytes(&scene.snapshot.host.memory_cached)
        }),
    ]
}

fn swap() -> [Metric; 5] {
    use MetricKind::Gauge;
    let of = Metric::of_host;
    [
        of(Gauge, "host_swap", Unit::Bytes, &[], "Swap size of the host.", |scene| {
            bytes(&scene.snapshot.host.swap_total)
        }),
        of(Gauge, "host_swap_used", Unit::Bytes, &[], "Swap in use.", |scene| {
            bytes(&scene.snapshot.host.swap_used)
        }),
        of(
            Gauge,
            "host_swap_device",
            Unit::Bytes,
            &["path"],
            "Size of each swap device or file.",
            |scene| {
                // Duplicate series would fail the whole scrape.
                let devices: BTreeMap<String, u64> = scene
                    .snapshot
                    .host
                    .swaps
                    .iter()
                    .take(MOST_DEVICES)
                    .map(|device| (clean(&device.path).into_owned(), device.size.0))
                    .collect();
                let point = |(path, size)| Point {
                    labels: vec![Cow::Owned(path)],
                    value: Value::Count(size),
                };
                devices.into_iter().map(point).collect()
            },
        ),
        of(
            Gauge,
            "host_swap_in",
            Unit::BytesPerSecond,
            &[],
            "Swap-in rate of the host in the interval.",
            |scene| per_second(scene.snapshot.host.swap_in.value),
        ),
        of(
            Gauge,
            "host_swap_out",
            Unit::BytesPerSecond,
            &[],
            "Swap-out rate of the host in the interval.",
            |scene| per_second(scene.snapshot.host.swap_out.value),
        ),
    ]
}

/// From /proc/vmstat, since the host started.
fn moved() -> [Metric; 3] {
    use MetricKind::Counter;
    let of = Metric::of_host;
    [
        of(Counter, "host_swap_in", Unit::Bytes, &[], "Read from swap.", |scene| {
            bytes(&scene.snapshot.host.swap_in_total)
        }),
        of(Counter, "host_swap_out", Unit::Bytes, &[], "Written to swap.", |scene| {
            bytes(&scene.snapshot.host.swap_out_total)
        }),
        of(
            Counter,
            "host_direct_reclaims",
            Unit::None,
            &[],
            "Direct reclaims of all processes, of the whole host's memory.",
            |scene| alone(scene.snapshot.host.direct_reclaims_total.value.map(Value::Count)),
        ),
    ]
}

/// Since the host, or memtrace, started.
fn counted() -> [Metric; 6] {
    use MetricKind::Counter;
    let of = Metric::of_host;
    [
        of(
            Counter,
            "host_pressure",
            Unit::Seconds,
            &["kind"],
            "Time that some, or all non-idle (full), tasks stalled on memory (PSI).",
            |scene| scene.snapshot.host.psi.value.map(pressure).unwrap_or_default(),
        ),
        of(
            MetricKind::Gauge,
            "host_pressure_10s",
            Unit::Ratio,
            &["kind"],
            "The same, as the kernel's average of the last 10 seconds.",
            |scene| scene.snapshot.host.psi.value.map(recent).unwrap_or_default(),
        ),
        of(
            Counter,
            "host_kswapd_active",
            Unit::Seconds,
            &[],
            "Time that kswapd was active, sum of all NUMA nodes.",
            |scene| of_host(scene, Signal::Kswapd, |host| host.kswapd_active_ns),
        ),
        of(
            Counter,
            "host_other_swap_out",
            Unit::Bytes,
            &[],
            "Memory of non-VM processes swapped out by reclaim.",
            |scene| {
                of_others(scene, Signal::SwapOut, |others| others.swap_out_pages)
                    .map(|pages| in_bytes(scene, pages))
                    .map_or_else(Vec::new, |value| alone(Some(value)))
            },
        ),
        of(
            Counter,
            "host_vm_oom_kills",
            Unit::None,
            &[],
            "VMs killed by the OOM killer, including those that are gone.",
            |scene| {
                let kills = totals(scene).and_then(|totals| totals.vm_oom_kills);
                alone(kills.map(Value::Count))
            },
        ),
        of(
            Counter,
            "host_other_oom_kills",
            Unit::None,
            &[],
            "Non-VM processes killed by the OOM killer.",
            |scene| {
                let kills = of_others(scene, Signal::OomKills, |others| others.oom_kills);
                alone(kills.map(Value::Count))
            },
        ),
    ]
}

/// What the VMs together may use.
fn promised() -> [Metric; 2] {
    use MetricKind::Gauge;
    let of = Metric::of_host;
    [
        of(Gauge, "host_allocated", Unit::Bytes, &[], "Sum of the VMs' maximum sizes.", |scene| {
            bytes(&scene.snapshot.host.allocated)
        }),
        of(
            Gauge,
            "host_overcommit",
            Unit::Ratio,
            &[],
            "Sum of the VMs' maximum sizes, divided by host memory.",
            |scene| alone(scene.snapshot.host.overcommit.value.and_then(number)),
        ),
    ]
}

fn totals(scene: &Scene) -> Option<&HostTotals> {
    scene.snapshot.host.totals.value.as_ref()
}

fn of_host(scene: &Scene, signal: Signal, ns: fn(&HostCounters) -> u64) -> Vec<Point<'static>> {
    let time = totals(scene).and_then(|totals| hooked(&totals.host, signal, ns));
    alone(time.map(|ns| seconds(Nanos(ns))))
}

fn of_others(scene: &Scene, signal: Signal, field: fn(&VmCounters) -> u64) -> Option<u64> {
    totals(scene).and_then(|totals| hooked(&totals.other, signal, field))
}
