//! A balloon moved by the guest's own driver, and one moved by another program.

use super::fixture::{GIB, MIB, after, gate, host, id, moves, pressed, slow_swap, vm};
use crate::policy::{
    Decisions, GateKind, Memtrace, Observation, Policy, Reason, Rules, VmObservation,
};
use crate::units::{Bytes, Nanos};

/// The VM with this size, of which so much is available, in MiB.
fn sized(size: u64, available: u64) -> VmObservation {
    let mut vm = vm(1);
    vm.deflate_on_oom = Some(true);
    vm.actual = Some(Bytes(size * MIB));
    vm.rss = Some(Bytes(size * MIB));
    if let Some(guest) = &mut vm.guest {
        guest.age = Some(Nanos(0));
        guest.available = Some(Bytes(available * MIB));
        guest.free = Some(Bytes(available * MIB / 2));
    }
    vm
}

fn changed(mut vm: VmObservation, change: impl FnOnce(&mut VmObservation)) -> VmObservation {
    change(&mut vm);
    vm
}

/// Without pressure, and with nothing above the reserve that could be given.
fn resting(second: u64, vm: VmObservation) -> Observation {
    host(second, 980, vec![vm])
}

/// A policy that took 204 MiB in second 2, and the balloon went there in second 4.
fn shrunk() -> Memtrace {
    let mut policy = slow_swap(Rules::default());
    let decisions = after(&mut policy, 1..3, |at| pressed(at, 5 * 1024, vec![sized(4096, 3072)]));
    assert_eq!(moves(&decisions), [(id(1), "pressure", -204)]);
    after(&mut policy, 3..5, |at| resting(at, sized(3892, 2868)));
    policy
}

fn ours(decisions: &Decisions) -> bool {
    gate(decisions, Some(id(1)), GateKind::OursAlone).0
}

fn holds(policy: &Memtrace) -> bool {
    policy.holds(id(1), Bytes(4 * GIB))
}

#[test]
fn a_guest_that_was_short_and_let_go_is_nobody_elses_hand() {
    let mut policy = shrunk();
    // Its last statistics are from before.
    let before = changed(sized(3950, 1000), |vm| {
        vm.guest.iter_mut().for_each(|guest| guest.age = Some(Nanos::SECOND));
    });
    assert!(!ours(&policy.step(&resting(5, before))), "nobody knows yet");
    assert!(holds(&policy), "so that nothing is forgotten");
    let decisions = policy.step(&resting(6, sized(3950, 60)));
    assert!(ours(&decisions) && holds(&policy));
    assert!(!gate(&decisions, Some(id(1)), GateKind::AtEase).0, "it is in need");
    assert!(gate(&decisions, Some(id(1)), GateKind::Moving).0, "nor is its balloon stuck");
}

#[test]
fn the_device_keeps_what_it_was_told_and_the_driver_may_go_there_again() {
    let mut policy = shrunk();
    // Short, and not so short that it is sent elsewhere.
    after(&mut policy, 5..7, |at| resting(at, sized(3950, 300)));
    assert!(ours(&policy.step(&resting(7, sized(3892, 60)))));
    let mut policy = shrunk();
    after(&mut policy, 5..7, |at| resting(at, sized(3950, 300)));
    assert!(!ours(&policy.step(&resting(7, sized(3600, 60)))), "it was never sent there");
}

#[test]
fn a_balloon_that_grew_for_no_need_of_its_guest_was_moved_by_somebody_else() {
    let told = |change: fn(&mut VmObservation)| {
        let mut policy = shrunk();
        let look = |at| resting(at, changed(sized(3950, 60), change));
        let decisions = after(&mut policy, 5..9, look);
        (ours(&decisions), holds(&policy))
    };
    assert_eq!(told(|_| {}), (true, true));
    let elsewhere = (false, false);
    assert_eq!(told(|vm| vm.deflate_on_oom = Some(false)), elsewhere);
    assert_eq!(told(|vm| vm.deflate_on_oom = None), elsewhere);
    let has_plenty = |vm: &mut VmObservation| {
        vm.guest.iter_mut().for_each(|guest| guest.available = Some(Bytes(GIB)));
    };
    assert_eq!(told(has_plenty), elsewhere);
    // Without the guest's statistics the cause is unknown, and it is left alone for as long.
    assert_eq!(told(|vm| vm.guest = None), (false, true));
}

#[test]
fn letting_go_does_not_end_the_time_after_an_operators_order() {
    let mut policy = shrunk();
    let decisions = after(&mut policy, 5..7, |at| resting(at, sized(3600, 2576)));
    assert!(!ours(&decisions));
    assert!(!ours(&after(&mut policy, 7..20, |at| resting(at, sized(3700, 60)))));
}

#[test]
fn a_guest_that_boots_again_moves_its_balloon_itself_and_is_left_to_boot() {
    let mut policy = shrunk();
    let booting = |second: u64, size: u64, rebooted: bool| {
        let cpu_time = Nanos((100 + second) * Nanos::SECOND.0);
        let vm = changed(sized(size, 2800), |vm| {
            vm.deflate_on_oom = Some(false);
            vm.cpu_time = Some(cpu_time);
            vm.guest.iter_mut().for_each(|guest| {
                guest.rebooted = rebooted;
                guest.age = Some(Nanos(if rebooted { 0 } else { 2 * Nanos::SECOND.0 }));
            });
        });
        resting(second, vm)
    };
    // The new driver begins with an empty balloon, and its first statistics come after that.
    let decisions = policy.step(&booting(5, 4096, false));
    assert!(!ours(&decisions) && holds(&policy));
    let decisions = policy.step(&booting(6, 4000, true));
    assert!(ours(&decisions) && holds(&policy));
    let (open, reason) = gate(&decisions, Some(id(1)), GateKind::Booted);
    assert!(!open && matches!(reason, Reason::Booted { time: Nanos(0), .. }), "{reason:?}");
    let decisions = policy.step(&booting(7, 3892, false));
    assert!(ours(&decisions) && holds(&policy), "it is back at what it was told");
    assert!(!gate(&decisions, Some(id(1)), GateKind::Booted).0);
    let decisions = policy.step(&booting(50, 3892, false));
    assert!(gate(&decisions, Some(id(1)), GateKind::Booted).0, "20 s for each of two CPUs");
    // The statistics may come first as well.
    let mut policy = shrunk();
    policy.step(&booting(5, 3892, true));
    for (second, size) in [(6, 4096), (7, 3950), (8, 3892)] {
        assert!(ours(&policy.step(&booting(second, size, false))) && holds(&policy), "{size}");
    }
}

/// Statistics of this age, in seconds, from a guest that booted again or not; none without an age.
fn says(second: u64, size: u64, age: Option<u64>, rebooted: bool) -> Observation {
    let vm = changed(sized(size, 2800), |vm| {
        vm.deflate_on_oom = Some(false);
        vm.cpu_time = Some(Nanos((100 + second) * Nanos::SECOND.0));
        vm.guest = vm.guest.filter(|_| age.is_some());
        vm.guest.iter_mut().for_each(|guest| {
            guest.rebooted = rebooted;
            guest.age = age.map(|age| Nanos(age * Nanos::SECOND.0));
        });
    });
    resting(second, vm)
}

#[test]
fn a_driver_that_takes_minutes_to_start_moves_its_balloon_itself() {
    // Windows: the device is reset, the driver inflates again, the service tells later still.
    let mut policy = shrunk();
    policy.step(&says(5, 3892, Some(0), false));
    assert!(!ours(&after(&mut policy, 6..100, |at| says(at, 4096, None, false))));
    assert!(!ours(&after(&mut policy, 100..120, |at| says(at, 3892, None, false))));
    let decisions = policy.step(&says(120, 3892, Some(0), true));
    assert!(ours(&decisions) && holds(&policy), "it went where it was told before");
}

#[test]
fn moves_since_the_last_statistics_before_a_boot_were_the_drivers() {
    let mut policy = slow_swap(Rules::default());
    after(&mut policy, 1..5, |at| says(at, 3000, Some(0), false));
    // Somebody's size of before, which nobody here sent it to.
    after(&mut policy, 5..8, |at| says(at, 4096, None, false));
    assert!(!ours(&after(&mut policy, 8..12, |at| says(at, 3000, None, false))));
    let decisions = policy.step(&says(12, 3000, Some(0), true));
    assert!(ours(&decisions), "{:?}", gate(&decisions, Some(id(1)), GateKind::OursAlone));
}

#[test]
fn a_boot_does_not_end_the_time_after_an_operators_order_before_it() {
    let mut policy = shrunk();
    after(&mut policy, 5..9, |at| says(at, 3600, Some(0), false));
    after(&mut policy, 9..12, |at| says(at, 4096, None, false));
    assert!(!ours(&policy.step(&says(12, 3600, Some(0), true))));
}
