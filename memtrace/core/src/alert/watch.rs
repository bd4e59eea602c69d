//! Which rules hold, and for how long. Pure: time comes in as data.

use std::collections::BTreeMap;

use super::kills::Kills;
use super::rules::{Rule, RuleReading};
use super::{Alert, AlertState, Condition, Finding};
use crate::reactor::Step;
use crate::sample::VmId;
use crate::units::{Nanos, WallNanos};

/// An alert ends when its rule has not held for this long, so that it does not flap.
const CALM: Nanos = Nanos(60 * Nanos::SECOND.0);

type AlertKey = (Condition, Option<VmId>);

/// Remembers what holds.
#[derive(Debug)]
pub struct Watcher {
    rules: Vec<Rule>,
    held: BTreeMap<AlertKey, Held>,
    kills: Kills,
}

#[derive(Clone, Debug)]
struct Held {
    since: Nanos,
    wall: WallNanos,
    /// The alert that was sent. `None`: none yet.
    fired: Option<Alert>,
    /// Since when it doesn't hold any more.
    calm: Option<Nanos>,
}

impl Watcher {
    pub fn new(rules: Vec<Rule>) -> Self {
        Self { rules, held: BTreeMap::new(), kills: Kills::default() }
    }

    /// Replaces the rules. An alert of a rule that is gone ends with the next step.
    pub fn change(&mut self, rules: Vec<Rule>) {
        self.rules = rules;
        // Kills from before the rule was switched on are not reported.
        if !self.rules.iter().any(|rule| rule.condition == Condition::GuestOomKill) {
            self.kills = Kills::default();
        }
    }

    /// What began and what ended with `step`, which is of the moment `at` on the monotonic
    /// clock.
    pub fn step(&mut self, at: Nanos, step: &Step) -> Vec<Alert> {
        let mut alerts = Vec::new();
        let mut before = std::mem::take(&mut self.held);
        for rule in &self.rules {
            for reading in rule.read(step, &mut self.kills) {
                let key = (rule.condition, reading.vm.as_ref().map(|named| named.vm));
                let moment = Tick { at, step, rule, reading: &reading };
                let (held, alert) = moment.judge(before.remove(&key));
                alerts.extend(alert);
                self.held.extend(held.map(|held| (key, held)));
            }
        }
        // No reading any more: the VM or the rule is gone.
        for ((condition, _), held) in before {
            let Some(fired) = held.fired else { continue };
            let is_used = self.rules.iter().any(|rule| rule.condition == condition);
            let finding = if is_used { Finding::VmGone } else { Finding::RuleOff };
            let wall = step.snapshot.wall;
            alerts.push(Alert { state: AlertState::Resolved, at: wall, finding, ..fired });
        }
        alerts
    }

    /// The firing alerts.
    pub fn firing(&self) -> impl Iterator<Item = &Alert> {
        self.held.values().filter_map(|held| held.fired.as_ref())
    }
}

/// A kill is an event and no state: it fires for a minute, as the host's do.
fn calm_after(rule: &Rule) -> Nanos {
    if rule.condition == Condition::GuestOomKill { CALM } else { CALM.min(rule.lasting) }
}

struct Tick<'a> {
    at: Nanos,
    step: &'a Step,
    rule: &'a Rule,
    reading: &'a RuleReading,
}

impl Tick<'_> {
    /// The new state, and an alert to send.
    fn judge(&self, before: Option<Held>) -> (Option<Held>, Option<Alert>) {
        match (&self.reading.found, before) {
            (Some((true, finding)), before) => self.holds(before, finding),
            // Unknown: what fires stays, what hasn't fired yet starts over.
            (None, before) => (before.filter(|held| held.fired.is_some()), None),
            (Some((false, finding)), Some(held)) => self.calms(held, finding),
            (Some((false, _)), None) => (None, None),
        }
    }

    fn holds(&self, before: Option<Held>, finding: &Finding) -> (Option<Held>, Option<Alert>) {
        let wall = self.step.snapshot.wall;
        let new = || Held { since: self.at, wall, fired: None, calm: None };
        let mut held = Held { calm: None, ..before.unwrap_or_else(new) };
        let lasted = self.at.saturating_sub(held.since) >= self.rule.lasting;
        if held.fired.is_some() || !lasted {
            return (Some(held), None);
        }
        let alert = self.alert(held.wall, finding);
        held.fired = Some(alert.clone());
        (Some(held), Some(alert))
    }

    fn calms(&self, held: Held, finding: &Finding) -> (Option<Held>, Option<Alert>) {
        let Some(fired) = &held.fired else { return (None, None) };
        let calm = held.calm.unwrap_or(self.at);
        if self.at.saturating_sub(calm) < calm_after(self.rule) {
            return (Some(Held { calm: Some(calm), ..held }), None);
        }
        let (at, finding) = (self.step.snapshot.wall, finding.clone());
        (None, Some(Alert { state: AlertState::Resolved, at, finding, ..fired.clone() }))
    }

    fn alert(&self, since: WallNanos, finding: &Finding) -> Alert {
        let snapshot = &self.step.snapshot;
        Alert {
            condition: self.rule.condition,
            severity: self.rule.severity,
            state: AlertState::Firing,
            since,
            at: snapshot.wall,
            host: snapshot.host.hostname.clone(),
            vm: self.reading.vm.clone(),
            finding: finding.clone(),
        }
    }
}

#[cfg(test)]
mod tests;
