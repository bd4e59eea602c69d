//! Each safety feature is load-bearing: without it, its scenario fails.

use std::collections::BTreeSet;

use super::super::population::draw;
use super::super::{Size, catalogue, peers, run};
use crate::policy::rules::Safety;
use crate::policy::{Memtrace, Rules};

/// Feature, scenario, and which expectation fails without it.
const LOAD: [(Safety, &str, &str); 10] = [
    (Safety::Fresh, "statistics-stop", "stall seconds"),
    (Safety::Trust, "claims-from-others", "stall seconds"),
    (Safety::Distress, "near-the-edge", "oscillations"),
    (Safety::Booted, "services-start", "guest OOMs"),
    (Safety::Moving, "stuck-balloon", "orders"),
    (Safety::Foreign, "operator-setmem", "breaches"),
    (Safety::Burst, "slow-swap", "oscillations"),
    (Safety::Keep, "near-the-edge", "oscillations"),
    (Safety::Reserve, "overcommit-2x", "oscillations"),
    (Safety::Forecast, "overcommit-2x", "oscillations"),
];

/// Those that no scenario needs, and the working seed of a drawn host that needs them.
const DRAWN: [(Safety, u64); 4] =
    [(Safety::Learnt, 97), (Safety::CoolDown, 135), (Safety::Floor, 91), (Safety::Hysteresis, 76)];

/// What a scenario expects and isn't reached without these features.
fn missed(name: &str, without: BTreeSet<Safety>) -> Vec<String> {
    let scenarios = catalogue::all().expect("they are scenarios");
    let scenario = scenarios.into_iter().find(|scenario| scenario.name == name);
    let mut scenario = scenario.expect("there is such a scenario");
    if name == "services-start" {
        // So small that memory in use is taken at all.
        scenario.host.memory = Size::mib(14_400);
    }
    let mut nothing = peers::all().into_iter().find(|policy| policy.name() == "nothing");
    let nothing = run(&scenario, nothing.as_mut().expect("it is there").as_mut());
    let mut ours = Memtrace::new(Rules { without, ..Rules::default() });
    let ours = run(&scenario, &mut ours).expect("physics hold");
    scenario.expect.missed(&ours, &nothing.expect("physics hold"))
}

#[test]
fn without_a_safety_feature_its_scenario_fails() {
    for (safety, name, told) in LOAD {
        let missed = missed(name, [safety].into());
        let fails = missed.iter().any(|text| text.contains(told));
        assert!(fails, "{name} without {safety:?} misses {missed:?}, and not {told:?}");
    }
}

#[test]
fn without_a_safety_feature_guests_of_a_drawn_host_are_worse_off() {
    for (safety, seed) in DRAWN {
        let run = |without: BTreeSet<Safety>| {
            let mut ours = Memtrace::new(Rules { without, ..Rules::default() });
            run(&draw(seed), &mut ours).expect("physics hold")
        };
        let (with, without) = (run(BTreeSet::new()), run([safety].into()));
        let worse = without.stall_seconds > 1.5 * with.stall_seconds
            || without.oscillations > with.oscillations + 4;
        assert!(worse, "{safety:?}: {with:?} and without it {without:?}");
    }
}

#[test]
fn each_safety_feature_has_its_scenario() {
    let all = LOAD.iter().map(|(safety, ..)| *safety).chain(DRAWN.map(|(safety, _)| safety));
    let all: BTreeSet<Safety> = all.collect();
    assert_eq!(all.len(), LOAD.len() + DRAWN.len());
    // A feature that is added and has no scenario doesn't compile.
    for safety in all {
        match safety {
            Safety::Fresh
            | Safety::Trust
            | Safety::Distress
            | Safety::Booted
            | Safety::Moving
            | Safety::Foreign
            | Safety::CoolDown
            | Safety::Floor
            | Safety::Learnt
            | Safety::Burst
            | Safety::Keep
            | Safety::Reserve
            | Safety::Forecast
            | Safety::Hysteresis => {}
        }
    }
}
