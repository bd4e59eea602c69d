//! Every key of a line is in the table, and every row of the table is in a line.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;

use super::*;
use crate::columns::Sort;
use crate::export::json;
use memtrace_core::fixture;
use memtrace_core::model::Snapshot;
use memtrace_core::model::snapshot::Measured;
use memtrace_core::policy::decision::Suffering;
use memtrace_core::policy::reason::Distress;
use memtrace_core::policy::{Action, Reason};
use memtrace_core::reactor::{Decided, Fate, Owed, Report};
use memtrace_core::sample::{Notice, Party, Topic, VmId};
use memtrace_core::signal::Signal;
use memtrace_core::units::{Bytes, Limit};

/// Rows that were met, as `shape.key`.
type Met = BTreeSet<String>;

fn named(name: &str) -> &'static Shape {
    let mut found = shapes().filter(|shape| shape.name == name);
    let shape = found.next().unwrap_or_else(|| panic!("there is no shape {name}"));
    assert!(found.next().is_none(), "there are two shapes {name}");
    shape
}

/// Walks an object, and fails at whatever isn't as the table says.
fn walk(value: &Value, shape: &Shape, met: &mut Met) {
    let object = value.as_object().unwrap_or_else(|| panic!("{}: {value}", shape.name));
    for name in object.keys() {
        let known = shape.keys.iter().any(|key| key.name == name);
        assert!(known, "{}.{name} is in a line and not in the table", shape.name);
    }
    for key in shape.keys {
        let place = format!("{}.{}", shape.name, key.name);
        let Some(value) = object.get(key.name) else {
            assert!(key.optional || shape.one_of, "{place} is not in {value}");
            continue;
        };
        match key.kind {
            Kind::Plain => walk_one(value, key.form, &place, met),
            Kind::List => walk_list(value, key.form, &place, met),
            Kind::Measured | Kind::MeasuredList => {
                walk(value, named(MEASURED), met);
                let inner = &value["value"];
                match key.kind {
                    Kind::MeasuredList => walk_list(inner, key.form, &place, met),
                    _ => walk_one(inner, key.form, &place, met),
                }
            }
        }
    }
}

fn walk_list(value: &Value, form: Form, place: &str, met: &mut Met) {
    match value {
        Value::Null => {}
        Value::Array(items) => {
            for item in items {
                assert!(!item.is_null(), "{place} has a null in it");
                walk_one(item, form, place, met);
            }
        }
        other => panic!("{place} is no list: {other}"),
    }
}

fn walk_one(value: &Value, form: Form, place: &str, met: &mut Met) {
    if value.is_null() {
        return;
    }
    met.insert(place.to_owned());
    let one_of = |words: &str| {
        let word = value.as_str().unwrap_or_else(|| panic!("{place} is no word: {value}"));
        assert!(words.split(", ").any(|known| known == word), "{place} is {word}: {words}");
    };
    match form {
        Form::Text => assert!(value.is_string(), "{place}: {value}"),
        Form::Flag => assert!(value.is_boolean(), "{place}: {value}"),
        Form::Count if place == "swap.priority" => assert!(value.is_i64(), "{place}: {value}"),
        Form::Count
        | Form::Pages
        | Form::Bytes
        | Form::Nanoseconds
        | Form::Microseconds
        | Form::Time => assert!(value.is_u64(), "{place}: {value}"),
        Form::BytesPerSecond | Form::PerSecond | Form::Percent | Form::Ratio | Form::Seconds => {
            assert!(value.is_f64(), "{place}: {value}");
        }
        Form::Word(words) => one_of(words),
        Form::BySignal => {
            let counts = value.as_object().unwrap_or_else(|| panic!("{place}: {value}"));
            assert!(counts.values().all(Value::is_u64), "{place}: {value}");
        }
        Form::Anything => {}
        Form::WordOr(words, _) if value.is_string() => one_of(words),
        Form::Shape(shape) | Form::WordOr(_, shape) => walk(value, named(shape), met),
    }
}

fn line(snapshot: &Snapshot, decided: &Decided) -> Value {
    let text = json::document(snapshot, decided, Sort::default(), None).expect("it is written");
    serde_json::from_str(&text).expect("it is JSON")
}

/// A host of which everything is known, and which had everything happen to it.
fn eventful() -> Snapshot {
    let mut snapshot = Snapshot::clone(&fixture::demo());
    snapshot.notices = vec![Notice { about: Topic::Qmp, text: "gone".to_owned() }];
    let host = snapshot.host.totals.value.as_mut().expect("it is known");
    (host.missed_runs, host.host.counters.kswapd_wakes) = (Some(3), 4);
    host.missed_by_signal.insert(Signal::SwapOut, 3);
    snapshot.host.losses.value.as_mut().expect("it is known").missed_runs = Some(3);
    snapshot.vms.push(fixture::unprivileged("by hand", 500));
    let vm = &mut snapshot.vms[1];
    vm.cgroup_limit = Measured::exact(Limit::Unlimited);
    vm.cgroup_high = Measured::exact(Limit::At(Bytes(1 << 30)));
    vm.balloon_target = Measured::exact(Bytes(1 << 30));
    vm.cgroup_path = Some("/machine/victim".to_owned());
    let mut stats = vm.guest_stats.value.unwrap_or_default();
    stats.updated = stats.updated.or(Some(snapshot.wall));
    for size in [&mut stats.total, &mut stats.free, &mut stats.available, &mut stats.disk_caches]
        .into_iter()
        .chain([&mut stats.swap_in, &mut stats.swap_out])
    {
        size.get_or_insert(Bytes(1));
    }
    for count in [&mut stats.major_faults, &mut stats.minor_faults, &mut stats.oom_kills] {
        count.get_or_insert(1);
    }
    vm.guest_stats = Measured::exact(stats);
    snapshot
}

/// Decided with all that there can be to decide.
fn decided(by: &Decided) -> Decided {
    let mut report: Report = by.report().expect("it is decided").clone();
    let vm = VmId::Process { pid: 1, start: 2 };
    let reaction = &mut report.reaction;
    let mut called = fixture::called(Fate::InFlight);
    called.call.suffering = vec![Suffering { vm, from: Distress::Available(2.0) }];
    reaction.decisions.hook = Some(called.call.clone());
    reaction.called = Some(called);
    reaction.decisions.flagged = vec![vm];
    reaction.problem = Some("the disk is full".to_owned());
    let mut reclaim = reaction.entries[0].clone();
    reclaim.decision.action = Action::Reclaim { bytes: Bytes(7) };
    reaction.entries.push(reclaim);
    let reason = Reason::OnItsWay;
    let name = "web".to_owned();
    reaction.farewell = Some(vec![Owed { name, bytes: Some(Bytes(1)), reason, waits: true }]);
    Decided::Report(Arc::new(report))
}

#[test]
fn every_key_is_in_the_table_and_every_row_in_a_line() {
    let undecided = Decided::Not("no configuration".into());
    let mut met = Met::new();
    for line in [
        line(&eventful(), &decided(&fixture::observed())),
        line(&eventful(), &decided(&fixture::enforced())),
        line(&fixture::without_kernel_side(), &undecided),
        line(&fixture::demo(), &fixture::observed()),
    ] {
        assert_eq!(line["schema_version"], 1, "in each line");
        walk(&line, named(LINE), &mut met);
    }
    let rows = shapes()
        .flat_map(|shape| shape.keys.iter().map(move |key| format!("{}.{}", shape.name, key.name)));
    let missing: Vec<String> = rows.filter(|row| !met.contains(row)).collect();
    assert_eq!(missing, [""; 0], "rows that no line has");
}

#[test]
fn a_key_that_nobody_described_is_found() {
    let mut line = line(&fixture::demo(), &fixture::observed());
    line["vms"][0]["psi"]["value"]["news"] = 1.into();
    let walked = std::panic::catch_unwind(|| walk(&line, named(LINE), &mut Met::new()));
    let told = walked.expect_err("nobody knows it");
    let told = told.downcast_ref::<String>().expect("it is told");
    assert!(told.contains("psi.news is in a line"), "{told}");
}

#[test]
fn the_page_has_every_row_and_leads_nowhere_else() {
    let page = page::page();
    for shape in shapes() {
        let heading = if shape.name == LINE { "\n## A line\n" } else { shape.name };
        assert!(page.contains(heading), "{}", shape.name);
        for key in shape.keys {
            assert!(page.contains(&format!("| `{}` | ", key.name)), "{}", key.name);
        }
    }
    for link in page.split("](#").skip(1) {
        let name = link.split(')').next().unwrap_or_default();
        assert!(page.contains(&format!("\n## {name}\n")), "{name}");
    }
}

#[test]
fn whatever_takes_or_loses_has_its_name() {
    for party in [Party::Kswapd, Party::Other, Party::Vm(VmId::Process { pid: 1, start: 2 })] {
        let value = serde_json::to_value(party).expect("it has a form");
        walk_one(&value, Form::WordOr("kswapd, other", "party"), "party", &mut Met::new());
    }
}
