//! A month of metrics in Prometheus with known right answers; and metrics with gaps.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::*;
use crate::command::advise::advise;
use crate::command::advise::basis::Sure;
use crate::command::advise::tests::month::{BEGIN, STEP, sample};
use crate::command::advise::tests::{right_dead, right_host, right_sizes};
use crate::command::advise::tick::{Need, Tick};
use crate::prometheus::reply::{Labels, Line};
use memtrace_core::fixture::samples::GIB;
use memtrace_core::model::derive;
use memtrace_core::reactor::Decided;
use memtrace_core::units::Bytes;
use memtrace_view::export::metrics::{Form, Scene, parse, text};

const DAY: u64 = 86_400;

/// memtrace's metrics at a moment of the month, as scraped.
fn told(second: u64) -> Vec<parse::Sample> {
    let now = sample(second);
    let before = second.checked_sub(STEP).map(sample);
    let mut snapshot = derive(before.as_ref(), &now);
    // The samples' monotonic clock is slower than the month's, so that rates are set here.
    snapshot.host.swap_in.value = Some(memtrace_core::units::ByteRate(0.0));
    snapshot.host.swap_out.value = Some(memtrace_core::units::ByteRate(0.0));
    let wall = snapshot.wall;
    let scene =
        Scene::new(Arc::new(snapshot), Decided::Not("no reactor".into()), Bytes(4096), wall);
    let text = text(scene, Form::OpenMetrics).expect("it is written");
    parse::samples(&text).collect()
}

/// The series of each metric in a range.
fn lines(stretch: Stretch) -> BTreeMap<String, Vec<Line>> {
    let mut series: BTreeMap<(String, Labels), Vec<(f64, f64)>> = BTreeMap::new();
    for at in (stretch.from..=stretch.to).step_by(stretch.step as usize) {
        for sample in told(at - BEGIN) {
            let mut labels = sample.labels;
            labels.insert("__name__".to_owned(), sample.name.clone());
            series.entry((sample.name, labels)).or_default().push((at as f64, sample.value));
        }
    }
    let mut lines: BTreeMap<String, Vec<Line>> = BTreeMap::new();
    for ((name, labels), points) in series {
        lines.entry(name).or_default().push(Line { labels, points });
    }
    lines
}

fn record(days: u64, config: &Config, zone: &TimeZone) -> Record {
    let points = Points { step_seconds: STEP, scrape_seconds: Some(60) };
    let mut record = Record { source: Source::Prometheus(points), ..Record::default() };
    let mut history = History::new(&config.rules, zone, Some("host".to_owned()));
    for day in 0..days {
        let from = BEGIN + day * DAY;
        let stretch = Stretch { from, to: from + DAY - STEP, step: STEP };
        let mut lines = lines(stretch);
        let mut answers = Answers::new(stretch);
        let of_host = query::OF_HOST.iter().filter_map(|name| lines.get(*name).cloned());
        answers.host(of_host.flatten().collect());
        for what in OfVm::ALL {
            // Balloons don't move, and nothing happens between two points.
            if !matches!(what, OfVm::Moved | OfVm::Most) {
                answers.vms(what, lines.get(what.metric()).cloned().unwrap_or_default());
            }
        }
        lines.clear();
        history.ticks(&answers).iter().for_each(|tick| record.add(tick));
    }
    record
}

#[test]
fn a_month_that_prometheus_remembers_gives_the_right_advice() {
    let (config, zone) = (Config::default(), TimeZone::UTC);
    let record = record(30, &config, &zone);
    let advice = advise(&record, &config.rules, Some(Bytes(16 * GIB)));
    right_sizes(&advice, Sure::Medium);
    right_host(&advice.host);
    right_dead(&advice);
    let text = crate::command::advise::words::text(&advice, &zone, false);
    for words in [
        "30 days of history (Prometheus, one point per 15min, scraped every 1min)",
        "at most medium",
    ] {
        assert!(text.contains(words), "{text}");
    }
    let silent = advice.vms.iter().find(|vm| vm.name == "silent").expect("it is there");
    let missing = silent.basis.missing.as_deref();
    assert_eq!(missing, Some("no guest statistics in Prometheus"));
}

/// One VM at two points, with values removed by `change`.
fn ticks(change: impl Fn(&mut BTreeMap<OfVm, [Option<f64>; 2]>)) -> Vec<Tick> {
    let gib = |amount: u64| (amount * GIB) as f64;
    let stretch = Stretch { from: 600, to: 900, step: 300 };
    let mut told: BTreeMap<OfVm, [Option<f64>; 2]> = [
        (OfVm::Actual, gib(4)),
        (OfVm::Maximum, gib(4)),
        (OfVm::Resident, gib(3)),
        (OfVm::Available, gib(2)),
        (OfVm::Age, 1.0),
        (OfVm::MajorFaults, 1e6),
        (OfVm::Moved, 0.0),
        (OfVm::Most, gib(3)),
    ]
    .into_iter()
    .map(|(what, value)| (what, [Some(value); 2]))
    .collect();
    change(&mut told);
    let line = |name: &str, values: [Option<f64>; 2]| Line {
        labels: [("__name__", name), ("name", "web"), ("id", "7@1")]
            .map(|(label, value)| (label.to_owned(), value.to_owned()))
            .into(),
        points: [600.0, 900.0]
            .into_iter()
            .zip(values)
            .filter_map(|(at, value)| Some((at, value?)))
            .collect(),
    };
    let mut answers = Answers::new(stretch);
    answers.host(vec![line("memtrace_host_memory_bytes", [Some(gib(64)); 2])]);
    for (what, values) in told {
        answers.vms(what, vec![line("", values)]);
    }
    let (config, zone) = (Config::default(), TimeZone::UTC);
    History::new(&config.rules, &zone, None).ticks(&answers)
}

#[test]
fn vms_are_called_as_their_labels_say() {
    let info = [("id", "7@1"), ("display_name", "web"), ("project", "shop"), ("platform", "nova")];
    let info: Labels = info.map(|(label, value)| (label.to_owned(), value.to_owned())).into();
    let labels = labels(&[info, Labels::new()]);
    assert_eq!(labels["7@1"].title().as_deref(), Some("shop/web"));
    assert_eq!((labels.len(), labels["7@1"].id.as_deref()), (1, None));
}

#[test]
fn implausible_values_are_unknown_with_a_reason() {
    let last = |what: OfVm, value: Option<f64>| {
        let ticks = ticks(|told| {
            told.insert(what, [Some(0.0), value]);
        });
        ticks[1].vms[0].clone()
    };
    let needed = ticks(|_| {})[1].vms[0].clone();
    assert_eq!(needed.need, Need::Known(Bytes(2 << 30)));
    assert_eq!((needed.most, needed.hurts), (Some(Bytes(3 << 30)), Some(false)));
    for (what, value, why) in [
        (OfVm::Age, Some(6.0), "stale"),
        (OfVm::Age, None, "age of guest statistics unknown"),
        (OfVm::Moved, Some(2.0), "size changed shortly before"),
        (OfVm::Available, None, "no guest statistics in Prometheus"),
        (OfVm::Available, Some(5e9), "inconsistent"),
    ] {
        let vm = last(what, value);
        let Need::Unknown(because) = &vm.need else { panic!("{vm:?}") };
        assert!(because.contains(why), "{because}");
        assert_eq!((vm.most, vm.hurts), (None, None), "{what:?}");
    }
    // An impossible size is ignored.
    assert_eq!(last(OfVm::Swap, Some(-1.0)).swap, None);
    assert_eq!(last(OfVm::Swap, Some(1e300)).swap, None);
}

#[test]
fn a_guest_that_was_at_its_end_between_two_points_suffered() {
    let full = ticks(|told| {
        told.insert(OfVm::Most, [Some(4.25e9); 2]);
    });
    assert_eq!(full[1].vms[0].hurts, Some(true), "{full:?}");
    let killed = ticks(|told| {
        told.insert(OfVm::OomKills, [Some(1.0), Some(2.0)]);
    });
    assert_eq!((killed[0].vms[0].hurts, killed[1].vms[0].hurts), (Some(false), Some(true)));
    // Counters that restarted report no kill.
    let booted = ticks(|told| {
        told.insert(OfVm::OomKills, [Some(5.0), Some(2.0)]);
    });
    assert_eq!(booted[1].vms[0].hurts, Some(false));
}

#[test]
fn a_host_that_is_not_clear_is_asked_for() {
    let host = |instance: &str, hostname: &str| -> Labels {
        [("__name__", HOSTS), ("instance", instance), ("hostname", hostname), ("job", "memtrace")]
            .map(|(label, value)| (label.to_owned(), value.to_owned()))
            .into()
    };
    let all = || vec![host("10.0.0.1:9435", "a"), host("10.0.0.2:9435", "b")];
    let found = |wanted| chosen(all(), Some(wanted)).map(|host| host["hostname"].clone());
    for wanted in ["10.0.0.2:9435", "10.0.0.2", "b"] {
        assert_eq!(found(wanted).expect("it is there"), "b");
    }
    let told = |error: anyhow::Error| error.to_string();
    let several = told(chosen(all(), None).expect_err("which?"));
    assert_eq!(several, "several hosts: 10.0.0.1:9435, 10.0.0.2:9435; select one with --host");
    assert!(told(found("c").expect_err("none")).starts_with("no host c; hosts: 10."));
    assert!(
        told(chosen(Vec::new(), None).expect_err("none")).contains("no host with memtrace metrics")
    );
    // A host whose name or kernel changed counts once.
    let renamed = vec![host("10.0.0.1:9435", "a"), host("10.0.0.1:9435", "z")];
    assert_eq!(chosen(renamed, None).expect("it is one")["hostname"], "z");
}
