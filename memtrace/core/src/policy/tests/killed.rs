//! A guest that killed for want of memory.

use super::fixture::{GIB, MIB, after, gate, host, id, moves, pressed, slow_swap, vm};
use crate::policy::reason::SymptomKind;
use crate::policy::{Decisions, GateKind, Reason, Rules, VmObservation};
use crate::units::Bytes;

/// A VM of 4 GiB with so many MiB of them, of which it uses 1 GiB.
fn killer(killed: bool, size: u64) -> VmObservation {
    let mut vm = vm(1);
    vm.actual = Some(Bytes(size * MIB));
    vm.rss = vm.actual;
    if let Some(guest) = &mut vm.guest {
        guest.total = vm.actual;
        guest.available = Some(Bytes(size * MIB - GIB));
        guest.free = guest.available;
        guest.killed = killed;
    }
    vm
}

/// What is decided in second `to` on a host that gets short in the third, when the guest may
/// have killed.
fn decided(to: u64, size: u64, kills: bool) -> Decisions {
    let look = |second| {
        let vms = vec![killer(kills && second == 3, size)];
        if second < 3 { host(second, 31 << 10, vms) } else { pressed(second, 5 << 10, vms) }
    };
    after(&mut slow_swap(Rules::default()), 1..to + 1, look)
}

#[test]
fn a_guest_that_killed_gives_nothing_while_its_balloon_keeps_memory_from_it() {
    let decisions = decided(3, 3000, true);
    assert_eq!(moves(&decisions), []);
    let (open, reason) = gate(&decisions, Some(id(1)), GateKind::AtEase);
    let Reason::InDistress { symptoms } = &reason else { panic!("{reason:?}") };
    assert!(!open && symptoms.iter().any(|one| one.kind == SymptomKind::GuestOomKill));
    assert_eq!(moves(&decided(3, 3000, false)).len(), 1);
    // It has all of its memory, so that sparing it would not have helped.
    assert_eq!(moves(&decided(3, 4096, true)).len(), 1);
}

#[test]
fn the_size_at_which_it_killed_is_its_floor_from_then_on() {
    // Long after it is spared no more.
    let learnt = |size| match gate(&decided(400, size, true), Some(id(1)), GateKind::Room).1 {
        Reason::Room { floor, .. } => floor.learnt,
        reason => panic!("{reason:?}"),
    };
    assert_eq!(learnt(4096), Bytes(0));
    assert!(learnt(2000) > Bytes(0));
}
