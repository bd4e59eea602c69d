//! How far down a VM may go after a burst, and never further up than its maximum.

use super::fixture::{GIB, MIB, gate, host, id, slow_swap, vm};
use crate::policy::{GateKind, Memtrace, Observation, Policy, Reason, Rules, VmObservation};
use crate::settings::{VmSettings, VmTable, Which};
use crate::units::{Bytes, Nanos};

/// A VM of 1 GiB whose guest uses so much of it, in MiB; the host keeps all.
fn using(used: u64) -> VmObservation {
    let mut vm = vm(1);
    vm.maximum = Some(Bytes(GIB));
    vm.actual = Some(Bytes(GIB));
    vm.rss = Some(Bytes(GIB));
    vm.dead = Some(Bytes(GIB - used * MIB));
    if let Some(guest) = &mut vm.guest {
        guest.age = Some(Nanos(0));
        guest.total = Some(Bytes(GIB));
        guest.available = Some(Bytes(GIB - used * MIB));
        guest.free = guest.available;
    }
    vm
}

/// The floor in MiB in each of the seconds, of a guest that has a burst in the first two.
fn after_burst(policy: &mut Memtrace, busy: u64, available: u64, seconds: &[u64]) -> Vec<u64> {
    let mut told = Vec::new();
    for second in 1..=seconds.iter().copied().max().unwrap_or(0) {
        let used = if second == 2 { busy } else { 60 };
        let decisions = policy.step(&look(second, available, used));
        if seconds.contains(&second) {
            let (_, reason) = gate(&decisions, Some(id(1)), GateKind::Room);
            let Reason::Room { floor, .. } = reason else { panic!("{reason:?}") };
            told.push(floor.floor.0 / MIB);
        }
    }
    told
}

fn look(second: u64, available: u64, used: u64) -> Observation {
    host(second, available, vec![using(used)])
}

#[test]
fn a_floor_is_never_above_the_maximum() {
    for (available, level) in [(20 * 1024, "calm"), (1, "low")] {
        let floor = after_burst(&mut slow_swap(Rules::default()), 953, available, &[3]);
        assert_eq!(floor, [1024], "{level}");
    }
    let settings = VmSettings { maximum: Some(Bytes(800 * MIB)), ..VmSettings::default() };
    let mut policy = slow_swap(Rules::default());
    policy.rules.vms =
        vec![VmTable { which: Which::Name("vm-1".into()), labels: Default::default(), settings }];
    assert_eq!(after_burst(&mut policy, 953, 20 * 1024, &[3]), [800], "the operator's");
    // A size that hurt, with its margin.
    let mut policy = slow_swap(Rules::default());
    policy.step(&look(1, 20 * 1024, 60));
    for memory in policy.state.vms.values_mut() {
        memory.too_small = Some((Bytes(GIB), Nanos::SECOND));
    }
    let decisions = policy.step(&look(2, 20 * 1024, 60));
    let (_, reason) = gate(&decisions, Some(id(1)), GateKind::Room);
    assert!(
        matches!(reason, Reason::Room { floor, .. } if floor.floor == Bytes(GIB)),
        "{reason:?}"
    );
}

#[test]
fn what_is_kept_for_a_burst_is_less_the_longer_it_has_passed() {
    let floors = after_burst(&mut slow_swap(Rules::default()), 700, 20 * 1024, &[3, 300, 422, 603]);
    assert_eq!(floors, [910, 910, 546, 512], "its ordinary floor in the end");
}

#[test]
fn where_the_host_has_nothing_left_a_passed_burst_soon_closes_no_gate() {
    let floors = after_burst(&mut slow_swap(Rules::default()), 953, 1, &[3, 120, 121]);
    assert_eq!(floors, [1024, 1024, 512], "two minutes later it is the ordinary one");
}
