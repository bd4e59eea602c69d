//! Gathers a report from the records of a recording. Pure, in one pass, with bounded memory.

use std::collections::BTreeSet;

use super::account::{Account, Accounts, Tick, Waits};
use super::heat::Flows;
use super::minutes::{Minute, Minutes};
use super::series::{Marks, Series, Timeline};
use super::signals::Signals;
use crate::command::report::actions::Actions;
use memtrace_core::alert::{AlertState, Rule, Watcher};
use memtrace_core::model::Snapshot;
use memtrace_core::model::snapshot::HostView;
use memtrace_core::policy::ScopeObservation;
use memtrace_core::reactor::{Reaction, Step};
use memtrace_core::sample::VmId;
use memtrace_core::units::{Bytes, Nanos, WallNanos};
use memtrace_store::tape::Shown;

/// Most gaps that are listed, and most hosts.
const MOST_GAPS: usize = 100;
const MOST_HOSTS: usize = 8;
/// Moments that are less than three of these apart have no gap between them: looks come before
/// their tick, and ticks come late.
const TICK: u64 = Nanos::SECOND.0;

/// The content of a report.
#[derive(Clone, Debug)]
pub struct Contents {
    pub line: Timeline,
    pub moments: u64,
    /// Seconds that are covered by intervals.
    pub seconds: f64,
    /// Where nothing was recorded.
    pub gaps: Vec<(WallNanos, WallNanos)>,
    pub all_gaps: u64,
    pub hosts: BTreeSet<String>,
    /// As it was in the end.
    pub host: HostView,
    pub pressure: Pressure,
    /// The last scope of the policy, and its limit.
    pub scope: Option<(String, Option<Bytes>)>,
    /// Most stalled VMs first.
    pub vms: Vec<(VmId, Account)>,
    pub vms_left_out: u64,
    pub actions: Actions,
    pub flows: Flows,
    pub minutes: Vec<Minute>,
    pub signals: Signals,
}

/// The host over time.
#[derive(Clone, Debug, Default)]
pub struct Pressure {
    /// Bytes.
    pub available: Series,
    /// Memory available in the scope, in bytes.
    pub scope: Series,
    /// Per cent, avg10.
    pub some: Series,
    pub full: Series,
    /// Bytes per second.
    pub swap_in: Series,
    pub swap_out: Series,
    pub decisions: Marks,
    pub alerts: Marks,
}

impl Pressure {
    fn widen(&mut self, times: u32) {
        let Self { available, scope, some, full, swap_in, swap_out, decisions, alerts } = self;
        for series in [available, scope, some, full, swap_in, swap_out] {
            series.widen(times);
        }
        decisions.widen(times);
        alerts.widen(times);
    }
}

impl Contents {
    /// All VMs' waits of one kind.
    pub fn waits(&self, of: impl Fn(&Account) -> &Waits) -> Waits {
        let mut all = Waits::default();
        for (_, account) in &self.vms {
            let waits = of(account);
            match waits.known {
                true => all.add(&memtrace_core::model::Measured::exact(waits.counts.clone())),
                false => all.because = all.because.or_else(|| waits.because.clone()),
            }
        }
        all
    }
}

/// A report on these records; `rules`: alert rules. `None`: no records.
pub fn gather(moments: impl Iterator<Item = Shown>, rules: Vec<Rule>) -> Option<Contents> {
    let mut gatherer: Option<Gatherer> = None;
    let mut rules = Some(rules);
    for shown in moments {
        let first = || Gatherer::new(&shown.snapshot, rules.take().unwrap_or_default());
        gatherer.get_or_insert_with(first).add(&shown);
    }
    gatherer.map(Gatherer::finish)
}

struct Gatherer {
    report: Contents,
    accounts: Accounts,
    minutes: Minutes,
    watcher: Watcher,
    /// The previous record: its time, and its distance from the one before.
    before: Option<(WallNanos, Nanos)>,
}

impl Gatherer {
    fn new(first: &Snapshot, rules: Vec<Rule>) -> Self {
        let report = Contents {
            line: Timeline::new(first.wall),
            moments: 0,
            seconds: 0.0,
            gaps: Vec::new(),
            all_gaps: 0,
            hosts: BTreeSet::new(),
            host: first.host.clone(),
            pressure: Pressure::default(),
            scope: None,
            vms: Vec::new(),
            vms_left_out: 0,
            actions: Actions::default(),
            flows: Flows::default(),
            minutes: Vec::new(),
            signals: Signals::default(),
        };
        let (accounts, minutes) = (Accounts::default(), Minutes::default());
        Self { report, accounts, minutes, watcher: Watcher::new(rules), before: None }
    }

    fn add(&mut self, shown: &Shown) {
        let snapshot = &shown.snapshot;
        let tick = self.place(snapshot);
        let Self { report, accounts, .. } = self;
        report.moments = report.moments.saturating_add(1);
        report.seconds += tick.seconds;
        report.host.clone_from(&snapshot.host);
        if report.hosts.len() < MOST_HOSTS {
            report.hosts.extend(snapshot.host.hostname.clone());
        }
        accounts.add(snapshot, report.line, &tick);
        report.flows.add(snapshot, tick.seconds);
        report.signals.add(&snapshot.signals, &snapshot.notices);
        self.press(snapshot, &tick);
        self.share(shown.scope.as_ref(), &tick);
        let decisions = self.decide(snapshot, shown.reaction.as_ref());
        let alerts = self.watch(shown);
        self.minutes.add(snapshot, &tick, (decisions, alerts));
    }

    /// Where in time it is, and whether something is missing before it.
    fn place(&mut self, snapshot: &Snapshot) -> Tick {
        let (at, report) = (snapshot.wall, &mut self.report);
        let seconds = snapshot.interval.map_or(0.0, Nanos::seconds);
        let since = self.before.map(|(before, _)| Nanos(at.0.saturating_sub(before.0)));
        let usual = self.before.map_or(Nanos(0), |(_, usual)| usual);
        let doubled = report.line.reach(at);
        report.pressure.widen(doubled);
        self.accounts.widen(doubled);
        let is_far = usual.0 > 0 && since.is_some_and(|since| since.0 / 3 > usual.0.max(TICK));
        let is_first = snapshot.interval.is_none();
        if let Some((before, _)) = self.before.filter(|_| is_far || is_first) {
            report.all_gaps = report.all_gaps.saturating_add(1);
            if report.gaps.len() < MOST_GAPS {
                report.gaps.push((before, at));
            }
        }
        self.before = Some((at, snapshot.interval.unwrap_or_default()));
        let from = WallNanos(at.0.saturating_sub(snapshot.interval.unwrap_or_default().0));
        let span = (!is_far && !is_first).then_some((from, at));
        Tick { at, seconds, span }
    }

    fn press(&mut self, snapshot: &Snapshot, tick: &Tick) {
        let Some(span) = tick.span else { return };
        let (line, host, all) = (self.report.line, &snapshot.host, &mut self.report.pressure);
        let psi = host.psi.value;
        all.available.add(line, span, host.memory_available.value.map(|bytes| bytes.0 as f64));
        all.some.add(line, span, psi.map(|psi| psi.some.avg10));
        all.full.add(line, span, psi.and_then(|psi| psi.full).map(|full| full.avg10));
        all.swap_in.add(line, span, host.swap_in.value.map(|rate| rate.0));
        all.swap_out.add(line, span, host.swap_out.value.map(|rate| rate.0));
    }

    fn share(&mut self, scope: Option<&ScopeObservation>, tick: &Tick) {
        let Some(scope) = scope else { return };
        let report = &mut self.report;
        report.scope = scope.cgroup.clone().map(|cgroup| (cgroup, scope.total));
        let available = scope.available.map(|bytes| bytes.0 as f64);
        if let Some(span) = tick.span {
            report.pressure.scope.add(report.line, span, available);
        }
    }

    /// How many decisions there are.
    fn decide(&mut self, snapshot: &Snapshot, reaction: Option<&Reaction>) -> usize {
        let (report, accounts) = (&mut self.report, &mut self.accounts);
        let name = |id: VmId| {
            let named = accounts.all.get(&id).map(|account| account.name.clone());
            named.unwrap_or_else(|| id.to_string())
        };
        report.actions.add(snapshot.wall, reaction, name);
        let actions = reaction.map_or(&[][..], |reaction| &reaction.decisions.actions);
        for decision in actions {
            report.pressure.decisions.add(report.line, snapshot.wall);
            if let Some(account) = accounts.all.get_mut(&decision.vm) {
                account.decisions.add(report.line, snapshot.wall);
            }
        }
        actions.len()
    }

    /// How many alerts begin, found as a replay finds them.
    fn watch(&mut self, shown: &Shown) -> usize {
        let reaction = shown.reaction.clone().unwrap_or_default();
        let step = Step { snapshot: shown.snapshot.clone(), reaction };
        let Self { report, accounts, watcher, .. } = self;
        let mut begun = 0;
        for alert in watcher.step(shown.at, &step) {
            report.actions.alert(&alert);
            if alert.state != AlertState::Firing {
                continue;
            }
            begun += 1;
            report.pressure.alerts.add(report.line, alert.at);
            let vm = alert.vm.as_ref().and_then(|named| accounts.all.get_mut(&named.vm));
            if let Some(account) = vm {
                account.alerts.add(report.line, alert.at);
            }
        }
        begun
    }

    fn finish(self) -> Contents {
        let Self { mut report, accounts, minutes, .. } = self;
        report.vms_left_out = accounts.left_out;
        report.vms = accounts.all.into_iter().collect();
        report.vms.sort_by(|(_, one), (_, other)| {
            let (one_first, other_first) = (one.suffering(), other.suffering());
            let order = other_first.0.total_cmp(&one_first.0);
            let order = order.then(other_first.1.total_cmp(&one_first.1));
            order.then_with(|| one.name.cmp(&other.name))
        });
        report.minutes = minutes.worst();
        report
    }
}

#[cfg(test)]
pub(in crate::command::report) mod tests;
