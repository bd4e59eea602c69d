//! What the host keeps for the VMM itself, which no balloon gets at.

use super::fixture::{GIB, MIB, gate, host, id, slow_swap, vm};
use crate::policy::{Decisions, GateKind, Observation, Policy, Reason, Rules};
use crate::units::Bytes;

/// A VM of this size whose guest uses a sixteenth of it, and of which the host keeps so many MiB
/// more.
fn look(second: u64, available: u64, size: u64, beside: u64) -> Observation {
    let mut vm = vm(1);
    vm.actual = Some(Bytes(size));
    vm.maximum = vm.actual;
    vm.rss = Some(Bytes(size / 16 + beside * MIB));
    vm.dead = Some(Bytes(beside * MIB));
    let guest = vm.guest.as_mut().expect("it speaks");
    guest.total = vm.actual;
    guest.free = Some(Bytes(size - size / 16));
    guest.available = guest.free;
    host(second, available, vec![vm])
}

/// On a host that becomes low in the fourth second.
fn decide(size: u64, beside: impl Fn(u64) -> u64) -> Decisions {
    let mut policy = slow_swap(Rules::default());
    let mut last = Decisions::default();
    for second in 1..6 {
        let available = if second < 4 { 31 << 10 } else { 1024 };
        last = policy.step(&look(second, available, size, beside(second)));
        if !last.actions.is_empty() {
            break;
        }
    }
    last
}

#[test]
fn a_guest_that_has_nothing_to_give_is_not_squeezed_for_the_vmms_own_memory() {
    let decisions = decide(4 * GIB, |_| 150);
    assert_eq!(decisions.actions, []);
    let (open, reason) = gate(&decisions, Some(id(1)), GateKind::Room);
    let vmm = Bytes(150 << 20);
    assert!(!open && matches!(reason, Reason::NothingToFree { vmm: own, .. } if own == vmm));
}

#[test]
fn what_came_on_top_of_the_vmms_own_is_won_back() {
    let decisions = decide(4 * GIB, |second| if second < 3 { 150 } else { 1150 });
    assert_eq!(decisions.actions.len(), 1, "{decisions:?}");
    // More than that is never the VMM's, however long it has been so.
    assert_eq!(decide(4 * GIB, |_| 1150).actions.len(), 1);
}

#[test]
fn of_a_small_vm_a_quarter_at_most_is_taken_for_the_vmms_own() {
    let size = 640 * MIB;
    assert_eq!(decide(size, |_| 100).actions, []);
    assert_eq!(decide(size, |_| 240).actions.len(), 1);
}

#[test]
fn where_it_was_never_known_all_that_the_host_keeps_may_be_the_vmms_own() {
    let mut policy = slow_swap(Rules::default());
    for second in 1..6 {
        let available = if second < 4 { 31 << 10 } else { 1024 };
        let mut look = look(second, available, 4 * GIB, 150);
        look.vms.iter_mut().for_each(|vm| vm.dead = None);
        assert_eq!(policy.step(&look).actions, [], "in second {second}");
    }
}
