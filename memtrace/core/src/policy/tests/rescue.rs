//! A guest that runs out of memory gets back what was taken, though nothing is free.

use super::fixture::{GIB, MIB, host, id, moves, slow_swap, vm};
use crate::policy::{Observation, Policy, Reason, Rules, VmObservation};
use crate::units::{Bytes, Percent};

/// A VM of 4 GiB that is made smaller by 204 MiB, and has so much available since.
fn squeezed(available: u64) -> VmObservation {
    let mut squeezed = vm(1);
    squeezed.actual = Some(Bytes(4 * GIB - 204 * MIB));
    squeezed.guest.iter_mut().for_each(|guest| {
        (guest.free, guest.available) = (Some(Bytes(64 * MIB)), Some(Bytes(available * MIB)));
    });
    squeezed
}

/// What it gets where the host has next to nothing, and why.
fn given(look: impl FnOnce(&mut Observation)) -> (i64, Option<Reason>) {
    let mut waits = vm(2);
    waits.stalled = Some(Percent(10.0));
    let mut policy = slow_swap(Rules::default());
    policy.step(&host(1, 100, vec![vm(1), waits.clone()]));
    let taken = moves(&policy.step(&host(2, 100, vec![vm(1), waits.clone()])));
    assert!(taken.contains(&(id(1), "pressure", -204)), "{taken:?}");
    let mut last = host(5, 100, vec![squeezed(150), waits]);
    look(&mut last);
    let decisions = policy.step(&last);
    let mib =
        moves(&decisions).iter().filter(|(vm, ..)| *vm == id(1)).map(|(_, _, mib)| *mib).sum();
    let reason = decisions.actions.iter().find(|one| one.vm == id(1)).map(|one| &one.reason);
    (mib, reason.cloned())
}

#[test]
fn it_gets_a_least_step_of_what_was_taken() {
    let (mib, reason) = given(|_| ());
    assert_eq!(mib, 64);
    let Some(Reason::RunsOut { has, low, taken }) = reason else { panic!("{reason:?}") };
    assert!(has < low, "{has} % of {low}");
    assert_eq!(taken.0 / MIB, 204);
}

#[test]
fn one_that_has_some_left_waits_for_what_is_free() {
    assert!(given(|look| look.vms[0] = squeezed(210)).0 <= 0, "5.4 % available");
}

#[test]
fn nothing_comes_back_where_swap_is_full_or_may_be() {
    assert!(given(|look| look.scope.swap_free = Some(Bytes(0))).0 <= 0);
    assert!(given(|look| look.scope.swap_free = None).0 <= 0);
}

#[test]
fn a_guest_from_which_nothing_is_kept_gets_nothing() {
    let all = |look: &mut Observation| {
        look.vms[0] = squeezed(150);
        look.vms[0].actual = Some(Bytes(4 * GIB));
    };
    assert!(given(all).0 <= 0);
}
