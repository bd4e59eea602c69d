//! The reactor: takes a sample and gives orders. It observes, decides, journals what it is about
//! to do, and has it done; in observe mode it journals what it would have done. Must not know how
//! an order reaches a VM, and never waits for one.

mod decided;
mod dry_run;
pub mod entry;
mod holdings;
pub(crate) mod hook;
mod ledger;
mod reaction;
pub mod reconcile;
mod recorder;
mod request;
mod targets;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use anyhow::Result;

use crate::model::Snapshot;
use crate::order::{Actuator, Failure, Outcome};
use crate::policy::{Observer, Policy, inputs, is_outside};
use crate::reactor::entry::{Begun, Named, Wanted};
use crate::reactor::reconcile::reconcile;
use crate::sample::{Sample, VmId};
use crate::units::{Nanos, WallNanos};
pub use decided::{Author, Decided, Report};
pub use holdings::taken;
pub use hook::{Called, Hook, HookMessage};
pub use ledger::Ledger;
pub use reaction::{Entry, Fate, Mode, Owed, Reaction, Step};
pub use recorder::Recorder;
use request::Requests;
pub use request::{Change, Remote};
pub use targets::Target;
use targets::{Targets, aim};

/// Entries that a [`Reaction`] shows; the journal has them all.
const SHOWN: usize = 200;

/// The loop's second half.
pub struct Reactor {
    observer: Observer,
    policy: Box<dyn Policy + Send>,
    ledger: Box<dyn Ledger>,
    /// `None`: it can only observe.
    actuator: Option<Box<dyn Actuator + Send>>,
    /// Enforce mode, if there is an actuator.
    acts: bool,
    /// Notified of memory that the other escalation steps cannot free.
    hook: Option<Box<dyn Hook>>,
    recorder: Option<Box<dyn Recorder>>,
    called: Option<Called>,
    requests: Option<Requests>,
    /// It gives back, and takes nothing any more.
    leaving: bool,
    /// VMs from which memory was taken and that are missing, with the time since when.
    absent: BTreeMap<VmId, Nanos>,
    /// By order: its entry's number.
    in_flight: BTreeMap<u64, u64>,
    entries: VecDeque<Entry>,
    entered: u64,
    targets: Targets,
    /// Orders of an earlier run whose outcome is unknown.
    left: Vec<Begun>,
    /// Of the last sample.
    wall: WallNanos,
    /// Why the last write to the ledger failed.
    problem: Option<String>,
}

impl Reactor {
    /// Acts through `actuator`, or only observes without. `left`: what an earlier run had in
    /// flight when it ended.
    pub fn new(
        policy: Box<dyn Policy + Send>,
        (ledger, left): (Box<dyn Ledger>, Vec<Begun>),
        actuator: Option<Box<dyn Actuator + Send>>,
    ) -> Self {
        Self {
            observer: Observer::default(),
            policy,
            ledger,
            actuator,
            acts: true,
            hook: None,
            recorder: None,
            called: None,
            requests: None,
            leaving: false,
            absent: BTreeMap::new(),
            in_flight: BTreeMap::new(),
            entries: VecDeque::new(),
            entered: 0,
            targets: Targets::default(),
            left,
            wall: WallNanos(0),
            problem: None,
        }
    }

    /// One step. `snapshot` was made of `sample` and the one before it.
    pub fn react(&mut self, sample: &Sample, snapshot: &Snapshot) -> Reaction {
        let wall = sample.wall;
        self.wall = wall;
        self.obey();
        self.reconcile(sample);
        self.collect(wall);
        self.hear();
        let observation = self.observer.observe(sample, snapshot);
        let (mut decisions, farewell) = self.decide(&observation);
        inputs::attach(&mut decisions, &observation, snapshot);
        self.let_go(sample);
        let names = sample.vms.iter().map(|vm| Named {
            vm: vm.id,
            name: vm.name.clone(),
            labels: vm.labels.clone(),
        });
        let noted = self.ledger.note(wall, self.is_acting(), &decisions, names.collect());
        self.keep_problem(noted);
        self.tell(wall, &decisions, snapshot);
        let wanted = decisions.actions.iter().filter_map(|decision| {
            let vm = sample.vms.iter().find(|vm| vm.id == decision.vm)?;
            Some(Wanted { decision: decision.clone(), pid: vm.pid, name: vm.name.clone() })
        });
        let wanted: Vec<Wanted> = wanted.collect();
        if !wanted.is_empty() {
            self.carry_out(wall, wanted, snapshot);
        }
        self.targets.settle(wall, &decisions);
        self.targets.keep(sample.vms.iter().map(|vm| vm.id));
        Reaction {
            mode: if self.is_acting() { Mode::Enforce } else { Mode::Observe },
            problem: self.problem.clone(),
            decisions,
            outside_scope: outside_scope(sample),
            targets: self.targets.all(),
            called: self.called.clone(),
            entries: self.entries.iter().cloned().collect(),
            farewell,
        }
    }

    /// Turns on recording of its reactions, by [`Self::keep`].
    #[must_use]
    pub fn recorded(self, recorder: Box<dyn Recorder>) -> Self {
        Self { recorder: Some(recorder), ..self }
    }

    /// Records a step, if there is a recorder. Never waits.
    pub fn keep(&mut self, sample: &Arc<Sample>, reaction: &Reaction) {
        if let Some(recorder) = &mut self.recorder {
            recorder.keep(sample, reaction);
        }
    }

    fn is_acting(&self) -> bool {
        self.acts && self.actuator.is_some()
    }

    /// Ends the run regularly.
    ///
    /// # Errors
    /// When that can't be written down.
    pub fn stop(self) -> Result<()> {
        self.ledger.stop(self.wall)
    }

    /// Nothing is done that isn't journalled.
    fn carry_out(&mut self, wall: WallNanos, wanted: Vec<Wanted>, snapshot: &Snapshot) {
        let Some(actuator) = self.actuator.as_mut().filter(|_| self.acts) else {
            // The cool-down would keep the same decision from being made again at once.
            wanted.iter().for_each(|wanted| {
                self.policy.withdraw(wanted.decision.vm, &wanted.decision.action)
            });
            return self.enter_all(wall, wanted, &Fate::Observed);
        };
        match self.ledger.begin(wall, wanted.clone()) {
            Ok(orders) => {
                actuator.learn(snapshot);
                for (number, order) in (self.entered..).zip(&orders) {
                    actuator.begin(order);
                    self.in_flight.insert(order.id, number);
                }
                self.enter_all(wall, wanted, &Fate::InFlight);
            }
            Err(error) => {
                let reason = Failure::NoJournal(format!("{error:#}"));
                self.keep_problem(Err(error));
                wanted.iter().for_each(|wanted| {
                    self.policy.withdraw(wanted.decision.vm, &wanted.decision.action)
                });
                self.enter_all(wall, wanted, &Fate::Failed(reason));
            }
        }
    }

    /// Settles what an earlier run left in flight, by the balloons as they are.
    fn reconcile(&mut self, sample: &Sample) {
        for begun in std::mem::take(&mut self.left) {
            let outcome = match sample.vms.iter().find(|vm| vm.id == begun.order.vm) {
                Some(vm) => reconcile(&begun, vm.guest.actual),
                None => Some(Outcome { id: begun.order.id, result: Err(Failure::VmGone) }),
            };
            match outcome {
                Some(outcome) => {
                    let ended = self.ledger.end(sample.wall, &outcome);
                    self.keep_problem(ended);
                }
                // No statistics of its balloon yet.
                None => self.left.push(begun),
            }
        }
    }

    /// Takes in the outcomes of earlier orders.
    fn collect(&mut self, wall: WallNanos) {
        let ended = self.actuator.as_mut().map(|actuator| actuator.ended()).unwrap_or_default();
        for outcome in ended {
            let closed = self.ledger.end(wall, &outcome);
            self.keep_problem(closed);
            let Some(number) = self.in_flight.remove(&outcome.id) else { continue };
            if let Some(entry) = self.entries.iter_mut().find(|entry| entry.number == number) {
                if outcome.result.is_err() {
                    self.policy.withdraw(entry.decision.vm, &entry.decision.action);
                    self.targets.forget(entry.decision.vm);
                }
                entry.fate = match outcome.result {
                    Ok(()) => Fate::Done,
                    Err(reason) => Fate::Failed(reason),
                };
            }
        }
    }

    /// What the ledger says, for the reader.
    fn keep_problem(&mut self, written: Result<()>) {
        let problem = written.err().map(|error| format!("{error:#}"));
        if let Some(reason) = problem.as_ref().filter(|_| self.problem != problem) {
            tracing::error!("the journal can't be written: {reason}");
        }
        self.problem = problem;
    }

    fn enter_all(&mut self, wall: WallNanos, all: Vec<Wanted>, fate: &Fate) {
        for Wanted { decision, name, .. } in all {
            if !matches!(fate, Fate::Failed(_)) {
                let ordered = *fate != Fate::Observed;
                self.targets.set(wall, decision.vm, decision.action, ordered);
            }
            if self.entries.len() >= SHOWN {
                self.entries.pop_front();
            }
            let entry = Entry { number: self.entered, wall, name, decision, fate: fate.clone() };
            self.entries.push_back(entry);
            self.entered += 1;
        }
    }
}

fn outside_scope(sample: &Sample) -> Vec<VmId> {
    let outside = sample.vms.iter().filter(|vm| is_outside(&sample.host, vm));
    outside.map(|vm| vm.id).collect()
}
