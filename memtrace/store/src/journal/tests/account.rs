//! What the journal says of a moment.

use super::*;
use crate::journal::at as account_of;
use memtrace_core::order::Failure;

fn noted(journal: &mut Journal, second: u64, kind: GateKind) {
    let reason = Reason::Reported { text: format!("at {second}") };
    let gate = Gate { kind, open: true, reason };
    let thought = Thought { vm: Some(vm(1)), gates: vec![gate], ..Thought::default() };
    let decisions = Decisions { thoughts: vec![thought], ..Decisions::default() };
    let names = [Named { vm: vm(1), name: "web".to_owned(), labels: Default::default() }];
    journal.note(at(second), true, &decisions, names).unwrap();
}

fn gate(account: &Account) -> Option<GateKind> {
    let noted = account.noted.as_ref()?;
    Some(noted.decisions.thoughts[0].gates[0].kind)
}

#[test]
fn the_account_ends_at_its_moment() {
    let directory = tempfile::tempdir().unwrap();
    let (mut journal, _) = open(directory.path());
    noted(&mut journal, 10, GateKind::Room);
    noted(&mut journal, 20, GateKind::Moving);
    journal.begin(at(20), vec![wanted(1, 100, 80), wanted(2, 50, 40)]).unwrap();
    let refused = Outcome { id: 1, result: Err(Failure::Reported("QMP: refused".to_owned())) };
    journal.end(at(22), &refused).unwrap();
    journal.begin(at(30), vec![wanted(1, 100, 90)]).unwrap();
    journal.stop(at(40)).unwrap();

    let account = |second| account_of(directory.path(), at(second)).unwrap();
    let before = account(5);
    assert_eq!((before.begins, gate(&before), before.orders.len()), (Some(at(10)), None, 0));
    assert_eq!(gate(&account(15)), Some(GateKind::Room));
    let soft = account(21);
    assert_eq!(gate(&soft), Some(GateKind::Moving));
    assert!(soft.noted.as_ref().unwrap().acting);
    assert_eq!(soft.noted.unwrap().names[0].name, "web");
    let told: Vec<(u64, Option<bool>)> = soft
        .orders
        .iter()
        .map(|told| (told.begun.order.id, told.ended.as_ref().map(|(_, end)| end.is_ok())))
        .collect();
    assert_eq!(told, [(2, None), (1, Some(false))], "how it ended is told, if later");
    assert_eq!(soft.orders[1].begun.reason, REASON);
    assert_eq!(account(35).orders[0].begun.order.id, 3);
    assert_eq!(account(35).stopped, None);
    assert_eq!(account(50).stopped, Some(at(40)));
}

#[test]
fn the_account_has_what_was_taken_then() {
    let directory = tempfile::tempdir().unwrap();
    let (mut journal, _) = open(directory.path());
    let orders = journal.begin(at(10), vec![wanted(1, 100, 80)]).unwrap();
    journal.end(at(12), &done(orders[0].id)).unwrap();
    let orders = journal.begin(at(20), vec![wanted(1, 80, 100)]).unwrap();
    journal.end(at(22), &done(orders[0].id)).unwrap();

    let taken = |second| {
        let account = account_of(directory.path(), at(second)).unwrap();
        account.holdings.iter().map(|held| (held.before.0 >> 20, held.now)).collect::<Vec<_>>()
    };
    assert_eq!(taken(5), []);
    assert_eq!(taken(11), [(100, None)], "it is in flight");
    assert_eq!(taken(15), [(100, Some(Bytes(80 << 20)))]);
    assert_eq!(taken(25), [], "it was given back");
}

#[test]
fn it_is_read_while_it_is_written_and_over_several_files() {
    let directory = tempfile::tempdir().unwrap();
    let limits = Limits { file: Bytes(2_000), files: 100 };
    let (mut journal, _) = Journal::open(directory.path(), limits).unwrap();
    for second in 1..40 {
        // Unchanged notes aren't kept.
        let kind = if second % 2 == 0 { GateKind::Room } else { GateKind::Moving };
        noted(&mut journal, second, kind);
        let orders = journal.begin(at(second), vec![wanted(1, 100, 80)]).unwrap();
        if second > 1 {
            journal.end(at(second), &done(orders[0].id - 1)).unwrap();
        }
    }
    assert!(files::list(directory.path()).unwrap().len() > 3);
    for second in [1_u64, 7, 20, 38] {
        let account = account_of(directory.path(), at(second)).unwrap();
        let reason = Reason::Reported { text: format!("at {second}") };
        let noted = account.noted.as_ref().expect("something was noted");
        assert_eq!(noted.decisions.thoughts[0].gates[0].reason, reason);
        assert_eq!(account.orders[0].begun.order.id, second);
        assert_eq!(account.orders[0].ended, Some((at(second + 1), Ok(()))));
    }
}

#[test]
fn an_empty_journal_says_nothing_and_a_missing_one_fails() {
    let directory = tempfile::tempdir().unwrap();
    assert_eq!(account_of(directory.path(), at(1)).unwrap(), Account::default());
    let error = account_of(&directory.path().join("none"), at(1)).unwrap_err();
    assert!(error.to_string().contains("No such file"), "{error}");
}
