//! The reactor with a policy of fixed decisions, and a ledger that can be full.

use std::sync::{Arc, Mutex};

use anyhow::bail;

mod holdings;
mod hook;

use super::*;
use crate::fixture::samples::{MIB, sample, vm};
use crate::model::derive;
use crate::order::{Failure, Order};
use crate::policy::{Action, Decision, Decisions, Observation, Reason, RuleId};
use crate::reactor::entry::Holding;
use crate::units::Bytes;

const SHRINK: Action = Action::Balloon { from: Bytes(512 * MIB), to: Bytes(448 * MIB) };

/// Wants the first VM shrunk at each step.
struct Shrinks;

impl Policy for Shrinks {
    fn name(&self) -> &'static str {
        "shrinks"
    }

    fn step(&mut self, observation: &Observation) -> Decisions {
        let decide = |vm: &crate::policy::VmObservation| Decision {
            vm: vm.id,
            action: SHRINK,
            rule: RuleId::Pressure,
            reason: Reason::Unrecorded,
        };
        let actions = observation.vms.iter().take(1).map(decide).collect();
        Decisions { actions, ..Decisions::default() }
    }
}

/// What happened, in order, and what shall happen.
#[derive(Default)]
struct World {
    told: Vec<String>,
    messages: Vec<(u64, HookMessage)>,
    /// Whether it acted, and how many VMs had names.
    noted: Vec<(bool, usize)>,
    full: bool,
    outcomes: Vec<Outcome>,
    orders: u64,
    holdings: Vec<Holding>,
}

#[derive(Clone, Default)]
struct Shared(Arc<Mutex<World>>);

impl Shared {
    fn with<T>(&self, what: impl FnOnce(&mut World) -> T) -> T {
        what(&mut self.0.lock().expect("the lock is not poisoned"))
    }

    fn write(&self, line: String) -> Result<()> {
        self.with(|world| {
            if world.full {
                bail!("no space left on device");
            }
            world.told.push(line);
            Ok(())
        })
    }

    fn told(&self) -> Vec<String> {
        self.with(|world| world.told.clone())
    }
}

impl Ledger for Shared {
    fn begin(&mut self, _: WallNanos, wanted: Vec<Wanted>) -> Result<Vec<Order>> {
        let order = |world: &mut World, wanted: Wanted| {
            world.orders += 1;
            let Wanted { decision, pid, name } = wanted;
            Order { id: world.orders, vm: decision.vm, pid, name, action: decision.action }
        };
        let orders: Vec<Order> =
            self.with(|world| wanted.into_iter().map(|wanted| order(world, wanted)).collect());
        for order in &orders {
            self.write(format!("order {}", order.id))?;
        }
        Ok(orders)
    }

    fn end(&mut self, _: WallNanos, outcome: &Outcome) -> Result<()> {
        let how = if outcome.result.is_ok() { "done" } else { "failed" };
        self.write(format!("end {} {how}", outcome.id))
    }

    fn note(&mut self, _: WallNanos, acting: bool, _: &Decisions, names: Vec<Named>) -> Result<()> {
        self.with(|world| {
            if world.full {
                bail!("no space left on device");
            }
            world.noted.push((acting, names.len()));
            Ok(())
        })
    }

    fn holdings(&self) -> Vec<Holding> {
        self.with(|world| world.holdings.clone())
    }

    fn forget(&mut self, _: WallNanos, vm: VmId) -> Result<()> {
        self.write(format!("forget {vm:?}"))?;
        self.with(|world| world.holdings.retain(|held| held.vm != vm));
        Ok(())
    }

    fn stop(self: Box<Self>, _: WallNanos) -> Result<()> {
        self.write("stop".to_owned())
    }
}

impl Actuator for Shared {
    fn begin(&mut self, order: &Order) {
        self.with(|world| world.told.push(format!("begin {}", order.id)));
    }

    fn ended(&mut self) -> Vec<Outcome> {
        self.with(|world| std::mem::take(&mut world.outcomes))
    }
}

fn reactor(world: &Shared, enforce: bool) -> Reactor {
    after(world, enforce, Vec::new())
}

/// A reactor that starts after a run which left this in flight.
fn after(world: &Shared, enforce: bool, left: Vec<Begun>) -> Reactor {
    let actuator = enforce.then(|| Box::new(world.clone()) as Box<dyn Actuator + Send>);
    Reactor::new(Box::new(Shrinks), (Box::new(world.clone()), left), actuator)
}

fn step(reactor: &mut Reactor, second: u64) -> Reaction {
    let before = sample(second - 1, vec![vm("web", 7)]);
    let now = sample(second, vec![vm("web", 7)]);
    reactor.react(&now, &derive(Some(&before), &now))
}

fn fates(reaction: &Reaction) -> Vec<Fate> {
    reaction.entries.iter().map(|entry| entry.fate.clone()).collect()
}

#[test]
fn in_observe_mode_thoughts_are_noted_and_nothing_is_touched() {
    let world = Shared::default();
    let reaction = step(&mut reactor(&world, false), 1);
    assert_eq!(world.told(), [""; 0]);
    assert_eq!(world.with(|world| world.noted.clone()), [(false, 1)]);
    assert_eq!((reaction.mode, fates(&reaction)), (Mode::Observe, vec![Fate::Observed]));
}

#[test]
fn an_order_is_written_down_before_it_is_given_and_closed_after() {
    let world = Shared::default();
    let mut reactor = reactor(&world, true);
    assert_eq!(fates(&step(&mut reactor, 1)), [Fate::InFlight]);
    world.with(|world| world.outcomes.push(Outcome { id: 1, result: Ok(()) }));
    let refused = Outcome { id: 2, result: Err(Failure::Reported("no balloon".to_owned())) };
    assert_eq!(fates(&step(&mut reactor, 2)), [Fate::Done, Fate::InFlight]);
    world.with(|world| world.outcomes.push(refused));
    let reaction = step(&mut reactor, 3);
    assert_eq!(fates(&reaction)[1], Fate::Failed(Failure::Reported("no balloon".to_owned())));
    reactor.stop().expect("there is room");
    let expected = [
        "order 1",
        "begin 1",
        "end 1 done",
        "order 2",
        "begin 2",
        "end 2 failed",
        "order 3",
        "begin 3",
        "stop",
    ];
    assert_eq!(world.told(), expected);
}

#[test]
fn without_a_journal_entry_nothing_is_done_until_there_is_room() {
    let world = Shared::default();
    let mut reactor = reactor(&world, true);
    world.with(|world| world.full = true);
    let reaction = step(&mut reactor, 1);
    assert!(reaction.problem.as_deref().is_some_and(|problem| problem.contains("no space")));
    assert!(matches!(&fates(&reaction)[..], [Fate::Failed(Failure::NoJournal(_))]));
    assert_eq!(world.told(), [""; 0], "nothing was begun");
    world.with(|world| world.full = false);
    assert_eq!(step(&mut reactor, 2).problem, None);
    assert_eq!(world.told(), ["order 2", "begin 2"]);
}

/// An order for process `pid`'s VM.
fn left(id: u64, pid: u32) -> Begun {
    let vm = vm("web", pid);
    let order = Order { id, vm: vm.id, pid, name: vm.name, action: SHRINK };
    Begun { at: WallNanos(1), order, rule: RuleId::Other, reason: Reason::Unrecorded }
}

#[test]
fn orders_in_flight_of_an_earlier_run_are_settled_by_the_balloons_sizes() {
    let world = Shared::default();
    let mut reactor = after(&world, false, vec![left(4, 7), left(5, 99)]);
    let mut unknown = vm("web", 7);
    unknown.guest.actual = None;
    let first = sample(1, vec![unknown]);
    reactor.react(&first, &derive(None, &first));
    assert_eq!(world.told(), ["end 5 failed"], "the other's VM is gone, this one's size unknown");
    let mut moved = vm("web", 7);
    moved.guest.actual = Some(Bytes(448 * MIB));
    let second = sample(2, vec![moved]);
    reactor.react(&second, &derive(Some(&first), &second));
    assert_eq!(world.told()[1..], ["end 4 done"]);
}

#[test]
fn only_the_last_entries_are_shown() {
    let world = Shared::default();
    let mut reactor = reactor(&world, false);
    let last = (1..=SHOWN as u64 + 5).map(|second| step(&mut reactor, second)).last();
    let entries = last.expect("there was a step").entries;
    assert_eq!(entries.len(), SHOWN);
    assert_eq!(entries[0].wall, sample(6, Vec::new()).wall);
    assert!(entries.windows(2).all(|pair| pair[0].number + 1 == pair[1].number));
}

#[test]
fn a_vm_outside_the_scope_is_named_and_not_decided_about() {
    let mut reactor = Reactor::on_paper(Box::new(Shrinks));
    let mut now = sample(10, vec![vm("a", 7), vm("b", 8), vm("c", 9)]);
    let cgroup = "/pool".to_owned();
    now.host.scope = Some(crate::sample::ScopeSample { cgroup, ..Default::default() });
    let place = |vm: &mut crate::sample::VmSample, path: &str| {
        vm.cgroup.iter_mut().for_each(|cgroup| cgroup.path = path.to_owned());
    };
    place(&mut now.vms[0], "/pools/a");
    place(&mut now.vms[1], "/pool/b");
    now.vms[2].cgroup = None;
    let reaction = reactor.react(&now, &derive(None, &now));
    assert_eq!(reaction.outside_scope, [now.vms[0].id], "of the last one nobody knows");
    let decided: Vec<VmId> = reaction.decisions.actions.iter().map(|one| one.vm).collect();
    assert_eq!(decided, [now.vms[1].id]);
}
