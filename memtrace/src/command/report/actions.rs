//! Decisions and alerts. Pure. All are counted, the first ones are listed.

use std::collections::BTreeMap;

use memtrace_core::alert::{Alert, AlertState, Condition, Severity};
use memtrace_core::decision_counts::DecisionCounts;
use memtrace_core::policy::Action;
use memtrace_core::policy::RuleId;
use memtrace_core::reactor::{Fate, Mode, Reaction};
use memtrace_core::sample::VmId;
use memtrace_core::text::truncate;
use memtrace_core::units::WallNanos;
use memtrace_view::words;

/// Most that are listed of each kind.
pub const MOST_LISTED: usize = 500;
/// Columns of a reason that are kept.
const WORDS: usize = 400;

/// A decision and its outcome.
#[derive(Clone, Debug, PartialEq)]
pub struct ActionEntry {
    pub at: WallNanos,
    pub vm: VmId,
    /// Untrusted text.
    pub name: String,
    pub action: Action,
    pub rule: RuleId,
    pub because: String,
    /// `None`: not recorded.
    pub fate: Option<Fate>,
}

/// An alert from its beginning to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlertPeriod {
    pub condition: Condition,
    pub severity: Severity,
    /// Untrusted text. `None`: the host's.
    pub name: Option<String>,
    pub vm: Option<VmId>,
    pub since: WallNanos,
    pub at: WallNanos,
    /// `None`: it went on to the end of the recording.
    pub until: Option<WallNanos>,
    pub text: String,
}

/// All of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Actions {
    pub tally: DecisionCounts,
    pub listed: Vec<ActionEntry>,
    /// Moments that were acted in, that were only observed, and in which nothing decided.
    pub moments: [u64; 3],
    pub alerts: BTreeMap<Condition, u64>,
    pub periods: Vec<AlertPeriod>,
    pub alerted: u64,
}

impl Actions {
    /// Adds the decisions of a record; `name`: of a VM.
    pub fn add(
        &mut self,
        at: WallNanos,
        reaction: Option<&Reaction>,
        name: impl Fn(VmId) -> String,
    ) {
        let Some(reaction) = reaction else {
            self.moments[2] += 1;
            return;
        };
        self.moments[usize::from(reaction.mode == Mode::Observe)] += 1;
        for decision in &reaction.decisions.actions {
            self.tally.add(decision);
            if self.listed.len() < MOST_LISTED {
                self.listed.push(ActionEntry {
                    at,
                    vm: decision.vm,
                    name: name(decision.vm),
                    action: decision.action,
                    rule: decision.rule,
                    because: truncate(&words::because(decision), WORDS).into_owned(),
                    fate: None,
                });
            }
        }
        self.follow(reaction);
    }

    /// Updates the outcomes of earlier ones.
    fn follow(&mut self, reaction: &Reaction) {
        for entry in &reaction.entries {
            // They are in the order of time.
            let first = self.listed.partition_point(|done| done.at < entry.wall);
            let same = self.listed.iter_mut().skip(first);
            let mut same = same.take_while(|done| done.at == entry.wall);
            if let Some(done) = same.find(|done| done.vm == entry.decision.vm)
                && done.fate.as_ref() != Some(&entry.fate)
            {
                done.fate = Some(entry.fate.clone());
            }
        }
    }

    pub fn alert(&mut self, alert: &Alert) {
        let vm = alert.vm.as_ref().map(|named| named.vm);
        if alert.state == AlertState::Resolved {
            let mut open = self.periods.iter_mut().rev();
            let is_it =
                |period: &&mut AlertPeriod| period.condition == alert.condition && period.vm == vm;
            if let Some(period) = open.find(is_it) {
                period.until = Some(alert.at);
            }
            return;
        }
        self.alerted = self.alerted.saturating_add(1);
        let count = self.alerts.entry(alert.condition).or_default();
        *count = count.saturating_add(1);
        if self.periods.len() < MOST_LISTED {
            self.periods.push(AlertPeriod {
                condition: alert.condition,
                severity: alert.severity,
                name: alert.vm.as_ref().map(|named| named.name.clone()),
                vm,
                since: alert.since,
                at: alert.at,
                until: None,
                text: truncate(&words::alert(alert), WORDS).into_owned(),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use memtrace_core::alert::Finding;
    use memtrace_core::decision_counts::Count;
    use memtrace_core::fixture;
    use memtrace_core::reactor::entry::Named;

    #[test]
    fn decisions_are_counted_by_kind_and_followed_to_their_end() {
        let (mut actions, decided) = (Actions::default(), fixture::enforced());
        let reaction = decided.report().map(|report| report.reaction.clone());
        actions.add(fixture::WALL, reaction.as_ref(), |_| "idle".to_owned());
        actions.add(fixture::WALL, None, |_| String::new());
        assert_eq!(actions.tally.all(), Count { decisions: 1, bytes: 512 << 20 });
        assert_eq!(actions.moments, [1, 0, 1]);
        assert_eq!(actions.listed[0].fate, Some(Fate::InFlight));
        let mut later = reaction.expect("there is one");
        later.decisions.actions.clear();
        later.entries[2].fate = Fate::Done;
        actions.add(WallNanos(fixture::WALL.0 + 1), Some(&later), |_| String::new());
        assert_eq!(actions.listed[0].fate, Some(Fate::Done));
    }

    #[test]
    fn an_alert_ends_the_one_that_began() {
        let vm = fixture::noisy();
        let alert = |state, at| Alert {
            condition: Condition::VmStalled,
            severity: Severity::Warning,
            state,
            since: WallNanos(1),
            at: WallNanos(at),
            host: None,
            vm: Some(Named { vm: vm.id, name: vm.name.clone(), labels: vm.labels.clone() }),
            finding: Finding::Measured { value: 30.0, limit: 10.0 },
        };
        let mut actions = Actions::default();
        actions.alert(&alert(AlertState::Firing, 5));
        actions.alert(&alert(AlertState::Resolved, 9));
        actions.alert(&alert(AlertState::Firing, 20));
        let untils: Vec<_> = actions.periods.iter().map(|period| period.until).collect();
        assert_eq!(untils, [Some(WallNanos(9)), None]);
        assert_eq!(actions.alerts[&Condition::VmStalled], 2);
    }
}
