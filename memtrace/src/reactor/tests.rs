//! The reactor with a policy that says what it is told to, and a ledger that can be full.

use std::sync::{Arc, Mutex};

use anyhow::bail;

use super::*;
use crate::model::derive;
use crate::model::tests::fixture::{MIB, sample, vm};
use crate::policy::{Action, Decisions, Observation};
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
            rule: "pressure".to_owned(),
            because: "it says so".to_owned(),
            unless: "it didn't".to_owned(),
        };
        let actions = observation.vms.iter().take(1).map(decide).collect();
        Decisions { actions, ..Decisions::default() }
    }
}

/// What happened, in order, and what shall happen.
#[derive(Default)]
struct World {
    told: Vec<String>,
    full: bool,
    outcomes: Vec<Outcome>,
    orders: u64,
}

#[derive(Clone, Default)]
struct Shared(Arc<Mutex<World>>);

impl Shared {
    fn with<T>(&self, what: impl FnOnce(&mut World) -> T) -> T {
        what(&mut self.0.lock().expect("nobody panicked"))
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
    fn next_id(&mut self) -> u64 {
        self.with(|world| {
            world.orders += 1;
            world.orders
        })
    }

    fn open(&mut self, _: WallNanos, order: &Order, _: &Decision) -> Result<()> {
        self.write(format!("open {}", order.id))
    }

    fn close(&mut self, _: WallNanos, outcome: &Outcome) -> Result<()> {
        self.write(format!("close {}", outcome.id))
    }

    fn note(&mut self, _: WallNanos, name: &str, _: &Decision) -> Result<()> {
        self.write(format!("note {name}"))
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
    let hands = enforce.then(|| Box::new(world.clone()) as Box<dyn Actuator + Send>);
    Reactor::new(Box::new(Shrinks), Box::new(world.clone()), hands)
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
fn who_only_observes_writes_down_and_touches_nothing() {
    let world = Shared::default();
    let reaction = step(&mut reactor(&world, false), 1);
    assert_eq!(world.told(), ["note web"]);
    assert_eq!((reaction.mode, fates(&reaction)), (Mode::Observe, vec![Fate::Observed]));
}

#[test]
fn an_order_is_written_down_before_it_is_given_and_closed_after() {
    let world = Shared::default();
    let mut reactor = reactor(&world, true);
    assert_eq!(fates(&step(&mut reactor, 1)), [Fate::InFlight]);
    world.with(|world| world.outcomes.push(Outcome { id: 1, result: Ok(()) }));
    let refused = Outcome { id: 2, result: Err("no balloon".to_owned()) };
    assert_eq!(fates(&step(&mut reactor, 2)), [Fate::Done, Fate::InFlight]);
    world.with(|world| world.outcomes.push(refused));
    let reaction = step(&mut reactor, 3);
    assert_eq!(fates(&reaction)[1], Fate::Failed("no balloon".to_owned()));
    let expected =
        ["open 1", "begin 1", "close 1", "open 2", "begin 2", "close 2", "open 3", "begin 3"];
    assert_eq!(world.told(), expected);
}

#[test]
fn what_cannot_be_written_down_is_not_done_until_there_is_room_again() {
    let world = Shared::default();
    let mut reactor = reactor(&world, true);
    world.with(|world| world.full = true);
    let reaction = step(&mut reactor, 1);
    assert!(reaction.problem.as_deref().is_some_and(|problem| problem.contains("no space")));
    assert!(matches!(&fates(&reaction)[..], [Fate::Failed(why)] if why.contains("not done")));
    assert!(world.told().is_empty(), "nothing was begun");
    world.with(|world| world.full = false);
    assert_eq!(step(&mut reactor, 2).problem, None);
    assert_eq!(world.told(), ["open 2", "begin 2"]);
}

#[test]
fn only_the_last_entries_are_shown() {
    let world = Shared::default();
    let mut reactor = reactor(&world, false);
    let last = (1..=SHOWN as u64 + 5).map(|second| step(&mut reactor, second)).last();
    let entries = last.expect("there was a step").entries;
    assert_eq!(entries.len(), SHOWN);
    assert!(entries[0].wall < entries[1].wall);
    assert_eq!(entries[0].wall, sample(6, Vec::new()).wall);
}
