//! The scenarios that memtrace comes with.

use std::collections::BTreeSet;

use super::super::{catalogue, peers, run};
use super::*;
use crate::model::derive;
use crate::policy::{Memtrace, Observer};

fn all() -> Vec<Scenario> {
    catalogue::all().expect("they are scenarios")
}

#[test]
fn there_are_enough_and_each_begins() {
    let scenarios = all();
    let names: BTreeSet<&str> = scenarios.iter().map(|scenario| scenario.name.as_str()).collect();
    assert!(scenarios.len() >= 16 && names.len() == scenarios.len());
    for scenario in &scenarios {
        let mut host = Host::new(scenario).expect("it begins");
        pass(&mut host, 1);
        assert!(scenario.about.ends_with('.'), "{}", scenario.name);
    }
}

#[test]
fn memtrace_reaches_what_each_scenario_expects() {
    let mut missed = Vec::new();
    for scenario in all() {
        let mut nothing = peers::all().into_iter().find(|policy| policy.name() == "nothing");
        let nothing = run(&scenario, nothing.as_mut().expect("it is there").as_mut());
        let ours = run(&scenario, &mut Memtrace::default()).expect("physics hold");
        let text = scenario.expect.missed(&ours, &nothing.expect("physics hold"));
        missed.extend(text.into_iter().map(|text| format!("{}: {text}", scenario.name)));
    }
    assert_eq!(missed, [""; 0]);
}

#[test]
fn every_run_is_the_same() {
    let scenario = all().into_iter().find(|scenario| scenario.name == "boot-storm");
    let scenario = Scenario { seconds: 120, ..scenario.expect("it is there") };
    for (mut first, mut second) in peers::all().into_iter().zip(peers::all()) {
        let outcomes = [&mut first, &mut second]
            .map(|policy| run(&scenario, policy.as_mut()).expect("physics hold"));
        assert_eq!(outcomes[0], outcomes[1], "{}", first.name());
    }
}

#[test]
fn the_worst_of_each_scenario_is_physics() {
    for scenario in all() {
        let scenario = Scenario { seconds: scenario.seconds.min(400), ..scenario };
        // Orders every ten seconds to everybody, whatever they are.
        let mut mom = peers::all().into_iter().find(|policy| policy.name() == "mom");
        let policy = mom.as_mut().expect("it is there");
        assert!(run(&scenario, policy.as_mut()).is_ok(), "{}", scenario.name);
    }
}

#[test]
fn what_is_observed_is_what_the_host_has() {
    let mut host = host(&vm("a", "", &steady(512, 512)));
    let mut observer = Observer::default();
    let first = pass(&mut host, 2);
    observer.observe(&first, &derive(None, &first));
    let second = pass(&mut host, 1);
    let observation = observer.observe(&second, &derive(Some(&first), &second));
    let scope = &observation.scope;
    assert_eq!(mib(scope.total), 4096);
    // 4 GiB less 1.5 of the host and 1 of the guest, and what the low mark keeps.
    assert!((2320..2560).contains(&mib(scope.available)), "{:?}", scope.available);
    let vm = &observation.vms[0];
    assert_eq!((&vm.pinned, &vm.no_balloon), (&None, &None));
    assert_eq!((mib(vm.actual), mib(vm.rss), vm.vcpus), (2048, 1024, Some(2)));
    let guest = vm.guest.expect("it tells");
    assert!(guest.age.is_some_and(|age| age.seconds() <= 2.0));
    assert_eq!(mib(guest.free), 1024);
    assert!(vm.stalled.is_some_and(|stalled| stalled.0 == 0.0));
}
