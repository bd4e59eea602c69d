//! Which numbers are approximate: a sample for each of them, and none for what is exact. The reason
//! is left out, as numbers in it would make a series of each.

use std::borrow::Cow;

use super::read::flag;
use super::table::{Metric, MetricKind, PREFIX, Point, Unit};
use memtrace_core::model::snapshot::{HostView, VmView};
use memtrace_core::signal::Quality;

pub(super) fn metrics() -> [Metric; 2] {
    [
        Metric::of_host(
            MetricKind::Gauge,
            "host_approximate",
            Unit::None,
            &["metric"],
            "1 for each gauge of the host whose value is approximate; no sample for others.",
            |scene| points(&of_host(&scene.snapshot.host)),
        ),
        Metric::of_vm(
            MetricKind::Gauge,
            "vm_approximate",
            Unit::None,
            &["metric"],
            "1 for each gauge of the VM whose value is approximate; no sample for others.",
            |vm, _| points(&of_vm(vm)),
        ),
    ]
}

fn of_host(host: &HostView) -> [(&'static str, &Quality); 10] {
    [
        ("host_memory_bytes", &host.memory_total.quality),
        ("host_memory_available_bytes", &host.memory_available.quality),
        ("host_memory_free_bytes", &host.memory_free.quality),
        ("host_memory_cached_bytes", &host.memory_cached.quality),
        ("host_swap_bytes", &host.swap_total.quality),
        ("host_swap_used_bytes", &host.swap_used.quality),
        ("host_swap_in_bytes_per_second", &host.swap_in.quality),
        ("host_swap_out_bytes_per_second", &host.swap_out.quality),
        ("host_pressure_10s_ratio", &host.psi.quality),
        ("host_allocated_bytes", &host.allocated.quality),
    ]
}

fn of_vm(vm: &VmView) -> [(&'static str, &Quality); 15] {
    [
        ("vm_cpu_ratio", &vm.cpu.quality),
        ("vm_stalled_ratio", &vm.stalled.quality),
        ("vm_caused_ratio", &vm.caused.quality),
        ("vm_swap_in_bytes_per_second", &vm.swap_in.quality),
        ("vm_balloon_actual_bytes", &vm.balloon_actual.quality),
        ("vm_balloon_maximum_bytes", &vm.balloon_maximum.quality),
        ("vm_resident_bytes", &vm.rss.quality),
        ("vm_swap_bytes", &vm.swap.quality),
        ("vm_hugetlb_bytes", &vm.hugetlb.quality),
        ("vm_locked_bytes", &vm.locked.quality),
        ("vm_cgroup_bytes", &vm.cgroup_usage.quality),
        ("vm_pressure_10s_ratio", &vm.psi.quality),
        ("vm_guest_memory_bytes", &vm.guest_total.quality),
        ("vm_guest_available_bytes", &vm.guest_available.quality),
        ("vm_dead_bytes", &vm.dead.quality),
    ]
}

fn points(all: &[(&str, &Quality)]) -> Vec<Point<'static>> {
    let approximate = all.iter().filter(|(_, quality)| matches!(quality, Quality::Approximate(_)));
    let point = |(name, _): &(&str, &Quality)| Point {
        labels: vec![Cow::Owned(format!("{PREFIX}_{name}"))],
        value: flag(true),
    };
    approximate.map(point).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::metrics::catalogue;
    use memtrace_core::fixture;
    use memtrace_core::model::Measured;
    use memtrace_core::units::ByteRate;

    #[test]
    fn each_is_a_gauge_of_the_table() {
        let snapshot = fixture::demo();
        let all = catalogue::all();
        let (host, vm) = (of_host(&snapshot.host), of_vm(&snapshot.vms[0]));
        let of = host.iter().map(|it| (it, false)).chain(vm.iter().map(|it| (it, true)));
        for ((name, _), is_of_vm) in of {
            let name = format!("{PREFIX}_{name}");
            let found = all.iter().find(|metric| metric.full_name() == name);
            let found = found.unwrap_or_else(|| panic!("no {name}"));
            assert_eq!((found.kind, found.is_of_vm()), (MetricKind::Gauge, is_of_vm), "{name}");
        }
    }

    #[test]
    fn what_is_approximate_has_a_sample_and_nothing_else_has() {
        let mut vm = fixture::vm("web", 7);
        vm.swap_in = Measured::exact(ByteRate(1.0));
        let before = points(&of_vm(&vm));
        vm.swap_in = Measured::approximate(ByteRate(1.0), "of 12 pages");
        let (mut after, name) = (points(&of_vm(&vm)), "memtrace_vm_swap_in_bytes_per_second");
        let added = after.iter().position(|point| point.labels == [name]).expect("it is there");
        assert_eq!(after.remove(added).value, flag(true));
        assert_eq!(after, before);
        vm.swap_in = Measured::absent("no programs");
        assert_eq!(points(&of_vm(&vm)), before);
    }
}
