//! Every key of a line is in the schema with a description, and every key of the schema is in a
//! line.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;

use super::node::{LINE, SchemaNode};
use super::page::{self, shapes};
use super::*;
use crate::columns::Sort;
use crate::export::json;
use memtrace_core::fixture;
use memtrace_core::model::Measured;
use memtrace_core::model::Snapshot;
use memtrace_core::policy::decision::Suffering;
use memtrace_core::policy::reason::Distress;
use memtrace_core::policy::{Action, Reason};
use memtrace_core::reactor::{Decided, Fate, Owed, Report};
use memtrace_core::sample::{Notice, Party, Topic, VmId};
use memtrace_core::signal::Signal;
use memtrace_core::units::{Bytes, Limit};

/// Keys that were met with a value, as `shape.key`.
type Met = BTreeSet<String>;

/// All keys of a schema.
fn keys(schema: &Value) -> Met {
    let of = |shape: &page::Shape<'_>| {
        let keys = shape.node.keys().into_iter();
        keys.map(|key| format!("{}.{}", shape.name, key.name)).collect::<Vec<_>>()
    };
    shapes(SchemaNode::root(schema)).iter().flat_map(of).collect()
}

/// Shapes and keys without a description.
fn undescribed(schema: &Value) -> Met {
    let of = |shape: &page::Shape<'_>| {
        let keys = shape.node.keys().into_iter().filter(|key| key.help.is_empty());
        let keys = keys.map(|key| format!("{}.{}", shape.name, key.name));
        let shape = shape.help.is_empty().then(|| shape.name.clone());
        keys.chain(shape).collect::<Vec<_>>()
    };
    shapes(SchemaNode::root(schema)).iter().flat_map(of).collect()
}

/// Walks a value, and fails at anything that differs from the schema.
fn walk(value: &Value, node: SchemaNode<'_>, place: &str, met: &mut Met) {
    if value.is_null() {
        assert!(node.is("null"), "{place} is null");
        return;
    }
    met.insert(place.to_owned());
    let node = node.present();
    match value {
        Value::Object(_) => walk_object(value, node, place, met),
        Value::Array(items) => {
            let of = node.items().unwrap_or_else(|| panic!("{place} is no list: {value}"));
            items.iter().for_each(|item| walk(item, of, place, met));
        }
        Value::String(word) => match &node.words()[..] {
            [] => assert!(node.is("string"), "{place}: {value}"),
            words => assert!(words.contains(&&**word), "{place} is {word}: {words:?}"),
        },
        Value::Bool(_) => assert!(node.is("boolean"), "{place}: {value}"),
        Value::Number(number) => {
            let kind = if number.is_f64() { "number" } else { "integer" };
            assert!(node.is(kind), "{place}: {value}");
        }
        Value::Null => unreachable!(),
    }
}

/// The keys of an object, which the last word of `place` names if it has no type of its own.
fn walk_object(value: &Value, node: SchemaNode<'_>, place: &str, met: &mut Met) {
    let object = value.as_object().expect("it is one");
    if let Some(values) = node.any_key() {
        return object.values().for_each(|value| walk(value, values, place, met));
    }
    let keys = node.keys();
    if keys.is_empty() {
        assert!(node.is("object"), "{place}: {value}");
        return;
    }
    let shape = page::name(node, place.rsplit('.').next().unwrap_or_default());
    for name in object.keys() {
        let known = keys.iter().any(|key| key.name == name);
        assert!(known, "{shape}.{name} is in a line and not in the schema");
    }
    assert!(!node.is_either() || object.len() == 1, "{place}: {value}");
    for key in keys {
        let place = format!("{shape}.{}", key.name);
        match object.get(key.name) {
            Some(value) => walk(value, key.node, &place, met),
            None => assert!(key.optional || node.is_either(), "{place} is not in {value}"),
        }
    }
}

fn line(snapshot: &Snapshot, decided: &Decided) -> Value {
    let text = json::document(snapshot, decided, Sort::default(), None).expect("it is written");
    serde_json::from_str(&text).expect("it is JSON")
}

/// A host where everything is known and every event has happened.
fn eventful() -> Snapshot {
    let mut snapshot = fixture::snapshot(vec![fixture::noisy(), fixture::victim()]);
    snapshot.notices = vec![Notice { about: Topic::Qmp, text: "gone".to_owned() }];
    let host = snapshot.host.totals.value.as_mut().expect("it is known");
    (host.missed_runs, host.host.counters.kswapd_wakes) = (Some(3), 4);
    host.missed_by_signal.insert(Signal::SwapOut, 3);
    snapshot.host.losses.value.as_mut().expect("it is known").missed_runs = Some(3);
    snapshot.vms.push(fixture::unprivileged("by hand", 500));
    let vm = &mut snapshot.vms[1];
    vm.labels = fixture::labels();
    vm.claims.uuid = vm.uuid.or(Some(uuid::Uuid::from_u128(1)));
    vm.claims.name = Some("another".to_owned());
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

/// Decided with every kind of decision.
fn decided(by: &Decided) -> Decided {
    let mut report: Report = by.report().expect("it is decided").clone();
    let vm = VmId::Process { pid: 1, start: 2 };
    let reaction = &mut report.reaction;
    let mut called = fixture::called(Fate::InFlight);
    called.call.suffering = vec![Suffering { vm, from: Distress::Available(2.0) }];
    reaction.decisions.hook = Some(called.call.clone());
    reaction.called = Some(called);
    reaction.decisions.flagged = vec![vm];
    reaction.outside_scope = vec![vm];
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
fn every_key_is_in_the_schema_and_every_key_of_it_in_a_line() {
    let undecided = Decided::Not("no configuration".into());
    let schema = schema();
    let mut met = Met::new();
    for line in [
        line(&eventful(), &decided(&fixture::observed())),
        line(&eventful(), &decided(&fixture::enforced())),
        line(&fixture::without_kernel_side(), &undecided),
        line(&fixture::demo(), &fixture::observed()),
    ] {
        assert_eq!(line["schema_version"], 1, "in each line");
        walk(&line, SchemaNode::root(&schema), LINE, &mut met);
    }
    let keys = keys(&schema);
    assert!(keys.len() > 200, "{keys:?}");
    let missing: Vec<&String> = keys.difference(&met).collect();
    assert_eq!(missing, [""; 0], "keys that no line has");
}

#[test]
fn a_key_that_the_schema_does_not_have_is_found() {
    let mut line = line(&fixture::demo(), &fixture::observed());
    line["vms"][0]["psi"]["value"]["news"] = 1.into();
    let schema = schema();
    let walked = std::panic::catch_unwind(|| {
        walk(&line, SchemaNode::root(&schema), LINE, &mut Met::new());
    });
    let told = walked.expect_err("the schema lacks it");
    let told = told.downcast_ref::<String>().expect("it is told");
    assert!(told.contains("psi.news is in a line"), "{told}");
}

#[test]
fn every_shape_and_key_is_described() {
    assert_eq!(undescribed(&schema()), Met::new());
}

/// Shapes of which some have no description, whatever their types have.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "it is there for its schema")]
struct Line {
    size: Bytes,
    rss: Option<Measured<Bytes>>,
    vm: VmId,
    /// Said.
    psi: Option<Silent>,
}

#[derive(JsonSchema)]
#[expect(dead_code, reason = "it is there for its schema")]
enum Silent {
    One(u64),
    /// Said.
    Other {
        silent: bool,
    },
}

#[test]
fn a_shape_or_key_without_a_description_is_found() {
    let silent = undescribed(&schema_of::<Line>());
    let expected = ["Other.silent", "line.rss", "line.size", "line.vm", "silent", "silent.One"];
    assert_eq!(silent.iter().collect::<Vec<_>>(), expected);
}

#[test]
fn the_page_has_every_key_and_leads_nowhere_else() {
    let (schema, page) = (schema(), page::page());
    for shape in shapes(SchemaNode::root(&schema)) {
        let name = if shape.name == LINE { "A line" } else { &shape.name };
        assert!(page.contains(&format!("\n## {name}\n")), "{name}");
        for key in shape.node.keys() {
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
    let schema = schema_of::<Party>();
    for party in [Party::Kswapd, Party::Other, Party::Vm(VmId::Process { pid: 1, start: 2 })] {
        let value = serde_json::to_value(party).expect("it has a form");
        walk(&value, SchemaNode::root(&schema), "party", &mut Met::new());
    }
}
