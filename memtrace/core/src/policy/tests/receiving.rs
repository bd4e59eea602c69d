//! Receiving, the last escalation step, and remembered state, by examples.

use super::fixture::{GIB, MIB, after, gate, host, id, moves, pressed, slow_swap, vm};
use crate::policy::reason::{Distress, Uncounted};
use crate::policy::state::{Level, PolicyState};
use crate::policy::{GateKind, Policy, Reason, Rules, VmObservation};
use crate::units::{ByteRate, Bytes, Nanos, Percent, Rate};

/// What is decided on a host with 5 GiB of 32 available (15.6 %, soft) on the second look.
fn soft(vms: &[VmObservation]) -> crate::policy::Decisions {
    after(&mut slow_swap(Rules::default()), 1..3, |second| host(second, 5 * 1024, vms.to_vec()))
}

fn with(change: impl FnOnce(&mut VmObservation)) -> VmObservation {
    let mut changed = vm(1);
    change(&mut changed);
    changed
}

fn squeezed(available: u64) -> VmObservation {
    with(|vm| {
        vm.actual = Some(Bytes(2 * GIB));
        vm.rss = Some(Bytes(2 * GIB));
        if let Some(guest) = &mut vm.guest {
            guest.free = Some(Bytes(available.min(64) * MIB));
            guest.available = Some(Bytes(available * MIB));
        }
    })
}

#[test]
fn a_vm_in_distress_gets_memory_at_once_and_again() {
    let mut policy = slow_swap(Rules::default());
    let first = policy.step(&host(1, 16 * 1024, vec![squeezed(60)]));
    assert_eq!(moves(&first), [(id(1), "distress", 452)]);
    let grown = with(|vm| {
        vm.actual = Some(Bytes(2500 * MIB));
        vm.rss = Some(Bytes(2500 * MIB));
        vm.guest.iter_mut().for_each(|guest| {
            guest.free = Some(Bytes(0));
            guest.available = Some(Bytes(60 * MIB));
        });
    });
    assert_eq!(moves(&policy.step(&host(2, 16 * 1024, vec![grown])))[0].1, "distress");
}

#[test]
fn what_is_not_known_is_no_reason_to_help() {
    let mut silent = squeezed(300);
    if let Some(guest) = &mut silent.guest {
        (guest.major_faults, guest.swap_in, guest.swap_out) = (None, None, None);
    }
    let decisions = slow_swap(Rules::default()).step(&host(1, 16 * 1024, vec![silent]));
    let reason = &decisions.actions.first().expect("it is helped").reason;
    let Reason::Relief { from: Distress::Available(share), .. } = reason else {
        panic!("{reason:?}")
    };
    assert!((14.6..14.7).contains(share), "{share}");
}

/// 3.3 GiB of shared memory are resident, and the rest is in swap that no process shows.
fn swapped_shmem(uncounted: Option<Uncounted>) -> VmObservation {
    let mut vm = squeezed(160);
    vm.actual = Some(Bytes(3500 * MIB));
    vm.rss = Some(Bytes(1400 * MIB));
    vm.swap = Some(Bytes(9 * MIB));
    vm.uncounted = uncounted;
    vm
}

#[test]
fn a_guest_of_swapped_shared_memory_is_given_some_and_nothing_is_taken_from_it() {
    let reason = Uncounted::Shared;
    let first = |vm| slow_swap(Rules::default()).step(&host(1, 5 * 1024, vec![vm]));
    let given = moves(&first(swapped_shmem(Some(reason))));
    assert!(matches!(given[..], [(_, "distress", bytes)] if bytes > 0), "{given:?}");
    let at_ease = |mut vm: VmObservation| {
        vm.guest.iter_mut().for_each(|guest| guest.available = Some(Bytes(1700 * MIB)));
        vm.rss = Some(Bytes(900 * MIB));
        vm
    };
    let decisions = soft(&[at_ease(swapped_shmem(Some(reason)))]);
    let (open, why) = gate(&decisions, Some(id(1)), GateKind::Statistics);
    assert_eq!((open, why), (false, Reason::UsesUncounted { why: reason }));
    assert_eq!(moves(&decisions), []);
    assert_eq!(moves(&first(swapped_shmem(None))), [], "of which all is counted");
}

#[test]
fn a_guest_whose_process_takes_more_than_its_size_is_given_some() {
    let mut vm = squeezed(60);
    vm.rss = Some(Bytes(3 * GIB));
    let decisions = slow_swap(Rules::default()).step(&host(1, 16 * 1024, vec![vm]));
    assert!(matches!(moves(&decisions)[..], [(_, "distress", 1..)]), "{decisions:?}");
    let (open, why) = gate(&decisions, Some(id(1)), GateKind::Statistics);
    assert!(!open && matches!(why, Reason::BalloonFreesNothing { .. }), "{why:?}");
}

#[test]
fn what_is_not_free_is_not_given_and_is_taken_from_others_first() {
    let mut policy = slow_swap(Rules::default());
    let pressed = |second| {
        let mut suffering = squeezed(60);
        suffering.id = id(9);
        suffering.swap_in = Some(ByteRate(8.0 * MIB as f64));
        suffering.stalled = Some(Percent(20.0));
        // Less than the reserve of 898 MiB.
        host(second, 800, vec![vm(1), suffering])
    };
    let decisions = after(&mut policy, 1..3, pressed);
    assert_eq!(moves(&decisions), [(id(1), "pressure", -204)]);
    assert!(policy.state.owed >= Bytes(400 * MIB));
}

#[test]
fn a_vm_that_hurt_at_a_size_is_not_shrunk_to_it_again() {
    let mut policy = slow_swap(Rules::default());
    after(&mut policy, 1..3, |second| host(second, 16 * 1024, vec![vm(1)]));
    policy.state.vms.get_mut(&id(1)).expect("it is known").sizes.clear();
    policy.step(&host(3, 1024, vec![squeezed(60)]));
    let learnt = policy.state.vms[&id(1)].learnt.expect("it hurt below its size").0;
    // 2 GiB for 1988 MiB in use, and a fifth more.
    assert!((1.23..1.25).contains(&learnt), "{learnt:?}");
}

#[test]
fn when_calm_what_was_taken_goes_back_slowly() {
    let mut policy = slow_swap(Rules::default());
    after(&mut policy, 1..3, |second| pressed(second, 5 * 1024, vec![vm(1)]));
    let shrunk =
        |second| host(second, 20 * 1024, vec![with(|vm| vm.actual = Some(Bytes(3892 * MIB)))]);
    let mut grown: Vec<(u64, i64)> = Vec::new();
    for second in 3..160 {
        grown.extend(moves(&policy.step(&shrunk(second))).iter().map(|one| (second, one.2)));
    }
    assert_eq!(grown.first().map(|one| one.1), Some(204));
    assert!(grown.first().is_some_and(|one| one.0 >= 122), "{grown:?}");
    assert!(grown.windows(2).all(|pair| pair[1].0 - pair[0].0 >= 10), "{grown:?}");
}

#[test]
fn cold_memory_is_won_back_only_where_balloons_give_nothing() {
    // Less than the reserve of 983 MiB, and another VM waits for some.
    let waiting = || VmObservation { id: id(9), ..squeezed(60) };
    let none = |second| {
        let none = with(|vm| vm.no_balloon = Some(Reason::NoConnection));
        host(second, 900, vec![none, waiting()])
    };
    let mut policy = slow_swap(Rules::default());
    assert_eq!(moves(&after(&mut policy, 1..11, none)), []);
    assert_eq!(moves(&after(&mut policy, 11..12, none)), [(id(1), "reclaim", -32)]);
    assert_eq!(moves(&after(&mut policy, 12..16, none)), []);
    assert_eq!(moves(&after(&mut policy, 16..17, none)), [(id(1), "reclaim", -32)]);
    let pressed = |second| {
        let pressed = with(|vm| {
            vm.no_balloon = Some(Reason::NoConnection);
            vm.psi_some = Some(Percent(3.0));
        });
        host(second, 900, vec![pressed, waiting()])
    };
    assert_eq!(moves(&after(&mut policy, 17..40, pressed)), []);
    let alone =
        |second| host(second, 900, vec![with(|vm| vm.no_balloon = Some(Reason::NoConnection))]);
    assert_eq!(moves(&after(&mut policy, 40..60, alone)), [], "nobody waits for it");
}

#[test]
fn a_vm_whose_memory_came_back_in_rests_twice_as_long_each_time() {
    // A steady shortage; what was won back comes back in 4 s later.
    let back = std::cell::Cell::new(0);
    let look = |second| {
        let comes = if second == back.get() { 0.9 * MIB as f64 } else { 0.0 };
        let needed = with(|vm| {
            vm.no_balloon = Some(Reason::NoConnection);
            vm.swap_in = Some(ByteRate(10.0 * comes));
        });
        host(second, 900, vec![needed, VmObservation { id: id(9), ..squeezed(60) }])
    };
    let mut policy = slow_swap(Rules::default());
    let mut won = Vec::new();
    for second in 1..600 {
        let decisions = policy.step(&look(second));
        if moves(&decisions).iter().any(|one| one.1 == "reclaim") {
            won.push(second);
            back.set(second + 4);
        } else if won.len() == 1 && second == won[0] + 10 {
            let (open, why) = gate(&decisions, Some(id(1)), GateKind::ColdPages);
            let minute = Nanos(60 * Nanos::SECOND.0);
            assert!(!open && matches!(why, Reason::Refaulted { rest, .. } if rest == minute));
        }
    }
    // 60 s, 120 s and 240 s after it came back.
    assert_eq!(won, [11, 75, 199, 443]);
    back.set(0);
    let seconds = (3600..3640).map(|second| (second, policy.step(&look(second))));
    let again: Vec<u64> =
        seconds.filter(|(_, all)| !moves(all).is_empty()).map(|one| one.0).collect();
    assert_eq!(again, [3600, 3605, 3610, 3615, 3620, 3625, 3630, 3635], "and is cold again");
}

#[test]
fn without_the_scopes_memory_nothing_is_done() {
    let blind = |second| {
        let mut look = host(second, 1024, vec![vm(1), squeezed(60)]);
        look.scope.available = None;
        look
    };
    let decisions = after(&mut slow_swap(Rules::default()), 1..20, blind);
    assert_eq!((moves(&decisions), decisions.state), (vec![], None));
    assert!(!gate(&decisions, None, GateKind::Inflate).0);
}

#[test]
fn two_vms_of_one_identity_are_left_alone() {
    let decisions = soft(&[vm(1), vm(1)]);
    assert_eq!(moves(&decisions), []);
    assert_eq!(gate(&decisions, Some(id(1)), GateKind::Allowed).1, Reason::DuplicateId);
}

#[test]
fn what_it_remembers_can_be_kept() {
    let mut policy = slow_swap(Rules::default());
    after(&mut policy, 1..4, |second| host(second, 5 * 1024, vec![vm(1), vm(2)]));
    let kept = serde_json::to_string(&policy.state).expect("it serialises");
    assert_eq!(serde_json::from_str::<PolicyState>(&kept).expect("it comes back"), policy.state);
    assert_eq!(policy.state.level, Level::Soft);
}

#[test]
fn what_was_not_carried_out_makes_no_balloon_stuck() {
    let mut policy = slow_swap(Rules::default());
    for second in 1..20 {
        let decisions = policy.step(&host(second, 5 * 1024, vec![vm(1)]));
        for decision in &decisions.actions {
            policy.withdraw(decision.vm, &decision.action);
        }
    }
    let decisions = policy.step(&host(20, 5 * 1024, vec![vm(1)]));
    assert!(gate(&decisions, Some(id(1)), GateKind::Moving).0);
}

/// A VM that may want memory keeps its part of the budget, and no other VM gets more for it.
#[test]
fn what_is_not_known_of_one_gives_another_no_more() {
    // A cache that has no room, if major faults say so.
    let mut thrashing = squeezed(600);
    thrashing.guest.iter_mut().for_each(|guest| guest.major_faults = Some(Rate(1000.0)));
    let less = |vm: &VmObservation| {
        let mut less = vm.clone();
        less.dead = None;
        less.guest.iter_mut().for_each(|guest| guest.major_faults = None);
        less
    };
    let got = |other: &VmObservation| {
        let suffering = VmObservation { id: id(9), ..squeezed(60) };
        // 400 MiB above the reserve of 983.
        let look = host(1, 1384, vec![other.clone(), suffering]);
        let decisions = slow_swap(Rules::default()).step(&look);
        let moves = moves(&decisions);
        let of = |number| moves.iter().find(|one| one.0 == id(number)).map(|one| one.2);
        (of(1), of(9))
    };
    assert_eq!(got(&thrashing), (Some(200), Some(200)));
    assert_eq!(got(&less(&thrashing)), (None, Some(200)));
}
