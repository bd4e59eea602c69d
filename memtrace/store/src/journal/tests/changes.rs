//! Notes that say only what changed, of a simulated host under pressure.

use super::*;
use crate::journal::at as account_of;
use memtrace_core::policy::{Memtrace, inputs};
use memtrace_core::sim::{Scenario, catalogue, watch};

/// The notes of a host and its VMs, one per second, each different from the one before.
fn thoughts(scenario: &str, seconds: u64) -> Vec<(Decisions, Vec<Named>)> {
    let all = catalogue::all().expect("they can be read");
    let found = all.into_iter().find(|known| known.name == scenario).expect("there is such one");
    let scenario = Scenario { seconds, ..found };
    let mut thoughts = Vec::new();
    watch(&scenario, &mut Memtrace::default(), |look| {
        let mut decisions = look.decisions.clone();
        inputs::attach(&mut decisions, look.observation, look.snapshot);
        let (kind, open) = (GateKind::Other, look.second % 2 == 0);
        decisions.thoughts[0].gates.push(Gate { kind, open, reason: Reason::Unrecorded });
        let names = look.sample.vms.iter();
        let names = names
            .map(|vm| Named { vm: vm.id, name: vm.name.clone(), labels: vm.labels.clone() })
            .collect();
        thoughts.push((decisions, names));
    })
    .expect("its physics hold");
    thoughts
}

/// A second of the simulation is one of the journal.
fn write(journal: &mut Journal, thoughts: &[(Decisions, Vec<Named>)], from: usize) {
    for (second, (decisions, names)) in (0_u64..).zip(thoughts).skip(from) {
        journal.note(at(second), true, decisions, names.clone()).unwrap();
    }
}

/// In bytes.
fn length(directory: &Path) -> u64 {
    text(directory).len() as u64
}

fn lines(directory: &Path, kind: &str) -> usize {
    text(directory).matches(&format!("{{\"kind\":\"{kind}\",")).count()
}

/// Equal; seconds of forecasts within 1e-12, because they are read from text.
fn same(one: &Decisions, other: &Decisions) -> bool {
    let bare = |all: &Decisions| Decisions { ahead: Vec::new(), ..all.clone() };
    let near = one.ahead.iter().zip(&other.ahead).all(|(one, other)| {
        one.what == other.what && (one.seconds / other.seconds - 1.0).abs() < 1e-12
    });
    bare(one) == bare(other) && one.ahead.len() == other.ahead.len() && near
}

/// For each seventh second, `account_of` has to give exactly what was noted then.
fn assert_told(directory: &Path, thoughts: &[(Decisions, Vec<Named>)]) {
    for (second, (decisions, names)) in (0_u64..).zip(thoughts).step_by(7) {
        let account = account_of(directory, at(second)).unwrap();
        let noted = account.noted.expect("something was noted");
        assert_eq!((account.unreadable, noted.at), (0, at(second)));
        assert!(same(&noted.decisions, decisions) && noted.names == *names, "second {second}");
    }
}

/// The second of a note, which is the second of the simulation.
fn second_of(noted: &Noted, thoughts: &[(Decisions, Vec<Named>)]) -> u64 {
    let second = noted.at.0 / 1_000_000_000;
    let thought = &thoughts[usize::try_from(second).unwrap()].0;
    assert!(same(&noted.decisions, thought), "second {second}");
    second
}

#[test]
fn a_minute_of_steady_pressure_stays_small_and_says_the_same() {
    let thoughts = thoughts("overcommit-2x", 85);
    let pressed = &thoughts[10..];
    assert_eq!(pressed[0].1.len(), 8, "VMs");
    let directory = tempfile::tempdir().unwrap();
    let (mut journal, _) = open(directory.path());
    write(&mut journal, pressed, 0);
    let whole: u64 = pressed.iter().map(|(decisions, _)| json(decisions)).sum();
    assert_told(directory.path(), pressed);
    assert_eq!((lines(directory.path(), "noted"), lines(directory.path(), "changed")), (2, 73));
    let length = length(directory.path());
    // Eight VMs; each second differs from the one before.
    let (vms, seconds) = (8, 75);
    assert!(length < vms * seconds * 520 && length * 4 < whole, "{length} of {whole} bytes");
}

fn json(decisions: &Decisions) -> u64 {
    serde_json::to_string(decisions).unwrap().len() as u64
}

#[test]
fn each_file_begins_with_a_whole_note() {
    let thoughts = thoughts("overcommit-2x", 120);
    let directory = tempfile::tempdir().unwrap();
    let limits = Limits { file: Bytes(40_000), files: 100 };
    let (mut journal, _) = Journal::open(directory.path(), limits).unwrap();
    write(&mut journal, &thoughts, 0);
    let numbers = files::list(directory.path()).unwrap();
    assert!(numbers.len() > 2, "{numbers:?}");
    assert_told(directory.path(), &thoughts);
    fs::remove_file(files::path(directory.path(), numbers[0])).unwrap();
    let account = account_of(directory.path(), at(119)).unwrap();
    assert_eq!(account.unreadable, 0);
    assert_eq!(second_of(&account.noted.unwrap(), &thoughts), 119);
}

#[test]
fn after_a_kill_the_next_run_begins_with_all() {
    let thoughts = thoughts("overcommit-2x", 60);
    let directory = tempfile::tempdir().unwrap();
    let (mut journal, _) = open(directory.path());
    write(&mut journal, &thoughts[..40], 0);
    assert!(lines(directory.path(), "changed") > 3);
    let before = lines(directory.path(), "noted");
    drop(journal);
    // The damage is in the middle of a line.
    let path = files::path(directory.path(), 1);
    let length = fs::metadata(&path).unwrap().len();
    fs::File::options().write(true).open(&path).unwrap().set_len(length - 10).unwrap();
    let (mut journal, recovered) = open(directory.path());
    assert!(recovered.notices[0].contains("was cut"), "{recovered:?}");
    write(&mut journal, &thoughts, 41);
    assert_eq!(lines(directory.path(), "noted"), before + 1);
    let account = account_of(directory.path(), at(59)).unwrap();
    assert_eq!(second_of(&account.noted.unwrap(), &thoughts), 59);
}

#[test]
fn a_line_that_is_lost_is_counted_and_harms_until_all_is_said_again() {
    let thoughts = thoughts("overcommit-2x", 130);
    let directory = tempfile::tempdir().unwrap();
    let (mut journal, _) = open(directory.path());
    write(&mut journal, &thoughts, 0);
    drop(journal);
    let path = files::path(directory.path(), 1);
    let mut lines: Vec<String> =
        fs::read_to_string(&path).unwrap().lines().map(str::to_owned).collect();
    let third = lines.iter().enumerate().filter(|(_, line)| line.contains("\"changed\"")).nth(2);
    let third = third.expect("there are more").0;
    lines[third] = "nonsense".to_owned();
    fs::write(&path, lines.join("\n") + "\n").unwrap();
    let account = |second| account_of(directory.path(), at(second)).unwrap();
    let harmed = account(40);
    assert!(harmed.unreadable > 1, "the line, and what builds on it");
    // What is found is right, and has the time of the whole note.
    let noted = harmed.noted.expect("the whole note before is left");
    assert_eq!(second_of(&noted, &thoughts), 0);
    assert_eq!(second_of(&account(129).noted.unwrap(), &thoughts), 129);
}

#[test]
fn a_follower_gets_whole_notes() {
    let thoughts = thoughts("overcommit-2x", 90);
    let directory = tempfile::tempdir().unwrap();
    let (mut journal, _) = open(directory.path());
    let mut follower = Follower::new(directory.path().to_owned(), "/proc/locks".into());
    for (second, (decisions, names)) in (0_u64..).zip(&thoughts) {
        journal.note(at(second), true, decisions, names.clone()).unwrap();
        if second % 7 == 0 {
            let followed = follower.look().unwrap().expect("a process holds the lock");
            let noted = followed.noted.as_ref().expect("something is noted");
            assert_eq!(second_of(noted, &thoughts), second);
            assert_eq!(followed.unreadable, 0);
        }
    }
    let mut late = Follower::new(directory.path().to_owned(), "/proc/locks".into());
    let followed = late.look().unwrap().expect("a process holds the lock");
    assert_eq!(second_of(followed.noted.as_ref().unwrap(), &thoughts), 89);
}
