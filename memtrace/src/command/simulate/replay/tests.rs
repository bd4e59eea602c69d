//! A made-up host that is recorded, under another configuration.

use std::collections::BTreeMap;

use super::*;
use memtrace_core::model::derive;
use memtrace_core::policy::{Action, Memtrace, Observer, Rules};
use memtrace_core::reactor::{Entry, Fate, Mode, Reaction, Target};
use memtrace_core::sample::{Sample, VmId};
use memtrace_core::sim::{Scenario, catalogue, watch};
use memtrace_core::units::Nanos;
use memtrace_store::recording::Record;

/// What a scenario's samples are, and what memtrace's policy decided there: a closed loop.
fn recorded(name: &str, mode: Option<Mode>) -> Vec<Record> {
    let scenarios = catalogue::all().expect("they can be read");
    let found = scenarios.into_iter().find(|scenario| scenario.name == name);
    let scenario = found.expect("there is one");
    let scenario = Scenario { seconds: scenario.seconds.min(400), ..scenario };
    let mut moments: Vec<Record> = Vec::new();
    let mut policy = Memtrace::default();
    let mut targets: BTreeMap<VmId, Target> = BTreeMap::new();
    let mut entries: Vec<Entry> = Vec::new();
    watch(&scenario, &mut policy, |look| {
        let at = look.sample.wall;
        for decision in &look.decisions.actions {
            let Action::Balloon { to, .. } = decision.action else { continue };
            let target = Target { vm: decision.vm, to, at, ordered: true };
            targets.insert(decision.vm, target);
        }
        for decision in look.decisions.actions.clone() {
            let (number, name) = (entries.len() as u64, String::new());
            entries.push(Entry { number, wall: at, name, decision, fate: Fate::Done });
        }
        let reaction = mode.map(|mode| Reaction {
            mode,
            entries: entries.clone(),
            decisions: look.decisions.clone(),
            targets: targets.values().copied().collect(),
            ..Reaction::default()
        });
        moments.push(Record { sample: look.sample.clone(), reaction });
    })
    .expect("it runs");
    moments
}

fn config(change: impl FnOnce(&mut Rules)) -> Config {
    let mut config = Config::default();
    change(&mut config.rules);
    config
}

fn compared(moments: Vec<Record>, config: &Config) -> Comparison {
    compare(moments.into_iter(), config).expect("there are moments")
}

#[test]
fn nothing_is_nothing_to_compare() {
    assert!(compare(std::iter::empty(), &Config::default()).is_none());
}

#[test]
fn the_same_configuration_begins_as_it_did() {
    let compared = compared(recorded("night-batch", Some(Mode::Enforce)), &Config::default());
    let first = compared.episodes.first().expect("something was done");
    assert!(first.is_alike(), "{first:?}");
    assert_eq!(compared.acted, compared.moments);
    // Nothing is missing in it, so that it goes on as it did, too.
    let recorded = compared.recorded.as_ref().expect("something decided");
    assert_eq!(
        (&recorded.decisions, &recorded.states),
        (&compared.new.decisions, &compared.new.states)
    );
}

#[test]
fn balloons_that_were_moved_then_are_not_taken_for_somebody_elses() {
    let moments = recorded("overcommit-2x", Some(Mode::Enforce));
    let stood_down = |moments: &[Record], mode: Mode| {
        let mut runner = run::Runner::new(&moments[0].sample, &Config::default());
        for moment in moments {
            let reaction = moment.reaction.clone().map(|reaction| Reaction { mode, ..reaction });
            runner.step(Record { sample: moment.sample.clone(), reaction });
        }
        let vms = runner.policy.state.vms.values();
        vms.filter(|vm| vm.stood_down.is_some()).count()
    };
    let moved = |moment: &Record| {
        moment.reaction.as_ref().is_some_and(|reaction| !reaction.decisions.actions.is_empty())
    };
    assert!(moments.iter().any(moved), "the test shows something");
    assert_eq!(stood_down(&moments, Mode::Enforce), 0);
    assert!(stood_down(&moments, Mode::Observe) > 0, "they would be");
    // Nor where the moments of the orders are missing.
    let first = moments.iter().position(moved).expect("there is one");
    let holed: Vec<Record> = (0..)
        .zip(&moments)
        .filter(|(at, _)| !(first..first + 5).contains(at))
        .map(|(_, moment)| moment.clone())
        .collect();
    assert_eq!(stood_down(&holed, Mode::Enforce), 0);
}

/// A minute is missing, in which orders were given.
fn holed(name: &str) -> Vec<Record> {
    let mut moments = recorded(name, Some(Mode::Enforce));
    let acts = |moment: &Record| {
        moment.reaction.as_ref().is_some_and(|reaction| !reaction.decisions.actions.is_empty())
    };
    let first = moments.iter().find(|moment| acts(moment)).expect("something was done");
    let lost = first.sample.at.0..first.sample.at.0 + 60 * Nanos::SECOND.0;
    moments.retain(|moment| !lost.contains(&moment.sample.at.0));
    moments.iter_mut().filter_map(|moment| moment.reaction.as_mut()).for_each(|reaction| {
        reaction.targets.clear();
    });
    moments
}

#[test]
fn orders_that_a_hole_swallowed_are_known_by_the_last_entries() {
    for name in ["night-batch", "slow-swap"] {
        let compared = compared(holed(name), &Config::default());
        let recorded = compared.recorded.as_ref().expect("something decided");
        let taken = |side: &run::Side| {
            let kinds = side.decisions.kinds().filter(|(kind, _)| kind.action == "take");
            kinds.map(|(_, count)| count.decisions).sum::<u64>()
        };
        let (recorded, new) = (taken(recorded), taken(&compared.new));
        assert!(
            recorded > 0 && new.abs_diff(recorded) * 4 <= recorded,
            "{name}: {new}, {recorded}"
        );
    }
}

#[test]
fn what_moved_in_a_hole_is_the_policys_own_where_it_went_on_holding_it_for_that() {
    for name in ["overcommit-2x", "night-batch"] {
        let mut moments = holed(name);
        moments.iter_mut().filter_map(|moment| moment.reaction.as_mut()).for_each(|reaction| {
            reaction.entries.clear();
        });
        let mut runner = run::Runner::new(&moments[0].sample, &Config::default());
        moments.into_iter().for_each(|moment| runner.step(moment));
        let stood_down = runner.policy.state.vms.values().filter(|vm| vm.stood_down.is_some());
        assert_eq!(stood_down.count(), 0, "{name}");
    }
}

#[test]
fn a_configuration_that_waits_longer_begins_later_or_never() {
    let moments = recorded("overcommit-2x", Some(Mode::Enforce));
    let later = config(|rules| (rules.soft, rules.hard, rules.low) = (3.0, 2.0, 1.0));
    let compared = compared(moments, &later);
    let first = compared.episodes.first().expect("something was done");
    assert!(first.recorded.is_some() && !first.is_alike(), "{first:?}");
    assert!(first.new.is_none() || first.acted_before, "{first:?}");
    assert_eq!(compared.new.first.all().decisions, 0);
    let text = table::table(&compared, &TimeZone::UTC);
    assert!(text.contains("does not react") && text.contains("only the start of each"), "{text}");
    assert!(text.contains("had not decided anything") || text.contains("doesn't act"), "{text}");
}

#[test]
fn what_only_observed_compares_in_all_and_agrees_with_itself() {
    // Nothing was carried out: the host as it is without any policy.
    let mut moments = recorded("idle", None);
    let mut policy =
        Memtrace::new(crate::service::policy::rules(&Config::default(), &moments[0].sample));
    let mut observer = Observer::default();
    let mut before: Option<Sample> = None;
    for moment in &mut moments {
        use memtrace_core::policy::Policy;
        // Little is left in the last minutes.
        if let Some(meminfo) = &mut moment.sample.host.meminfo
            && moment.sample.at.0 > 200_000_000_000
        {
            meminfo.available = memtrace_core::units::Bytes(meminfo.total.0 / 50);
            meminfo.free = meminfo.available;
        }
        let snapshot = derive(before.as_ref(), &moment.sample);
        let decisions = policy.step(&observer.observe(&moment.sample, &snapshot));
        decisions
            .actions
            .iter()
            .for_each(|decision| policy.withdraw(decision.vm, &decision.action));
        moment.reaction = Some(Reaction { decisions, ..Reaction::default() });
        before = Some(moment.sample.clone());
    }
    let compared = compared(moments, &Config::default());
    let recorded = compared.recorded.as_ref().expect("something decided");
    assert!(recorded.decisions.all().decisions > 0);
    assert_eq!(recorded.decisions, compared.new.decisions);
    assert_eq!(compared.alike, compared.all_episodes);
    assert!(table::table(&compared, &TimeZone::UTC).contains("rows are comparable"));
}

#[test]
fn without_decisions_there_is_nothing_to_compare_with_and_no_zero() {
    let compared = compared(recorded("overcommit-2x", None), &Config::default());
    assert!(compared.recorded.is_none());
    let text = table::table(&compared, &TimeZone::UTC);
    assert!(text.contains("nothing to compare with"), "{text}");
    let json = told(&compared, true).expect("it is written");
    let json: serde_json::Value = serde_json::from_str(&json).expect("it is JSON");
    assert!(json["recorded"].is_null() && json["new"]["decisions"].is_array());
    assert_eq!(json["schema_version"], 1);
}

#[test]
fn a_scope_that_was_not_recorded_is_told() {
    let other = Config { scope: Some("/machine.slice".to_owned()), ..Config::default() };
    let told = ignored(&other, None).expect("it is another");
    assert!(
        told.contains("the cgroup machine.slice") && told.contains("the recording is of the host"),
        "{told}"
    );
    assert_eq!(ignored(&other, Some("machine.slice")), None);
    assert_eq!(ignored(&Config::default(), None), None);
}

#[test]
fn nothing_is_compared_across_a_gap_or_a_boot() {
    use memtrace_core::fixture::samples;
    let mut runner = run::Runner::new(&samples::sample(1, Vec::new()), &Config::default());
    let mut ages = Vec::new();
    for second in [1, 2, 500, 501, 1, 2] {
        let mut sample = samples::sample(1, Vec::new());
        sample.at = memtrace_core::units::Nanos(second * 1_000_000_000);
        ages.push(runner.baseline(sample.at).map(|before| before.at.0 / 1_000_000_000));
        runner.step(memtrace_store::recording::Record { sample, reaction: None });
    }
    assert_eq!(ages, [None, Some(1), None, Some(500), None, Some(1)]);
}
