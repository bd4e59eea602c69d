//! Runs another policy on a recording's samples, as in observe mode on a live host. Pure.
//!
//! The loop is open: what was recorded does not react to what is decided here. If memtrace acted
//! while it was recorded, the balloons move by its orders; the policy takes those for its own, as
//! one that took over would, so that it doesn't attribute them to another program.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::Serialize;

use super::episode::{Book, Episode, First};
use super::ignored;
use crate::config::Config;
use crate::service::policy;
use memtrace_core::anchors::{Anchors, TimePoint as _, shortest};
use memtrace_core::decision_counts::DecisionCounts;
use memtrace_core::model::derive;
use memtrace_core::policy::GateKind;
use memtrace_core::policy::state::Ordered;
use memtrace_core::policy::thought::Thought;
use memtrace_core::policy::{Action, Decisions, Memtrace, Observer, Policy, is_foreign};
use memtrace_core::reactor::{Fate, Mode, Reaction};
use memtrace_core::sample::{Sample, VmId};
use memtrace_core::units::{Bytes, Nanos, WallNanos};
use memtrace_store::recording::Record;
use memtrace_view::summary;

pub(super) const SCHEMA_VERSION: u32 = 1;
/// Rates are over at least as long as live with the default interval.
const INTERVAL: Duration = Duration::from_secs(1);
/// Samples further apart are of two recordings.
const LONGEST: Duration = Duration::from_secs(61);

/// How two policies compare. This is what `--json` prints.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Comparison {
    pub(super) schema_version: u32,
    pub(super) from: WallNanos,
    pub(super) to: WallNanos,
    pub(super) moments: u64,
    /// Moments in which the recorded memtrace acted, only observed, and decided nothing.
    pub(super) acted: u64,
    pub(super) observed: u64,
    pub(super) undecided: u64,
    /// `None`: nothing decided while it was recorded.
    pub(super) recorded: Option<Side>,
    pub(super) new: Side,
    /// The first ones.
    pub(super) episodes: Vec<Episode>,
    pub(super) all_episodes: u64,
    /// Of those in which both began with the same, at the same time.
    pub(super) alike: u64,
    /// What of the configuration could not be followed.
    pub(super) ignored: Option<String>,
    pub(super) losses: Vec<String>,
}

/// What one of them decided.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Side {
    pub(super) decisions: DecisionCounts,
    /// The same of the first moment of each episode, which alone compare where memtrace acted.
    pub(super) first: DecisionCounts,
    /// Moments by the state of the host that it saw.
    pub(super) states: BTreeMap<&'static str, u64>,
    /// Samples with a call of the hook.
    pub(super) hook: u64,
}

impl Side {
    fn add(&mut self, decisions: &Decisions) {
        decisions.actions.iter().for_each(|decision| self.decisions.add(decision));
        self.hook = self.hook.saturating_add(u64::from(decisions.hook.is_some()));
        *self.states.entry(summary::state(decisions.state)).or_default() += 1;
    }
}

/// `None`: there is no moment.
pub(super) fn compare(
    moments: impl Iterator<Item = Record>,
    config: &Config,
) -> Option<Comparison> {
    let mut runner: Option<Runner> = None;
    for moment in moments {
        runner.get_or_insert_with(|| Runner::new(&moment.sample, config)).step(moment);
    }
    runner.map(Runner::finish)
}

pub(super) struct Runner {
    compared: Comparison,
    recorded: Side,
    observer: Observer,
    pub(super) policy: Memtrace,
    anchors: Anchors<Nanos, Sample>,
    book: Book,
}

impl Runner {
    pub(super) fn new(first: &Sample, config: &Config) -> Self {
        let scope = first.host.scope.as_ref().map(|scope| scope.cgroup.as_str());
        let compared = Comparison {
            schema_version: SCHEMA_VERSION,
            from: first.wall,
            to: first.wall,
            moments: 0,
            acted: 0,
            observed: 0,
            undecided: 0,
            recorded: None,
            new: Side::default(),
            episodes: Vec::new(),
            all_episodes: 0,
            alike: 0,
            ignored: ignored(config, scope),
            losses: Vec::new(),
        };
        Self {
            compared,
            recorded: Side::default(),
            observer: Observer::default(),
            policy: Memtrace::new(policy::rules(config, first)),
            anchors: Anchors::default(),
            book: Book::default(),
        }
    }

    pub(super) fn step(&mut self, Record { sample, reaction }: Record) {
        let before = self.baseline(sample.at);
        let snapshot = derive(before, &sample);
        let observation = self.observer.observe(&sample, &snapshot);
        if let Some(reaction) = &reaction {
            self.recall(&sample, reaction);
        }
        // All of them recorded ones: its own are withdrawn.
        let orders = self.orders();
        let new = self.policy.step(&observation);
        for decision in &new.actions {
            // It is not carried out.
            self.policy.withdraw(decision.vm, &decision.action);
            self.send(decision.vm, orders.get(&decision.vm).copied());
        }
        self.compared.new.add(&new);
        let name = |id: VmId| {
            let known = sample.vms.iter().find(|vm| vm.id == id);
            known.map_or_else(|| id.to_string(), |vm| vm.name.clone())
        };
        let first =
            |acted: bool, decisions: &Decisions| First::of((sample.wall, acted), decisions, name);
        let done = reaction
            .as_ref()
            .and_then(|reaction| first(reaction.mode == Mode::Enforce, &reaction.decisions));
        self.book.add(sample.wall, done, first(false, &new));
        if let Some(reaction) = &reaction {
            self.recorded.add(&reaction.decisions);
            self.follow(&sample, reaction);
        }
        let compared = &mut self.compared;
        match reaction.map(|reaction| reaction.mode) {
            Some(Mode::Enforce) => compared.acted = compared.acted.saturating_add(1),
            Some(Mode::Observe) => compared.observed = compared.observed.saturating_add(1),
            None => compared.undecided = compared.undecided.saturating_add(1),
        }
        compared.moments = compared.moments.saturating_add(1);
        compared.to = sample.wall;
        self.anchors.keep(sample.at, sample, shortest(INTERVAL));
    }

    pub(super) fn baseline(&mut self, now: Nanos) -> Option<&Sample> {
        // One of them was taken after a boot, or long after the other.
        let is_far = |last: Nanos| now < last || now.since(last) > LONGEST;
        if self.anchors.newest().is_some_and(is_far) {
            self.anchors.clear();
        }
        self.anchors.baseline(now, shortest(INTERVAL))
    }

    fn orders(&self) -> BTreeMap<VmId, Ordered> {
        let vms = self.policy.state.vms.iter();
        vms.filter_map(|(id, vm)| Some((*id, vm.order?))).collect()
    }

    fn send(&mut self, vm: VmId, order: Option<Ordered>) {
        if let (Some(vm), Some(order)) = (self.policy.state.vms.get_mut(&vm), order) {
            vm.order = Some(order);
        }
    }

    /// Orders that no moment told of, as a part of the recording is missing: where the recorded
    /// memtrace had sent a balloon is told by its targets, or else by its last entries. What moved
    /// although neither tells of it was its own as well, if it went on holding it for that.
    fn recall(&mut self, sample: &Sample, reaction: &Reaction) {
        if reaction.mode != Mode::Enforce {
            return;
        }
        let sent = sent(reaction, sample.wall);
        let held = held(reaction);
        for vm in &sample.vms {
            let memory = self.policy.state.vms.get_mut(&vm.id);
            let (Some(actual), Some(memory)) = (vm.guest.actual, memory) else { continue };
            let Some(&(_, from)) = memory.sizes.back() else { continue };
            let (at, to) = (sample.at, sent.get(&vm.id).copied());
            let is_new = to.is_some_and(|to| memory.order.is_none_or(|order| order.to != to));
            let moved = held.contains(&vm.id) && is_foreign(memory, from, actual);
            if is_new || moved {
                let to = to.filter(|_| is_new).unwrap_or(actual);
                let nearest = Bytes(from.0.abs_diff(to.0));
                memory.order = Some(Ordered { at, from, to, progressed: at, nearest });
            }
        }
    }

    /// Takes what was ordered for the policy's own.
    fn follow(&mut self, sample: &Sample, reaction: &Reaction) {
        if reaction.mode != Mode::Enforce {
            return;
        }
        let at = sample.at;
        for decision in &reaction.decisions.actions {
            let Action::Balloon { from, to } = decision.action else { continue };
            let nearest = Bytes(from.0.abs_diff(to.0));
            self.send(decision.vm, Some(Ordered { at, from, to, progressed: at, nearest }));
            let rss =
                sample.vms.iter().find(|vm| vm.id == decision.vm).and_then(|vm| vm.process.rss);
            if let Some(memory) = self.policy.state.vms.get_mut(&decision.vm).filter(|_| to > from)
            {
                memory.promises.add(at, rss, to.saturating_sub(from));
            }
        }
        let failed = reaction.entries.iter().filter(|entry| matches!(entry.fate, Fate::Failed(_)));
        for entry in failed {
            self.policy.withdraw(entry.decision.vm, &entry.decision.action);
        }
    }

    fn finish(self) -> Comparison {
        let Self { mut compared, mut recorded, book, .. } = self;
        let (episodes, all) = book.finish();
        compared.alike = all.alike;
        compared.all_episodes = all.episodes;
        recorded.first = all.recorded;
        compared.new.first = all.new;
        compared.episodes = episodes;
        compared.recorded = (compared.acted + compared.observed > 0).then_some(recorded);
        compared
    }
}

/// Where each balloon had been sent before this moment.
fn sent(reaction: &Reaction, now: WallNanos) -> BTreeMap<VmId, Bytes> {
    let entries = reaction
        .entries
        .iter()
        .filter(|entry| entry.wall < now && matches!(entry.fate, Fate::InFlight | Fate::Done));
    let entries = entries.filter_map(|entry| match entry.decision.action {
        Action::Balloon { to, .. } => Some((entry.decision.vm, to)),
        Action::Reclaim { .. } => None,
    });
    let targets = reaction.targets.iter().filter(|target| target.ordered && target.at < now);
    entries.chain(targets.map(|target| (target.vm, target.to))).collect()
}

/// Balloons that the recorded memtrace held for its own alone, or moves now.
fn held(reaction: &Reaction) -> BTreeSet<VmId> {
    let is_ours = |thought: &&Thought| thought.gate(GateKind::OursAlone) == Some(true);
    let thoughts = reaction.decisions.thoughts.iter().filter(is_ours);
    let now = reaction.decisions.actions.iter().map(|decision| decision.vm);
    thoughts.filter_map(|thought| thought.vm).chain(now).collect()
}
