//! What was taken: passed on, given back at the end, dropped.

use super::*;
use crate::policy::{Memtrace, Rules, Taken};
use crate::sample::VmSample;

/// 512 MiB before, taken by process `pid`'s run of the VM that has this process now.
fn held(now: u32, pid: u32) -> Holding {
    let (vm, before) = (vm("web", now).id, Bytes(512 * MIB));
    Holding { vm, name: "web".to_owned(), pid: Some(pid), before, now: Some(Bytes(448 * MIB)) }
}

/// The real policy, which knows what was taken.
fn resumed(world: &Shared, enforce: bool) -> Reactor {
    let taken = taken(&world.with(|world| world.holdings.clone()), &[], &sample(0, Vec::new()));
    let policy = Memtrace::resume(Rules::default(), Nanos(0), &taken);
    let actuator = enforce.then(|| Box::new(world.clone()) as Box<dyn Actuator + Send>);
    Reactor::new(Box::new(policy), (Box::new(world.clone()), Vec::new()), actuator)
}

fn sized(pid: u32, mib: u64) -> VmSample {
    let mut vm = vm("web", pid);
    (vm.guest.actual, vm.guest.maximum) = (Some(Bytes(mib * MIB)), Some(Bytes(512 * MIB)));
    vm
}

fn look(reactor: &mut Reactor, second: u64, vms: Vec<VmSample>) -> Reaction {
    let before = sample(second - 1, vms.clone());
    let mut now = sample(second, vms);
    now.host.arc_reclaimable = Some(Bytes(0));
    if let Some(memory) = &mut now.host.meminfo {
        memory.available = memory.total;
    }
    reactor.react(&now, &derive(Some(&before), &now))
}

#[test]
fn holdings_of_a_vm_that_is_gone_are_dropped_after_30_s() {
    let world = Shared::default();
    world.with(|world| world.holdings = vec![held(7, 7)]);
    let mut reactor = resumed(&world, true);
    look(&mut reactor, 1, vec![sized(7, 448)]);
    for second in [2, 31] {
        look(&mut reactor, second, Vec::new());
        assert_eq!(world.told(), [""; 0], "it may come back");
    }
    look(&mut reactor, 32, Vec::new());
    assert_eq!(world.told().len(), 1);
    assert!(world.with(|world| world.holdings.is_empty()));
}

#[test]
fn holdings_of_an_earlier_run_of_a_vm_are_dropped() {
    let world = Shared::default();
    world.with(|world| world.holdings = vec![held(7, 6)]);
    let now = sample(1, vec![sized(7, 448)]);
    assert_eq!(taken(&[held(7, 6)], &[], &now), []);
    look(&mut resumed(&world, true), 1, vec![sized(7, 448)]);
    assert!(world.with(|world| world.holdings.is_empty()));
}

#[test]
fn holdings_are_dropped_when_another_program_moves_the_balloon() {
    for (size, kept) in [(448, true), (300, false)] {
        let world = Shared::default();
        world.with(|world| world.holdings = vec![held(7, 7)]);
        look(&mut resumed(&world, false), 1, vec![sized(7, size)]);
        assert_eq!(world.with(|world| world.holdings.len() == 1), kept, "{size}");
    }
}

#[test]
fn an_order_in_flight_tells_where_a_balloon_was_sent() {
    let now = sample(1, vec![sized(7, 448)]);
    let unknown = Holding { now: None, ..held(7, 7) };
    let sent = |in_flight: &[Begun]| taken(std::slice::from_ref(&unknown), in_flight, &now)[0];
    let Taken { before, sent: to, .. } = sent(&[left(3, 7)]);
    assert_eq!((before, to), (Bytes(512 * MIB), Some(Bytes(448 * MIB))));
    assert_eq!(sent(&[left(3, 99)]).sent, None);
}

#[test]
fn a_run_that_ends_gives_back_through_the_journal_and_takes_nothing() {
    let world = Shared::default();
    world.with(|world| world.holdings = vec![held(7, 7)]);
    let mut reactor = resumed(&world, true);
    assert_eq!(look(&mut reactor, 1, vec![sized(7, 448)]).farewell, None);
    reactor.remote().give_back();
    let reaction = look(&mut reactor, 2, vec![sized(7, 448)]);
    assert_eq!(reaction.decisions.actions[0].rule, RuleId::AtExit);
    let owed = reaction.farewell.expect("it leaves");
    assert_eq!((owed[0].bytes, owed[0].waits), (Some(Bytes(64 * MIB)), true));
    assert_eq!(world.told(), ["order 1", "begin 1"]);
    let done = look(&mut reactor, 3, vec![sized(7, 512)]);
    assert_eq!(done.farewell, Some(Vec::new()));
}

#[test]
fn in_observe_mode_nothing_is_given_back_and_enforcing_can_be_switched_on() {
    let world = Shared::default();
    world.with(|world| world.holdings = vec![held(7, 7)]);
    let mut reactor = resumed(&world, true).observing();
    let remote = reactor.remote();
    assert_eq!(look(&mut reactor, 1, vec![sized(7, 448)]).mode, Mode::Observe);
    remote.change(Change { rules: Rules::default(), acts: true });
    assert_eq!(look(&mut reactor, 2, vec![sized(7, 448)]).mode, Mode::Enforce);
    remote.change(Change { rules: Rules::default(), acts: false });
    remote.give_back();
    let reaction = look(&mut reactor, 3, vec![sized(7, 448)]);
    assert_eq!((reaction.farewell, world.told()), (Some(Vec::new()), Vec::new()));
}
