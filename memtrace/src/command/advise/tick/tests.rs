//! Known and unknown facts about a guest at a moment.

use super::*;
use memtrace_core::fixture::samples::{self, GIB, MIB};
use memtrace_core::model::derive;
use memtrace_core::sample::{Sample, VmSample};

/// The ticks of a VM that is in these states, two seconds apart.
fn ticks(changes: &[&dyn Fn(&mut VmSample)]) -> Vec<VmTick> {
    let (rules, zone) = (Rules::default(), TimeZone::UTC);
    let mut ticks = Ticks::new(&rules, &zone);
    let mut before: Option<Sample> = None;
    let mut found = Vec::new();
    for (change, second) in changes.iter().zip((10..).step_by(2)) {
        let mut vm = samples::vm("a", 7);
        let mut sample = samples::sample(second, Vec::new());
        if let Some(stats) = &mut vm.guest.stats {
            stats.updated = Some(sample.wall);
        }
        change(&mut vm);
        sample.vms = vec![vm];
        let tick = ticks.tick(&derive(before.as_ref(), &sample));
        found.extend(tick.vms);
        before = Some(sample);
    }
    found
}

fn stats(vm: &mut VmSample) -> &mut GuestStats {
    vm.guest.stats.as_mut().expect("the fixture has some")
}

#[test]
fn need_is_the_size_without_what_could_be_given_up() {
    let known = |bytes| Need::Known(Bytes(bytes));
    let found = ticks(&[
        &|_| {},
        &|vm| stats(vm).available = None,
        &|vm| (stats(vm).available, stats(vm).free) = (None, None),
        &|vm| stats(vm).available = Some(Bytes(2 * GIB)),
        &|vm| vm.guest.stats = None,
    ]);
    assert_eq!(found[0].need, known(GIB - 300 * MIB));
    assert_eq!(found[1].need, Need::AtMost(Bytes(GIB - 80 * MIB)));
    assert!(found[2..].iter().all(|tick| tick.need.bytes().is_none()), "{found:?}");
    assert_eq!(found[4].hurts, None);
}

#[test]
fn an_answer_from_before_the_balloon_moved_tells_no_need() {
    let half = |vm: &mut VmSample| vm.guest.actual = Some(Bytes(GIB / 2));
    let found = ticks(&[&|_| {}, &half, &half]);
    let known: Vec<_> = found.iter().map(|tick| tick.need.bytes()).collect();
    assert_eq!(known, [Some(Bytes(GIB - 300 * MIB)), None, Some(Bytes(GIB / 2 - 300 * MIB))]);
}

#[test]
fn a_stale_answer_is_none() {
    let old = |vm: &mut VmSample| stats(vm).updated = Some(WallNanos(1));
    let found = ticks(&[&old]);
    assert!(matches!(&found[0].need, Need::Unknown(why) if why.starts_with("stale")), "{found:?}");
}

#[test]
fn it_hurts_when_little_is_left_or_when_it_swaps_with_not_much_left() {
    let left = |available: u64, swapped: u64| {
        move |vm: &mut VmSample| {
            stats(vm).available = Some(Bytes(available * MIB));
            stats(vm).swap_in = Some(Bytes(swapped * MIB));
        }
    };
    let (plenty, tight, low) = (left(300, 0), left(150, 0), left(40, 0));
    let (swaps, calm) = (left(150, 100), left(500, 200));
    let found = ticks(&[&plenty, &tight, &swaps, &calm, &low]);
    let hurts: Vec<_> = found.iter().map(|tick| tick.hurts).collect();
    assert_eq!(hurts, [false, false, true, false, true].map(Some));
}

#[test]
fn an_oom_kill_in_the_guest_hurts_whatever_is_left() {
    let killed = |vm: &mut VmSample| stats(vm).oom_kills = Some(1);
    let found = ticks(&[&|_| {}, &killed]);
    assert_eq!(found[1].hurts, Some(true));
}

#[test]
fn hours_are_those_of_the_readers_zone() {
    let at = WallNanos(86_400_000_000_000 * 10 + 3_600_000_000_000 * 23);
    assert_eq!(place(at, &TimeZone::UTC), (23, 10));
    assert_eq!(place(at, &TimeZone::fixed(jiff::tz::offset(2))), (1, 11));
}

#[test]
fn guests_of_a_self_test_that_was_recorded_are_no_vms() {
    assert!(ticks(&[&|vm| vm.vmm = "memtrace".to_owned()]).is_empty());
}
