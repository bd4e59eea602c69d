//! The reactor: a sample goes in, orders go out. Observes, decides, writes down what it is
//! about to do, and has it done; or, when it only observes, writes down what it would have
//! done. Must not know how an order reaches a VM, and never waits for one.

mod reaction;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};

use anyhow::Result;

use crate::actuate::{Actuator, Order, Outcome};
use crate::model::Snapshot;

use crate::policy::{Decision, Observer, Policy};
use crate::sample::{Sample, VmSample};
use crate::units::WallNanos;
pub use reaction::{Entry, Fate, Mode, Reaction, Step};

/// Entries that a [`Reaction`] shows; the journal has them all.
const SHOWN: usize = 200;

/// Where decisions are written down.
pub trait Ledger: Send {
    /// A number that no order ever had, before a restart either.
    fn next_id(&mut self) -> u64;

    /// Notes what is about to be done, and why.
    ///
    /// # Errors
    /// When that isn't on the disk; then it must not be done.
    fn open(&mut self, wall: WallNanos, order: &Order, decision: &Decision) -> Result<()>;

    /// Notes what came of an order.
    ///
    /// # Errors
    /// When that isn't on the disk.
    fn close(&mut self, wall: WallNanos, outcome: &Outcome) -> Result<()>;

    /// Notes what would have been done.
    ///
    /// # Errors
    /// When that isn't on the disk.
    fn note(&mut self, wall: WallNanos, name: &str, decision: &Decision) -> Result<()>;
}

/// The loop's second half.
pub struct Reactor {
    observer: Observer,
    policy: Box<dyn Policy + Send>,
    ledger: Box<dyn Ledger>,
    /// `None`: it only observes.
    hands: Option<Box<dyn Actuator + Send>>,
    /// By order: its entry's number.
    in_flight: BTreeMap<u64, u64>,
    entries: VecDeque<Entry>,
    entered: u64,
    /// Why the ledger took nothing the last time.
    problem: Option<String>,
}

impl Reactor {
    /// Acts through `hands`, or only observes without.
    pub fn new(
        policy: Box<dyn Policy + Send>,
        ledger: Box<dyn Ledger>,
        hands: Option<Box<dyn Actuator + Send>>,
    ) -> Self {
        Self {
            observer: Observer::default(),
            policy,
            ledger,
            hands,
            in_flight: BTreeMap::new(),
            entries: VecDeque::new(),
            entered: 0,
            problem: None,
        }
    }

    /// One step. `snapshot` was made of `sample` and the one before it.
    pub fn react(&mut self, sample: &Sample, snapshot: &Snapshot) -> Reaction {
        self.collect(sample.wall);
        let observation = self.observer.observe(sample, snapshot);
        let decisions = self.policy.step(&observation);
        if let Some(hands) = &mut self.hands {
            hands.learn(snapshot);
        }
        for decision in &decisions.actions {
            let Some(vm) = sample.vms.iter().find(|vm| vm.id == decision.vm) else { continue };
            let fate = match &self.hands {
                Some(_) => self.order(sample.wall, vm, decision),
                None => self.note(sample.wall, vm, decision),
            };
            self.enter(Entry {
                number: self.entered,
                wall: sample.wall,
                name: vm.name.clone(),
                decision: decision.clone(),
                fate,
            });
        }
        Reaction {
            mode: if self.hands.is_some() { Mode::Enforce } else { Mode::Observe },
            problem: self.problem.clone(),
            decisions,
            entries: self.entries.iter().cloned().collect(),
        }
    }

    /// Takes in what came of earlier orders.
    fn collect(&mut self, wall: WallNanos) {
        let ended = self.hands.as_mut().map(|hands| hands.ended()).unwrap_or_default();
        for outcome in ended {
            let closed = self.ledger.close(wall, &outcome);
            self.remember(closed);
            let Some(number) = self.in_flight.remove(&outcome.id) else { continue };
            if let Some(entry) = self.entries.iter_mut().find(|entry| entry.number == number) {
                entry.fate = match outcome.result {
                    Ok(()) => Fate::Done,
                    Err(reason) => Fate::Failed(reason),
                };
            }
        }
    }

    /// Nothing is done that isn't written down.
    fn order(&mut self, wall: WallNanos, vm: &VmSample, decision: &Decision) -> Fate {
        let order = Order {
            id: self.ledger.next_id(),
            vm: vm.id,
            pid: vm.pid,
            name: vm.name.clone(),
            action: decision.action,
        };
        let opened = self.ledger.open(wall, &order, decision);
        if let Some(reason) = self.remember(opened) {
            return Fate::Failed(format!(
                "not done, because the journal can't be written: {reason}"
            ));
        }
        if let Some(hands) = &mut self.hands {
            hands.begin(&order);
        }
        self.in_flight.insert(order.id, self.entered);
        Fate::InFlight
    }

    fn note(&mut self, wall: WallNanos, vm: &VmSample, decision: &Decision) -> Fate {
        let noted = self.ledger.note(wall, &vm.name, decision);
        self.remember(noted);
        Fate::Observed
    }

    /// What the ledger says, for the reader; the reason, if it took nothing.
    fn remember(&mut self, written: Result<()>) -> Option<String> {
        let problem = written.err().map(|error| format!("{error:#}"));
        if let Some(reason) = problem.as_ref().filter(|_| self.problem != problem) {
            tracing::error!("the journal can't be written: {reason}");
        }
        self.problem.clone_from(&problem);
        problem
    }

    fn enter(&mut self, entry: Entry) {
        if self.entries.len() >= SHOWN {
            self.entries.pop_front();
        }
        self.entries.push_back(entry);
        self.entered += 1;
    }
}
