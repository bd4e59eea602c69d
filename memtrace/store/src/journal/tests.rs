//! Runs that end in order, by a kill, in the middle of a line, on a full disk.

mod account;
mod changes;
mod failing;
mod following;
mod hostile;

use std::fs;

use super::*;
use memtrace_core::policy::Action;
use memtrace_core::policy::thought::{Gate, Thought};
use memtrace_core::policy::{Decision, GateKind, Reason, RuleId};
use memtrace_core::reactor::reconcile::reconcile;

/// Why, in all of these.
const REASON: Reason = Reason::Calm { free: Bytes(5 << 20), before: Bytes(100 << 20) };

const SMALL: Limits = Limits { file: Bytes(2_000), files: 3 };

fn vm(pid: u32) -> VmId {
    VmId::Process { pid, start: 1 }
}

fn wanted(pid: u32, from: u64, to: u64) -> Wanted {
    let [from, to] = [from, to].map(|mib| Bytes(mib << 20));
    let decision = Decision {
        vm: vm(pid),
        action: Action::Balloon { from, to },
        rule: RuleId::Pressure,
        reason: REASON,
    };
    Wanted { decision, pid, name: format!("vm-{pid}") }
}

fn done(id: u64) -> Outcome {
    Outcome { id, result: Ok(()) }
}

const fn at(seconds: u64) -> WallNanos {
    WallNanos(seconds * 1_000_000_000)
}

fn open(directory: &Path) -> (Journal, Recovered) {
    Journal::open(directory, Limits::default()).unwrap()
}

fn ids(orders: &[Order]) -> Vec<u64> {
    orders.iter().map(|order| order.id).collect()
}

fn in_flight(recovered: &Recovered) -> Vec<u64> {
    recovered.in_flight.iter().map(|begun| begun.order.id).collect()
}

fn text(directory: &Path) -> String {
    let numbers = files::list(directory).unwrap();
    numbers.iter().map(|&n| fs::read_to_string(files::path(directory, n)).unwrap()).collect()
}

#[test]
fn a_run_that_ends_in_order_leaves_nothing_open() {
    let directory = tempfile::tempdir().unwrap();
    let (mut journal, recovered) = open(directory.path());
    assert_eq!(recovered, Recovered { clean: true, ..Recovered::default() });
    let orders = journal.begin(at(1), vec![wanted(1, 100, 80), wanted(2, 50, 40)]).unwrap();
    assert_eq!(ids(&orders), [1, 2]);
    assert_eq!(orders[1].name, "vm-2");
    journal.end(at(2), &done(1)).unwrap();
    journal.end(at(2), &done(2)).unwrap();
    journal.stop(at(3)).unwrap();
    let (journal, recovered) = open(directory.path());
    assert!(recovered.clean && recovered.in_flight.is_empty() && recovered.notices.is_empty());
    let held: Vec<(VmId, Bytes, Option<Bytes>)> =
        journal.holdings().map(|held| (held.vm, held.before, held.now)).collect();
    let mib = |mib: u64| Bytes(mib << 20);
    assert_eq!(
        held,
        [(vm(1), mib(100), Some(mib(80))), (vm(2), mib(50), Some(mib(40)))],
        "what was taken is known in the next run"
    );
}

#[test]
fn after_a_kill_what_was_in_flight_is_found_and_ids_go_on() {
    let directory = tempfile::tempdir().unwrap();
    let (mut journal, _) = open(directory.path());
    journal.begin(at(1), vec![wanted(1, 100, 80), wanted(2, 50, 40)]).unwrap();
    journal.end(at(2), &done(1)).unwrap();
    // As a kill leaves it: nothing is written at the end.
    drop(journal);
    let (mut journal, recovered) = open(directory.path());
    assert!(!recovered.clean);
    assert_eq!(in_flight(&recovered), [2]);
    assert_eq!(recovered.in_flight[0].reason, REASON);
    let outcome = reconcile(&recovered.in_flight[0], Some(Bytes(40 << 20))).unwrap();
    journal.end(at(3), &outcome).unwrap();
    assert_eq!(ids(&journal.begin(at(4), vec![wanted(1, 80, 60)]).unwrap()), [3]);
    drop(journal);
    assert_eq!(in_flight(&open(directory.path()).1), [3]);
}

#[test]
fn a_second_memtrace_gets_the_pid_of_the_journals_holder() {
    let directory = tempfile::tempdir().unwrap();
    let (journal, _) = open(directory.path());
    let error = Journal::open(directory.path(), Limits::default()).unwrap_err();
    let (own, text) = (std::process::id(), error.to_string());
    assert!(matches!(error, JournalError::Locked { holder: Some(pid), .. } if pid == own));
    assert!(text.contains(&format!("process {own} holds")), "{text}");
    drop(journal);
    open(directory.path());
}

#[test]
fn files_are_bounded_and_each_knows_all_that_matters() {
    let directory = tempfile::tempdir().unwrap();
    let (mut journal, _) = Journal::open(directory.path(), SMALL).unwrap();
    journal.begin(at(0), vec![wanted(77, 100, 90)]).unwrap();
    for round in 0..50 {
        let id = journal.begin(at(round), vec![wanted(1, 100, 80)]).unwrap()[0].id;
        journal.end(at(round), &done(id)).unwrap();
    }
    drop(journal);
    let numbers = files::list(directory.path()).unwrap();
    assert_eq!(numbers.len(), SMALL.files);
    assert!(numbers[0] > 5, "{numbers:?}");
    for number in numbers {
        let length = fs::metadata(files::path(directory.path(), number)).unwrap().len();
        assert!(length <= SMALL.file.0, "{length}");
    }
    let (mut journal, recovered) = Journal::open(directory.path(), SMALL).unwrap();
    assert_eq!(in_flight(&recovered), [1], "it was begun long before the oldest file");
    assert_eq!(recovered.holdings.len(), 2);
    assert_eq!(ids(&journal.begin(at(60), vec![wanted(1, 80, 70)]).unwrap()), [52]);
}

#[test]
fn notes_are_kept_when_they_change_and_each_minute() {
    let directory = tempfile::tempdir().unwrap();
    let (mut journal, _) = open(directory.path());
    let decisions = |open, text: &str| {
        let reason = Reason::Reported { text: text.to_owned() };
        let gate = Gate { kind: GateKind::Statistics, open, reason };
        let thought = Thought { vm: Some(vm(1)), gates: vec![gate], ..Thought::default() };
        Decisions { thoughts: vec![thought], ..Decisions::default() }
    };
    for (second, open, because) in
        [(1, true, "a"), (2, true, "b"), (3, false, "c"), (62, false, "d"), (63, false, "e")]
    {
        journal.note(at(second), false, &decisions(open, because), []).unwrap();
    }
    let text = text(directory.path());
    let kept: Vec<&str> = ["\"a\"", "\"b\"", "\"c\"", "\"d\"", "\"e\""]
        .into_iter()
        .filter(|because| text.contains(because))
        .collect();
    assert_eq!(kept, ["\"a\"", "\"c\"", "\"e\""]);
}

#[test]
fn forgotten_holdings_stay_forgotten_in_the_next_run() {
    let directory = tempfile::tempdir().unwrap();
    let (mut journal, _) = open(directory.path());
    journal.begin(at(1), vec![wanted(1, 100, 80)]).unwrap();
    journal.end(at(1), &done(1)).unwrap();
    journal.forget(at(2), vm(1)).unwrap();
    journal.forget(at(2), vm(9)).unwrap();
    assert_eq!(text(directory.path()).matches("forget").count(), 1);
    drop(journal);
    assert_eq!(open(directory.path()).1.holdings, []);
}

#[test]
fn the_journal_of_an_earlier_version_is_read() {
    let directory = tempfile::tempdir().unwrap();
    let (mut journal, _) = open(directory.path());
    journal.begin(at(1), vec![wanted(1, 100, 80)]).unwrap();
    drop(journal);
    let file = fs::read_dir(directory.path()).unwrap().flatten();
    let file = file.map(|entry| entry.path()).find(|path| path.extension().is_some()).unwrap();
    // As version 1 had it: reasons were texts.
    let text = fs::read_to_string(&file).unwrap();
    let reason = serde_json::to_string(&REASON).unwrap();
    let old = text.replace("\"memtrace_journal\":2", "\"memtrace_journal\":1").replace(
        &format!("\"reason\":{reason}"),
        "\"because\":\"5 % are\",\"unless\":\"20 % were\"",
    );
    assert!(old.contains("because") && old.contains(":1,"), "{old}");
    fs::write(&file, old).unwrap();
    let (_, recovered) = open(directory.path());
    assert_eq!(in_flight(&recovered), [1]);
    assert_eq!(recovered.in_flight[0].reason, Reason::Unrecorded);
    assert_eq!(recovered.holdings.len(), 1);
}
