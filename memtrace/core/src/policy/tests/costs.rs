//! What memory costs on the host's side and on the guests', and what follows from it.

use super::fixture::{GIB, MIB, after, host, id, moves, pressed, slow_swap, vm};
use crate::policy::costs::follow;
use crate::policy::thought::{Change, Term, WhatIf};
use crate::policy::{Decisions, Memtrace, Observation, Policy, Rules, VmObservation};
use crate::units::{ByteRate, Bytes, Nanos, Percent, Rate};

/// A VM from which memtrace keeps 2 of its 4 GiB, and whose guest reads its files again.
fn reads_again() -> VmObservation {
    let mut reads = vm(1);
    (reads.actual, reads.rss) = (Some(Bytes(2 * GIB)), Some(Bytes(2 * GIB)));
    if let Some(guest) = &mut reads.guest {
        (guest.free, guest.available) = (Some(Bytes(64 * MIB)), Some(Bytes(GIB)));
        guest.major_faults = Some(Rate(5000.0));
    }
    reads
}

/// With less available than the reserve.
fn exhausted() -> Observation {
    host(3, 400, vec![reads_again(), vm(2)])
}

/// What it decides, where a page of the host's swap takes so many seconds.
fn decided(swap_wait: Option<f64>, look: &Observation) -> Decisions {
    let mut policy = Memtrace::default();
    policy.step(&host(1, 16 * 1024, vec![vm(1), vm(2)]));
    policy.step(&host(2, 16 * 1024, vec![vm(1), vm(2)]));
    policy.state.vms.get_mut(&id(1)).expect("it is known").sizes.clear();
    policy.state.swap_wait = swap_wait;
    policy.step(look)
}

fn given(swap_wait: Option<f64>, look: &Observation) -> i64 {
    let moves = moves(&decided(swap_wait, look));
    moves.iter().filter(|(vm, ..)| *vm == id(1)).map(|(_, _, mib)| *mib).sum()
}

#[test]
fn a_guest_that_pays_more_than_the_host_gets_memory_back_though_none_is_free() {
    // 0.1 % of 32 GiB.
    assert_eq!(given(Some(0.1e-3), &exhausted()), 32);
    assert_eq!(given(None, &exhausted()), 32, "what swap costs is found out by it");
}

#[test]
fn in_a_small_pool_it_gets_no_less() {
    let mut small = exhausted();
    (small.scope.total, small.scope.available) = (Some(Bytes(4 * GIB)), Some(Bytes(20 * MIB)));
    assert_eq!(given(Some(0.1e-3), &small), 32, "0.1 % would be 4");
}

#[test]
fn steps_that_follow_quickly_give_no_more_in_a_second() {
    let mut quick = exhausted();
    quick.at = Nanos(2_500_000_000);
    assert_eq!(given(Some(0.1e-3), &quick), 16, "half a second since the one before");
    let mut late = exhausted();
    late.at = Nanos(9 * Nanos::SECOND.0);
    assert_eq!(given(Some(0.1e-3), &late), 32, "and no more after a pause");
}

#[test]
fn it_gets_none_where_that_costs_more() {
    assert_eq!(given(Some(2e-3), &exhausted()), 0, "the swap is slow");
    let mut waits = exhausted();
    waits.vms[1].stalled = Some(Percent(300.0));
    assert_eq!(given(Some(0.1e-3), &waits), 0, "5000 faults a second are 2 s; VMs wait 3 s");
    let mut full = exhausted();
    full.scope.swap_free = Some(Bytes(GIB / 2));
    assert_eq!(given(Some(0.1e-3), &full), 0, "less than a tenth of the swap is left");
    let mut without = exhausted();
    (without.scope.swap_total, without.scope.swap_free) = (Some(Bytes(0)), Some(Bytes(0)));
    assert_eq!(given(None, &without), 0, "there is no swap");
}

#[test]
fn what_is_not_known_costs_as_much_as_it_may() {
    let mut unknown = exhausted();
    unknown.vms[1].stalled = None;
    assert_eq!(given(Some(0.1e-3), &unknown), 0);
    let mut unknown = exhausted();
    unknown.scope.swap_free = None;
    assert_eq!(given(Some(0.1e-3), &unknown), 0);
    let mut unknown = exhausted();
    unknown.vms[0].guest.iter_mut().for_each(|guest| guest.major_faults = None);
    assert_eq!(given(Some(0.1e-3), &unknown), 0);
}

#[test]
fn both_costs_are_explained() {
    let decisions = decided(Some(0.1e-3), &exhausted());
    let arithmetic = decisions.thoughts.iter().flat_map(|thought| &thought.arithmetic);
    let costs = arithmetic.filter(|term| matches!(term, Term::Costs { .. }));
    let expected = Term::Costs { host: Some(0.0), guests: Some(2.0), swap_wait: Some(0.1e-3) };
    assert_eq!(costs.collect::<Vec<_>>(), [&expected]);
}

/// What is taken in four looks, where a page of the host's swap takes so many seconds.
fn taken(swap_wait: Option<f64>, rules: Rules, look: impl Fn(u64) -> Observation) -> i64 {
    let mut policy = Memtrace::new(rules);
    policy.state.swap_wait = swap_wait;
    let decisions = (1..5).flat_map(|second| moves(&policy.step(&look(second))));
    decisions.map(|(_, _, mib)| mib).sum()
}

#[test]
fn where_swap_is_as_fast_as_guests_disks_what_they_use_is_left_to_the_hosts_reclaim() {
    let in_use =
        |swap_wait, look: &dyn Fn(u64) -> Observation| taken(swap_wait, Rules::default(), look);
    let short = |second| pressed(second, 1024, vec![vm(1)]);
    assert_eq!(in_use(Some(0.31e-3), &short), -204);
    assert_eq!(in_use(Some(0.3e-3), &short), 0);
    assert_eq!(in_use(None, &short), 0, "nobody has waited for a page yet");
    let full = |second| {
        let mut full = short(second);
        full.scope.swap_free = Some(Bytes(GIB / 2));
        full
    };
    assert!(in_use(Some(0.1e-3), &full) <= -204, "there is no room for more in it");
    let falls =
        |second: u64| pressed(second, if second < 4 { 20 * 1024 } else { 1024 }, vec![vm(1)]);
    assert!(in_use(Some(0.1e-3), &falls) <= -204, "it may be full before that shows");
}

#[test]
fn what_rises_and_falls_where_next_to_nothing_is_available_is_no_trend() {
    let wobbles =
        |second: u64| pressed(second, [400, 350, 250, 20][second as usize % 4], vec![vm(1)]);
    assert_eq!(taken(Some(0.1e-3), Rules::default(), wobbles), 0);
    let falls = |second: u64| pressed(second, 4000 - 900 * second, vec![vm(1)]);
    assert!(taken(Some(0.1e-3), Rules::default(), falls) < 0, "from 9 % to 1 in three seconds");
}

#[test]
fn memory_that_nobody_uses_is_taken_however_fast_the_swap_is() {
    let short = |second| {
        let mut unused = vm(1);
        unused.dead = Some(Bytes(GIB));
        pressed(second, 1024, vec![unused])
    };
    assert!(taken(Some(0.1e-3), Rules::default(), short) < 0);
}

#[test]
fn explain_says_that_a_slower_swap_would_have_it_taken() {
    let mut policy = Memtrace::default();
    policy.state.swap_wait = Some(0.1e-3);
    let waits = |second| {
        let mut waits = pressed(second, 1024, vec![vm(1)]);
        waits.vms[0].stalled = Some(Percent(5.0));
        waits
    };
    let decisions = after(&mut policy, 1..3, waits);
    let of_vm = decisions.thoughts.iter().find(|thought| thought.vm == Some(id(1)));
    let changes = vec![Change::SlowSwap { limit: 0.3e-3 }];
    assert_eq!(of_vm.expect("it was thought of").otherwise[0], WhatIf::Gives { changes });
}

fn followed(before: Option<f64>, seen: &Observation) -> Option<f64> {
    follow(&Rules::default(), before, seen)
}

/// VMs that swap in so many pages a second and wait so long.
fn swapping(pages: f64, seconds: f64) -> Observation {
    let mut vm = vm(1);
    vm.swap_in = Some(ByteRate(pages * 4096.0));
    vm.stalled = Some(Percent(seconds * 100.0));
    host(1, 400, vec![vm])
}

#[test]
fn the_time_of_a_page_rises_at_once_and_falls_slowly() {
    let first = followed(None, &swapping(1000.0, 0.1));
    assert_eq!(first, Some(0.1e-3));
    let risen = followed(first, &swapping(1000.0, 1.1)).expect("it is known");
    assert!((risen - 0.6e-3).abs() < 1e-9, "{risen}");
    let fallen = followed(Some(risen), &swapping(1000.0, 0.1)).expect("it is known");
    assert!((fallen - 0.59e-3).abs() < 1e-9, "{fallen}");
}

#[test]
fn few_pages_and_unknown_ones_say_nothing_of_it() {
    assert_eq!(followed(Some(0.1e-3), &swapping(100.0, 0.2)), Some(0.1e-3));
    assert_eq!(followed(None, &swapping(10.0, 5.0)), None, "others than for swap, most likely");
    let mut unknown = swapping(1000.0, 1.0);
    unknown.vms[0].swap_in = None;
    assert_eq!(followed(None, &unknown), None);
    let mut unknown = swapping(1000.0, 1.0);
    unknown.vms[0].stalled = None;
    assert_eq!(followed(Some(0.1e-3), &unknown), Some(0.1e-3));
}

#[test]
fn a_device_so_slow_that_it_brings_few_pages_is_seen_by_how_long_vms_wait_for_them() {
    assert_eq!(followed(None, &swapping(100.0, 1.0)), Some(10e-3));
    let risen = followed(Some(0.1e-3), &swapping(100.0, 1.0)).expect("it is known");
    assert!(risen > 1e-3, "{risen}");
    assert_eq!(followed(Some(20e-3), &swapping(100.0, 1.0)), Some(20e-3), "it may only rise by it");
}

#[test]
fn where_waits_for_swap_are_not_measured_what_others_take_tells_nothing_of_it() {
    let mut rules = Rules::default();
    rules.capabilities.swap_waits = false;
    assert_eq!(follow(&rules, None, &swapping(1000.0, 0.1)), None);
    assert_eq!(follow(&rules, Some(5e-3), &swapping(1000.0, 0.1)), None);
}

#[test]
fn what_a_page_took_is_forgotten_with_the_swap() {
    let waited = |totals: &[Option<u64>]| {
        let mut policy = slow_swap(Rules::default());
        for (second, total) in totals.iter().enumerate() {
            let mut look = pressed(second as u64, 8 * 1024, vec![vm(1)]);
            look.scope.swap_total = total.map(|gib| Bytes(gib * GIB));
            policy.step(&look);
        }
        policy.state.swap_wait
    };
    assert!(waited(&[Some(8), Some(8)]).is_some());
    assert!(waited(&[Some(8), None, Some(8)]).is_some(), "one reading failed");
    assert_eq!(waited(&[Some(8), Some(24)]), None, "another was added");
    assert_eq!(waited(&[Some(8), None, Some(24)]), None);
}
