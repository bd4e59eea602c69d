//! Alerts that begin, last, flutter, become unknown, and end.

use std::sync::Arc;

use super::*;
use crate::alert::Severity;
use crate::fixture::{snapshot, vm};
use crate::model::Measured;
use crate::model::snapshot::VmView;
use crate::policy::Decisions;
use crate::reactor::{Mode, Reaction};
use crate::sample::{Notice, Topic};
use crate::signal::{Quality, Signal};
use crate::units::{ByteRate, Bytes, Percent, Rate};

const fn second(second: u64) -> Nanos {
    Nanos(second * Nanos::SECOND.0)
}

fn step_of(vms: Vec<VmView>, problem: Option<&str>) -> Step {
    let decisions = Decisions::default();
    let problem = problem.map(str::to_owned);
    let reaction = Reaction { mode: Mode::Enforce, problem, decisions, ..Reaction::default() };
    Step { snapshot: Arc::new(snapshot(vms)), reaction }
}

fn stalled(percent: Option<f64>) -> Step {
    let stalled = percent.map_or_else(|| Measured::absent("lost"), |p| Measured::exact(Percent(p)));
    step_of(vec![VmView { stalled, ..vm("web", 7) }], None)
}

fn watcher(condition: Condition) -> Watcher {
    Watcher::new(vec![condition.rule()])
}

fn told(watcher: &mut Watcher, at: u64, step: &Step) -> Vec<AlertState> {
    watcher.step(second(at), step).iter().map(|alert| alert.state).collect()
}

#[test]
fn it_fires_once_when_it_has_lasted_and_ends_when_it_is_calm() {
    let mut watcher = watcher(Condition::VmStalled);
    let (bad, good) = (stalled(Some(30.0)), stalled(Some(1.0)));
    assert_eq!(told(&mut watcher, 0, &bad), []);
    assert_eq!(told(&mut watcher, 59, &bad), []);
    let alerts = watcher.step(second(60), &bad);
    let alert = &alerts[0];
    assert_eq!((alert.state, alert.severity), (AlertState::Firing, Severity::Warning));
    assert_eq!(alert.vm.as_ref().unwrap().name, "web");
    assert_eq!(alert.finding, Finding::Measured { value: 30.0, limit: 10.0 });
    assert_eq!(told(&mut watcher, 61, &bad), []);
    assert_eq!(watcher.firing().count(), 1);
    assert_eq!(told(&mut watcher, 70, &good), []);
    assert_eq!(told(&mut watcher, 71, &bad), [], "it flutters");
    assert_eq!(told(&mut watcher, 80, &good), []);
    assert_eq!(told(&mut watcher, 139, &good), []);
    let alerts = watcher.step(second(140), &good);
    assert_eq!(alerts[0].state, AlertState::Resolved);
    assert_eq!(alerts[0].finding, Finding::Measured { value: 1.0, limit: 10.0 });
    assert_eq!(alerts[0].since, alert.since);
    assert_eq!(watcher.firing().count(), 0);
}

#[test]
fn a_condition_too_short_for_its_rule_raises_no_alert() {
    let mut watcher = watcher(Condition::VmStalled);
    for at in (0..600).step_by(60) {
        assert_eq!(told(&mut watcher, at, &stalled(Some(30.0))), []);
        assert_eq!(told(&mut watcher, at + 59, &stalled(Some(1.0))), []);
    }
}

#[test]
fn unknown_neither_fires_nor_ends_anything() {
    let mut watcher = watcher(Condition::VmStalled);
    let (bad, unknown) = (stalled(Some(30.0)), stalled(None));
    assert_eq!(told(&mut watcher, 0, &bad), []);
    assert_eq!(told(&mut watcher, 30, &unknown), []);
    assert_eq!(told(&mut watcher, 60, &bad), [], "its duration is unknown");
    assert_eq!(told(&mut watcher, 120, &bad), [AlertState::Firing]);
    assert_eq!(told(&mut watcher, 9000, &unknown), []);
    assert_eq!(watcher.firing().count(), 1);
}

#[test]
fn a_vm_that_is_gone_ends_its_alerts() {
    let mut watcher = watcher(Condition::VmStalled);
    told(&mut watcher, 0, &stalled(Some(30.0)));
    assert_eq!(told(&mut watcher, 60, &stalled(Some(30.0))), [AlertState::Firing]);
    let alerts = watcher.step(second(61), &step_of(Vec::new(), None));
    assert_eq!((alerts[0].state, &alerts[0].finding), (AlertState::Resolved, &Finding::VmGone));
}

#[test]
fn a_guest_with_little_left_matters_when_the_host_brings_its_pages_back() {
    let mut watcher = watcher(Condition::GuestMemoryLow);
    let guest = |swap_in: f64| {
        let view = VmView {
            guest_total: Measured::exact(Bytes(1000)),
            guest_available: Measured::exact(Bytes(10)),
            swap_in: Measured::exact(ByteRate(swap_in)),
            async_faults: Measured::exact(Rate(0.0)),
            ..vm("web", 7)
        };
        step_of(vec![view], None)
    };
    assert_eq!(told(&mut watcher, 0, &guest(0.0)), []);
    assert_eq!(told(&mut watcher, 300, &guest(0.0)), []);
    told(&mut watcher, 301, &guest(2e6));
    assert_eq!(told(&mut watcher, 601, &guest(2e6)), [AlertState::Firing]);
}

#[test]
fn a_full_journal_is_reported_at_once() {
    let mut watcher = watcher(Condition::NotActing);
    let alerts = watcher.step(second(0), &step_of(Vec::new(), Some("no space")));
    assert_eq!(alerts[0].finding, Finding::Acting { problem: Some("no space".to_owned()) });
    assert_eq!(alerts[0].severity, Severity::Critical);
    assert_eq!(told(&mut watcher, 1, &step_of(Vec::new(), None)), [AlertState::Resolved]);
}

#[test]
fn a_vm_that_does_well_has_no_alerts() {
    let conditions =
        Condition::ALL.into_iter().filter(|condition| !condition.name().starts_with("host"));
    let mut watcher = Watcher::new(conditions.map(Condition::rule).collect());
    for at in [0, 400, 800] {
        assert_eq!(watcher.step(second(at), &step_of(vec![vm("web", 7)], None)), []);
    }
}

#[test]
fn a_host_under_pressure_fires_each_of_its_rules() {
    let conditions = [Condition::HostPressure, Condition::HostSwapping];
    let mut watcher = Watcher::new(conditions.map(Condition::rule).to_vec());
    assert_eq!(told(&mut watcher, 0, &step_of(Vec::new(), None)), []);
    let alerts = watcher.step(second(300), &step_of(Vec::new(), None));
    let found: Vec<&Finding> = alerts.iter().map(|alert| &alert.finding).collect();
    let measured = |value, limit| Finding::Measured { value, limit };
    assert_eq!(found, [&measured(12.5, 10.0), &measured(20.0, 1.0)]);
}

#[test]
fn a_flagged_balloon_is_reported_until_it_moves() {
    let mut watcher = watcher(Condition::BalloonStuck);
    let mut step = step_of(vec![vm("web", 7), vm("db", 8)], None);
    assert_eq!(told(&mut watcher, 0, &step), []);
    step.reaction.decisions.flagged = vec![vm("db", 8).id];
    let alerts = watcher.step(second(1), &step);
    assert_eq!(alerts.len(), 1);
    assert_eq!(alerts[0].vm.as_ref().unwrap().name, "db");
    assert_eq!(alerts[0].finding, Finding::Balloon { stuck: true });
    step.reaction.decisions.flagged.clear();
    assert_eq!(told(&mut watcher, 2, &step), [AlertState::Resolved]);
}

#[test]
fn an_oom_kill_is_reported_at_once_and_unknown_without_the_kernel_side() {
    let mut watcher = watcher(Condition::OomKill);
    let text = "the OOM killer chose web (process 7)";
    let killed = |notices, quality| {
        let mut all = snapshot(Vec::new());
        all.notices = notices;
        all.signals
            .iter_mut()
            .filter(|status| status.signal == Signal::OomKills)
            .for_each(|status| status.quality = Quality::clone(&quality));
        Step { snapshot: Arc::new(all), ..step_of(Vec::new(), None) }
    };
    let notices = vec![Notice { about: Topic::Oom, text: text.to_owned() }];
    let alerts = watcher.step(second(0), &killed(notices, Quality::Exact));
    let found = Finding::OomKills { notices: vec![text.to_owned()] };
    assert_eq!((alerts[0].severity, &alerts[0].finding), (Severity::Critical, &found));
    assert_eq!(told(&mut watcher, 1, &killed(Vec::new(), Quality::absent("lost"))), []);
    assert_eq!(told(&mut watcher, 2, &killed(Vec::new(), Quality::Exact)), [AlertState::Resolved]);
}

/// A step in which the guest reports this many kills.
fn kills(pid: u32, total: Option<u64>) -> Step {
    let mut view = vm("web", pid);
    view.id = vm("web", 7).id;
    if let Some(stats) = &mut view.guest_stats.value {
        stats.oom_kills = total;
    }
    step_of(vec![view], None)
}

#[test]
fn a_kill_in_a_guest_is_reported_at_once_and_over_after_a_minute_without_another() {
    let mut watcher = watcher(Condition::GuestOomKill);
    assert_eq!(told(&mut watcher, 0, &kills(7, Some(5))), [], "who knows when they were");
    let alerts = watcher.step(second(1), &kills(7, Some(7)));
    let found = Finding::GuestOomKills { count: 2 };
    assert_eq!((alerts[0].severity, &alerts[0].finding), (Severity::Critical, &found));
    assert_eq!(told(&mut watcher, 2, &kills(7, Some(7))), []);
    assert_eq!(told(&mut watcher, 50, &kills(7, Some(8))), [], "it fires already");
    assert_eq!(told(&mut watcher, 51, &kills(7, Some(8))), []);
    assert_eq!(told(&mut watcher, 110, &kills(7, Some(8))), []);
    assert_eq!(told(&mut watcher, 111, &kills(7, Some(8))), [AlertState::Resolved]);
}

#[test]
fn unreported_kills_are_unknown_and_none_is_lost() {
    let mut watcher = watcher(Condition::GuestOomKill);
    assert_eq!(told(&mut watcher, 0, &kills(7, None)), []);
    assert_eq!(told(&mut watcher, 1, &kills(7, Some(5))), []);
    assert_eq!(told(&mut watcher, 2, &kills(7, None)), []);
    assert_eq!(told(&mut watcher, 3, &kills(7, Some(6))), [AlertState::Firing]);
    assert_eq!(told(&mut watcher, 900, &kills(7, None)), [], "its end is unknown");
}

#[test]
fn a_reboot_or_another_process_resets_the_total() {
    let mut watcher = watcher(Condition::GuestOomKill);
    assert_eq!(told(&mut watcher, 0, &kills(7, Some(5))), []);
    assert_eq!(told(&mut watcher, 1, &kills(7, Some(1))), []);
    assert_eq!(told(&mut watcher, 2, &kills(8, Some(3))), []);
    assert_eq!(told(&mut watcher, 3, &kills(8, Some(u64::MAX - 1))), [AlertState::Firing]);
}

#[test]
fn a_guest_kill_while_its_rule_was_off_is_not_reported() {
    let mut watcher = watcher(Condition::GuestOomKill);
    assert_eq!(told(&mut watcher, 0, &kills(7, Some(5))), []);
    watcher.change(Vec::new());
    assert_eq!(told(&mut watcher, 1, &kills(7, Some(9))), []);
    watcher.change(vec![Condition::GuestOomKill.rule()]);
    assert_eq!(told(&mut watcher, 2, &kills(7, Some(9))), []);
}

#[test]
fn an_alert_ends_when_its_rule_is_switched_off() {
    let mut watcher = watcher(Condition::NotActing);
    let step = step_of(Vec::new(), Some("no space left"));
    assert_eq!(told(&mut watcher, 0, &step), [AlertState::Firing]);
    watcher.change(vec![Condition::VmStalled.rule()]);
    let alerts = watcher.step(second(1), &step);
    assert_eq!((alerts[0].state, &alerts[0].finding), (AlertState::Resolved, &Finding::RuleOff));
}

#[test]
fn a_vm_outside_the_scope_raises_no_alert_of_its_own() {
    let rules = [Condition::VmStalled, Condition::GuestOomKill, Condition::BalloonStuck];
    let mut watcher = Watcher::new(rules.map(Condition::rule).to_vec());
    let mut step = stalled(Some(30.0));
    let vm = step.snapshot.vms[0].id;
    step.reaction.decisions.flagged = vec![vm];
    step.reaction.outside_scope = vec![vm];
    assert_eq!(told(&mut watcher, 0, &step), []);
    assert_eq!(told(&mut watcher, 60, &step), []);
    step.reaction.outside_scope.clear();
    assert_eq!(told(&mut watcher, 61, &step), [AlertState::Firing], "its balloon is stuck");
    step.reaction.outside_scope = vec![vm];
    assert_eq!(told(&mut watcher, 62, &step), [AlertState::Resolved], "it moved out");
}
