//! It sees what comes, and is never worse off than without balloons.

use super::*;
use crate::sim::{catalogue, peers, run};

fn both(name: &str) -> [f64; 2] {
    let scenarios = catalogue::all().expect("they are scenarios");
    let scenario = scenarios.into_iter().find(|scenario| scenario.name == name);
    let scenario = scenario.expect("there is such a scenario");
    let mut nothing = peers::all().into_iter().next().expect("the first does nothing");
    let mut clairvoyant = Clairvoyant::new(&scenario).expect("it begins");
    [nothing.as_mut(), &mut clairvoyant]
        .map(|policy| run(&scenario, policy).expect("physics hold").stall_seconds)
}

#[test]
fn it_makes_room_before_it_is_needed() {
    for name in ["leak", "slow-balloon", "sudden-growth", "windows"] {
        let [nothing, clairvoyant] = both(name);
        assert!(clairvoyant * 5.0 < nothing, "{name}: {clairvoyant} s and {nothing} s");
    }
}

#[test]
fn it_leaves_alone_who_needs_nothing() {
    assert_eq!(both("idle"), [0.0, 0.0]);
}

#[test]
fn its_twin_stays_in_step() {
    let scenarios = catalogue::all().expect("they are scenarios");
    let scenario = scenarios.into_iter().find(|scenario| scenario.name == "leak");
    let scenario = scenario.expect("there is such a scenario");
    let mut clairvoyant = Clairvoyant::new(&scenario).expect("it begins");
    let mut seen = Vec::new();
    let outcome = crate::sim::watch(&scenario, &mut clairvoyant, |look| {
        seen = look.sample.vms.iter().filter_map(|vm| vm.process.rss).collect();
    });
    assert!(outcome.expect("physics hold").orders > 0);
    let twin = clairvoyant.twin.vms.iter().map(|vm| bytes(vm.guest.memory.resident()));
    assert_eq!(seen, twin.collect::<Vec<_>>());
}
