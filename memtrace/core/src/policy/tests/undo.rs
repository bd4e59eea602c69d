//! Steps that cost a guest more than they spare the host are undone.

use super::fixture::{GIB, MIB, host, id, moves, slow_swap, vm};
use crate::policy::distress::thrashes;
use crate::policy::vm::GuestReport;
use crate::policy::{Decisions, Observation, Policy, Reason, Rules, VmObservation};
use crate::units::{Bytes, Nanos, Percent, Rate};

/// A VM of 4 GiB that memtrace made smaller by this many MiB, and whose guest since has so many
/// major faults a second.
fn smaller(taken: u64, faults: f64) -> VmObservation {
    let mut smaller = vm(1);
    smaller.actual = Some(Bytes(4 * GIB - taken * MIB));
    smaller.guest.iter_mut().for_each(|guest| {
        (guest.free, guest.available) = (Some(Bytes(200 * MIB)), Some(Bytes(2 * GIB)));
        guest.major_faults = Some(Rate(faults));
    });
    smaller
}

/// One that waits this part of its time for the host, which has 1 GiB of it in swap.
fn waits(percent: f64) -> VmObservation {
    let mut waits = vm(2);
    (waits.stalled, waits.swap) = (Some(Percent(percent)), Some(Bytes(GIB)));
    waits
}

/// Next to nothing available.
fn short(second: u64, vms: Vec<VmObservation>) -> Observation {
    host(second, 100, vms)
}

/// What is decided in this second, where in the second one 204 MiB were taken.
fn decided(second: u64, look: impl FnOnce(&mut Observation)) -> Decisions {
    let mut policy = slow_swap(Rules::default());
    policy.step(&short(1, vec![vm(1), waits(10.0)]));
    let taken = moves(&policy.step(&short(2, vec![vm(1), waits(10.0)])));
    assert_eq!(taken.iter().find(|(vm, ..)| *vm == id(1)), Some(&(id(1), "pressure", -204)));
    let mut last = short(second, vec![smaller(204, 1000.0), waits(10.0)]);
    look(&mut last);
    policy.step(&last)
}

fn given(decisions: &Decisions) -> i64 {
    moves(decisions).iter().filter(|(vm, ..)| *vm == id(1)).map(|(_, _, mib)| *mib).sum()
}

#[test]
fn a_step_that_costs_more_than_it_spares_is_undone_though_nothing_is_free() {
    let decisions = decided(5, |_| ());
    assert_eq!(given(&decisions), 204);
    let reason = decisions.actions.iter().find(|one| one.vm == id(1)).map(|one| &one.reason);
    let Some(&Reason::Undone { step, costs, spares, .. }) = reason else { panic!("{reason:?}") };
    assert_eq!(step.0 / MIB, 204);
    // 1,000 faults of 0.4 ms; a fifth of the 0.1 s that all wait with 1 GiB in swap.
    assert!((costs - 0.4).abs() < 1e-9 && (spares - 0.02).abs() < 1e-3, "{costs}, {spares}");
}

#[test]
fn one_that_spares_the_host_more_stays() {
    // 3 s a second for the host, so 0.6 for what was taken.
    assert!(given(&decided(5, |look| look.vms[1].stalled = Some(Percent(300.0)))) < 204);
}

#[test]
fn a_guest_that_hardly_waits_does_not_pay() {
    // Little is available, so that few faults suffice as distress; hardly any VM waits for the
    // host.
    let tight = |faults: f64| {
        decided(5, |look| {
            look.vms[0] = smaller(204, faults);
            let guest = look.vms[0].guest.as_mut().expect("it speaks");
            guest.available = Some(Bytes(700 * MIB));
            look.vms[1].stalled = Some(Percent(1.0));
        })
    };
    assert!(given(&tight(40.0)) < 200, "0.016 s a second");
    assert!(given(&tight(60.0)) >= 200, "0.024 s a second");
}

#[test]
fn nothing_is_undone_later_nor_where_the_swap_has_no_room_nor_where_waits_are_not_known() {
    assert!(given(&decided(63, |_| ())) < 204);
    assert!(given(&decided(5, |look| look.scope.swap_free = Some(Bytes(0)))) < 204);
    assert!(given(&decided(5, |look| look.scope.swap_free = None)) < 204);
    assert!(given(&decided(5, |look| look.vms[1].stalled = None)) < 204);
    assert!(given(&decided(5, |look| look.vms[1].swap = None)) < 204);
}

#[test]
fn a_guest_that_reads_again_is_full_at_the_marks_that_its_own_kernel_keeps() {
    let mut small = smaller(0, 1000.0);
    small.maximum = Some(Bytes(704 * MIB));
    let thrashes = |free: u64| {
        let report = GuestReport {
            size: Bytes(384 * MIB),
            free: Bytes(free * MIB),
            available: Bytes(160 * MIB),
            used: Bytes(224 * MIB),
            touched: Bytes(0),
            grown: Bytes(0),
            said: Nanos(0),
            doubt: None,
        };
        thrashes(&Rules::default(), &small, Some(&report), true)
    };
    // Its kswapd stops at 52 MiB, as of the 704 that it booted with: 14 % of what it has.
    assert_eq!([50, 60, 90, 120].map(thrashes), [true, true, true, false].map(Some));
}
