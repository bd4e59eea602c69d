//! The report of made-up samples.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use memtrace_core::alert::Condition;
use memtrace_core::fixture;
use memtrace_core::model::Measured;
use memtrace_core::model::snapshot::VmView;
use memtrace_core::units::{ByteRate, Bytes, Percent};

const SECOND: u64 = Nanos::SECOND.0;

/// This many seconds after the fixture's time, with this interval before it.
pub(in crate::command::report) fn shown(
    second: u64,
    interval: Option<u64>,
    vms: Vec<VmView>,
) -> Shown {
    let mut snapshot = fixture::snapshot(vms);
    snapshot.wall = WallNanos(fixture::WALL.0 + second * SECOND);
    snapshot.interval = interval.map(|seconds| Nanos(seconds * SECOND));
    let at = Nanos((1000 + second) * SECOND);
    Shown { at, snapshot: Arc::new(snapshot), reaction: None, scope: None }
}

/// Ten minutes of the demo; from second 200 to 260 nothing was recorded, in second 300 something
/// was decided, and the host is short of memory from 400 on.
pub(in crate::command::report) fn ten_minutes() -> Vec<Shown> {
    let seconds = (0..=600).filter(|second| !(201..260).contains(second));
    let moment = |second: u64| {
        let interval = match second {
            0 => None,
            260 => Some(60),
            _ => Some(1),
        };
        let mut shown = shown(second, interval, fixture::demo().vms.clone());
        let snapshot = Arc::make_mut(&mut shown.snapshot);
        snapshot.flows = fixture::demo().flows.clone();
        snapshot.signals = fixture::demo().signals.clone();
        if second >= 400 {
            snapshot.host.memory_available = Measured::exact(Bytes(300 << 20));
        }
        if second >= 300 {
            let mut reaction =
                fixture::enforced().report().expect("it is a report").reaction.clone();
            if second > 300 {
                reaction.decisions.actions.clear();
            }
            for entry in &mut reaction.entries {
                entry.wall = WallNanos(fixture::WALL.0 + 300 * SECOND);
            }
            shown.reaction = Some(reaction);
        }
        shown
    };
    seconds.map(moment).collect()
}

pub(in crate::command::report) fn report(moments: Vec<Shown>) -> Contents {
    let rules = Condition::ALL.map(Condition::rule).to_vec();
    gather(moments.into_iter(), rules).expect("there is a moment")
}

#[test]
fn nothing_is_no_report() {
    assert!(gather(std::iter::empty(), Vec::new()).is_none());
}

#[test]
fn a_gap_in_time_is_reported_and_left_empty_and_its_totals_count() {
    let report = report(ten_minutes());
    let wall = |second: u64| WallNanos(fixture::WALL.0 + second * SECOND);
    assert_eq!((report.moments, report.seconds), (542, 600.0));
    assert_eq!((report.all_gaps, &report.gaps[..]), (1, &[(wall(200), wall(260))][..]));
    assert_eq!(report.line.width, Nanos(2 * SECOND));
    let some = report.pressure.some.buckets();
    let is_known: Vec<bool> = [99, 100, 129, 130].map(|at: usize| some[at].is_known()).to_vec();
    assert_eq!(is_known, [true, false, false, true]);
    let (_, noisy) = &report.vms[0];
    let waited = noisy.stalled.amount().map(f64::round);
    assert_eq!((noisy.name.as_str(), waited), ("noisy", Some((600.0_f64 * 0.384).round())));
}

#[test]
fn the_most_stalled_vm_comes_first_and_quiet_ones_last() {
    let report = report(ten_minutes());
    let names: Vec<&str> = report.vms.iter().map(|(_, vm)| vm.name.as_str()).collect();
    assert_eq!(names, ["noisy", "victim", "idle"]);
    let is_quiet: Vec<bool> = report.vms.iter().map(|(_, vm)| vm.is_quiet()).collect();
    assert_eq!(is_quiet, [false, false, false], "something was decided about the idle one");
    assert_eq!(report.minutes.len(), 10);
}

#[test]
fn decisions_and_alerts_are_marks_of_the_host_and_of_their_vm() {
    let report = report(ten_minutes());
    assert_eq!((report.actions.tally.all().decisions, report.actions.moments), (1, [301, 0, 241]));
    assert_eq!(report.pressure.decisions.marked().collect::<Vec<_>>(), [150]);
    let of = |name: &str| {
        let mut vms = report.vms.iter().map(|(_, account)| account);
        vms.find(|account| account.name == name).expect("it is there")
    };
    assert_eq!(of("idle").decisions.marked().collect::<Vec<_>>(), [150]);
    assert!(!of("noisy").alerts.is_empty() && of("idle").alerts.is_empty());
    let low =
        report.actions.periods.iter().find(|alert| alert.condition == Condition::HostMemoryLow);
    let low = low.expect("less than 5 % was available for over a minute");
    assert_eq!(low.since.0, fixture::WALL.0 + 400 * SECOND);
}

#[test]
fn a_value_never_known_is_unknown() {
    let mut snapshot = (*fixture::without_kernel_side()).clone();
    snapshot.host.memory_available = Measured::absent("no /proc/meminfo");
    let shown =
        Shown { at: Nanos(SECOND), snapshot: Arc::new(snapshot), reaction: None, scope: None };
    let report = report(vec![shown]);
    assert!(report.pressure.available.buckets().is_empty());
    assert!(report.flows.heat().is_err());
    let minute = &report.minutes[0];
    assert_eq!((minute.stalled, minute.available, minute.pressure), (None, None, None));
    assert!(minute.swap_in.is_some(), "of that the host's files tell");
    assert_eq!(report.waits(|account| &account.reclaim).count(), None);
}

#[test]
fn a_day_of_many_vms_keeps_no_more_than_its_buckets() {
    let vms: Vec<VmView> = (0..20).map(|pid| fixture::vm("vm", 100 + pid)).collect();
    let moments = (0..86_400).step_by(60).map(|second| shown(second, Some(60), vms.clone()));
    let report = gather(moments, Vec::new()).expect("there are moments");
    let most = report.vms.iter().map(|(_, account)| account.stall_line.buckets().len()).max();
    assert_eq!((report.line.width, most), (Nanos(256 * SECOND), Some(338)));
    assert_eq!(report.all_gaps, 0);
}

/// Any number that a measured field may hold.
fn odd() -> impl Strategy<Value = Measured<f64>> {
    prop_oneof![
        Just(Measured::absent("not known")),
        any::<f64>().prop_map(Measured::exact),
        (0.0..500.0).prop_map(Measured::exact),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn no_recording_is_too_odd(
        moments in prop::collection::vec(
            (any::<u64>(), prop::option::of(any::<u64>()), odd(), odd(), any::<String>()),
            1..12,
        ),
    ) {
        let shown = moments.into_iter().map(|(wall, interval, one, other, name)| {
            let mut noisy = fixture::noisy();
            noisy.name = name;
            noisy.stalled = one.clone().map(Percent);
            noisy.swap_in = other.clone().map(ByteRate);
            noisy.reclaim_histogram = Measured::exact(vec![u64::MAX; 2000]);
            let mut snapshot = fixture::snapshot(vec![noisy]);
            (snapshot.wall, snapshot.interval) = (WallNanos(wall), interval.map(Nanos));
            snapshot.host.swap_in = one.map(ByteRate);
            let reaction = fixture::enforced().report().map(|report| report.reaction.clone());
            Shown { at: Nanos(wall), snapshot: Arc::new(snapshot), reaction, scope: None }
        });
        let report = report(shown.collect());
        let around = crate::command::report::page::Around {
            source: "odd",
            losses: &[],
            zone: &jiff::tz::TimeZone::UTC,
        };
        let page = crate::command::report::page::page(&report, &around).expect("it can be drawn");
        prop_assert!(page.ends_with("</html>"));
        let drawn = page.split_once("<h2>").map_or("", |(_, rest)| rest);
        prop_assert!(!drawn.contains("NaN") && !drawn.contains("inf,"), "{drawn}");
    }
}
