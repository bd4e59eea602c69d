//! Guest statistics and their age.

use crate::fixture::samples::after;
use crate::model::Measured;
use crate::model::guest::without_balloon;
use crate::model::snapshot::VmView;
use crate::sample::GuestSample;
use crate::signal::Quality;
use crate::units::{Bytes, Nanos, WallNanos};

/// The VM when the guest last answered `seconds` before the sample.
fn answered(seconds: i64) -> VmView {
    after(|vm| {
        if let Some(stats) = &mut vm.guest.stats {
            // The fixture's guest answered one second before the sample.
            let shift = (seconds - 1) * 1_000_000_000;
            stats.updated = stats.updated.map(|at| WallNanos(at.0.saturating_add_signed(-shift)));
        }
    })
}

#[test]
fn a_fresh_answer_is_exact_and_has_its_age() {
    let vm = answered(5);
    assert_eq!(vm.guest_age, Measured::exact(Nanos(5_000_000_000)));
    assert_eq!(vm.guest_available.quality, Quality::Exact);
}

#[test]
fn an_answer_older_than_two_periods_is_stale() {
    let vm = answered(6);
    assert_eq!(
        vm.guest_available.quality,
        Quality::approximate("stale: the guest last answered 6 s ago")
    );
    assert!(vm.guest_available.value.is_some(), "a stale value is still shown");
}

#[test]
fn an_answer_from_the_future_has_no_age() {
    assert_eq!(answered(-1).guest_age, Measured::exact(Nanos(0)), "rounding explains a second");
    let vm = answered(-2);
    assert_eq!(vm.guest_age.value, None);
    assert_eq!(vm.guest_available.quality.word(), "approximate");
}

#[test]
fn the_balloon_is_in_the_total_of_some_guests() {
    const MIB: u64 = 1 << 20;
    let total = |total: u64, deflates| {
        let [actual, maximum] = [600, 1024].map(|mib| Some(Bytes(mib * MIB)));
        without_balloon(Bytes(total * MIB), deflates, actual, maximum).0 / MIB
    };
    assert_eq!(total(972, Some(true)), 548);
    assert_eq!(total(548, Some(true)), 548, "from a kernel that takes it out all the same");
    assert_eq!(total(548, Some(false)), 548);
    assert_eq!(total(972, Some(false)), 972, "from before the balloon grew");
    for windows in [Some(false), None] {
        assert_eq!(total(1023, windows), 599);
    }
    assert_eq!(total(2048, Some(false)), 2048, "memory that no balloon counts");
    assert_eq!(without_balloon(Bytes(5), Some(true), None, None), Bytes(5));
}

#[test]
fn without_statistics_each_number_tells_why() {
    let vm = after(|vm| {
        vm.guest.stats = None;
        vm.guest.actual = None;
        vm.guest.problem = Some("QMP did not answer in 500 ms".into());
    });
    let why = Quality::absent("QMP did not answer in 500 ms");
    for quality in [vm.guest_age.quality, vm.guest_available.quality, vm.balloon_actual.quality] {
        assert_eq!(quality, why);
    }
    assert!(vm.balloon_maximum.value.is_some());
}

#[test]
fn a_vm_that_nobody_can_be_asked_about_has_the_size_that_it_was_started_with() {
    let vm = after(|vm| {
        vm.guest = GuestSample::default();
        vm.guest.problem = Some("its libvirt is in a container".into());
        vm.allocated = Some(Bytes(16 << 30));
    });
    let started = Measured::approximate(Bytes(16 << 30), "what it was started with");
    assert_eq!(vm.balloon_maximum, started);
    assert_eq!(vm.balloon_actual.quality, Quality::absent("its libvirt is in a container"));
}

#[test]
fn a_number_that_the_guest_leaves_out_is_absent() {
    let vm = after(|vm| {
        if let Some(stats) = &mut vm.guest.stats {
            stats.available = None;
        }
    });
    assert_eq!(
        vm.guest_available,
        Measured::absent("the guest does not report its available memory")
    );
    assert!(vm.guest_total.value.is_some());
}

#[test]
fn more_than_the_vm_has_is_not_shown() {
    let told = |bytes: u64| {
        after(move |vm| {
            let told = Some(Bytes(bytes));
            vm.allocated = Some(Bytes(2 << 30));
            vm.guest.maximum = Some(Bytes(1 << 30));
            vm.guest.actual = told;
            let stats = vm.guest.stats.as_mut().expect("the fixture has them");
            (stats.total, stats.free, stats.available, stats.disk_caches) =
                (told, told, told, told);
        })
    };
    // Memory that no balloon counts is the VM's as well.
    let vm = told(2 << 30);
    assert_eq!(vm.guest_available, Measured::exact(Bytes(2 << 30)));
    for bytes in [(2 << 30) + 1, 1 << 63, u64::MAX] {
        let vm = told(bytes);
        assert_eq!(vm.balloon_actual, Measured::absent("it is told to be more than the VM has"));
        let absent = Measured::absent("the guest tells of more memory than the VM has");
        assert_eq!((&vm.guest_total, &vm.guest_available), (&absent, &absent));
        let stats = vm.guest_stats.value.expect("it has others");
        assert_eq!((stats.total, stats.free, stats.disk_caches), (None, None, None));
        assert!(stats.major_faults.is_some());
    }
}

#[test]
fn a_guest_that_is_wrong_in_one_size_is_not_believed_in_the_others() {
    let vm = after(|vm| {
        vm.guest.stats.as_mut().expect("the fixture has them").disk_caches = Some(Bytes(u64::MAX));
    });
    let absent = Measured::absent("the guest tells of more memory than the VM has");
    assert_eq!((&vm.guest_total, &vm.guest_available), (&absent, &absent));
}
