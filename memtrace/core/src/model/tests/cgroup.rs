//! Numbers of a cgroup are the VM's only while it has the cgroup to itself.

use crate::fixture::samples::{after, between};
use crate::model::Measured;
use crate::sample::CgroupSample;
use crate::signal::Quality;
use crate::units::{Bytes, Limit, Rate};

fn with(change: impl FnOnce(&mut CgroupSample)) -> crate::model::snapshot::VmView {
    after(|vm| change(vm.cgroup.get_or_insert_default()))
}

#[test]
fn a_cgroup_of_its_own_is_exact() {
    let vm = with(|_| {});
    for quality in [&vm.cgroup_usage.quality, &vm.cgroup_limit.quality, &vm.psi.quality] {
        assert_eq!(*quality, Quality::Exact);
    }
}

#[test]
fn a_shared_cgroup_is_approximate_and_tells_how_many_share_it() {
    let vm = with(|cgroup| cgroup.vms = 3);
    let shared = Quality::approximate("of a cgroup that 3 VMs share");
    for quality in [vm.cgroup_usage.quality, vm.cgroup_limit.quality, vm.psi.quality] {
        assert_eq!(quality, shared);
    }
}

#[test]
fn the_root_cgroup_is_never_a_vms_own() {
    let vm = with(|cgroup| {
        cgroup.path = "/".into();
        cgroup.stat.workingset_refault_anon = Some(1000);
    });
    assert_eq!(vm.refaults.value, None);
    assert_eq!(vm.cgroup_usage.quality.word(), "approximate");
}

#[test]
fn no_limit_is_known_and_is_not_unknown() {
    let unlimited = with(|cgroup| cgroup.limit = Some(Limit::Unlimited));
    assert_eq!(unlimited.cgroup_limit, Measured::exact(Limit::Unlimited));
    let unknown = with(|cgroup| cgroup.limit = None);
    assert_eq!(unknown.cgroup_limit, Measured::absent("not read this time"));
}

#[test]
fn an_unread_value_has_the_problem() {
    let vm = with(|cgroup| {
        cgroup.usage = None;
        cgroup.problem = Some("memory.current: permission denied".into());
    });
    assert_eq!(vm.cgroup_usage, Measured::absent("memory.current: permission denied"));
    assert_eq!(vm.cgroup_limit.value, Some(Limit::At(Bytes(1024 * 1024 * 1024))));
}

#[test]
fn version_1_has_no_memory_high() {
    let vm = with(|cgroup| (cgroup.version, cgroup.high) = (1, None));
    assert_eq!(vm.cgroup_high, Measured::absent("cgroup v1 has no memory.high"));
}

#[test]
fn totals_of_another_cgroup_are_not_compared() {
    let refaults = |path: &str| {
        let moved = path.to_owned();
        between(
            |vm| vm.cgroup.get_or_insert_default().path = moved,
            |vm| {
                vm.cgroup.get_or_insert_default().stat.workingset_refault_anon = Some(500);
            },
        )
        .refaults
    };
    assert_eq!(refaults("/machine.slice/a"), Measured::exact(Rate(500.0)));
    assert_eq!(refaults("/somewhere/else"), Measured::absent("not read the time before"));
}

#[test]
fn pressure_that_is_no_number_is_absent() {
    let vm = with(|cgroup| {
        if let Some(psi) = &mut cgroup.psi {
            psi.some.avg60 = f64::NAN;
        }
    });
    assert_eq!(vm.psi.value, None);
}

#[test]
fn missing_pressure_says_which_kind_of_missing_it_is() {
    let old = with(|cgroup| (cgroup.version, cgroup.psi) = (1, None));
    assert_eq!(old.psi, Measured::absent("cgroup v1 has no memory.pressure"));
    let off = with(|cgroup| (cgroup.version, cgroup.psi) = (2, None));
    assert!(off.psi.quality.reason().is_some_and(|reason| reason.contains("PSI")));
}

#[test]
fn other_processes_in_the_cgroup_make_its_numbers_approximate() {
    let vm = with(|cgroup| cgroup.alone = false);
    assert_eq!(
        vm.cgroup_usage.quality,
        Quality::approximate("of a cgroup that other processes share")
    );
    assert_eq!(vm.refaults.value, None);
}
