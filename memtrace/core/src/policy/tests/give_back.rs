//! What an earlier run took is known, and goes back: slowly while memtrace runs, at once
//! when it ends, and only what is free.

use super::fixture::{GIB, MIB, after, host, id, moves, slow_swap, vm};
use crate::policy::{AtExit, Memtrace, Policy, Reason, Rules, Taken, VmObservation};
use crate::sample::VmState;
use crate::units::{Bytes, Nanos};

const CALM: u64 = 24 * 1024;

fn taken(number: u32, sent: Option<u64>) -> Taken {
    Taken { vm: id(number), before: Bytes(4 * GIB), sent: sent.map(|mib| Bytes(mib * MIB)) }
}

/// One of 4 GiB that was shrunk to so many MiB.
fn small(number: u32, size: u64) -> VmObservation {
    let mut vm = vm(number);
    vm.actual = Some(Bytes(size * MIB));
    vm.rss = Some(Bytes(size * MIB));
    if let Some(guest) = &mut vm.guest {
        guest.available = Some(Bytes((size - 1024) * MIB));
        guest.free = Some(Bytes(512 * MIB));
    }
    vm
}

fn resumed(taken: &[Taken]) -> Memtrace {
    Memtrace::resume(Rules::default(), Nanos(0), taken)
}

fn part(policy: &mut Memtrace, second: u64, free: u64, vms: &[VmObservation]) -> AtExit {
    let all: Vec<Taken> = (1..=9).map(|number| taken(number, None)).collect();
    let there = |taken: &&Taken| vms.iter().any(|vm| vm.id == taken.vm);
    let all: Vec<Taken> = all.iter().filter(there).copied().collect();
    policy.part(&host(second, free, vms.to_vec()), &all)
}

fn told(farewell: &AtExit) -> Vec<(Option<u64>, Reason, bool)> {
    let tell = |short: &crate::policy::Short| short.bytes.map(|bytes| bytes.0 / MIB);
    farewell.short.iter().map(|short| (tell(short), short.reason.clone(), short.waits)).collect()
}

/// MiB at the calm line of 32 GiB, in whole ones.
const LINE: u64 = 2622;

#[test]
fn what_an_earlier_run_took_goes_back_when_it_is_calm() {
    let calm = |_: u64| host(0, CALM, vec![small(1, 3072)]);
    let look = |second| crate::policy::Observation { at: host(second, 0, vec![]).at, ..calm(0) };
    let mut fresh = slow_swap(Rules::default());
    assert_eq!(moves(&after(&mut fresh, 1..30, look)), [], "it takes this for the VM's own size");
    for sent in [Some(3072), None] {
        let mut policy = resumed(&[taken(1, sent)]);
        let given: Vec<i64> = (1..13)
            .flat_map(|second| {
                let decisions = policy.step(&look(second));
                moves(&decisions).into_iter().map(|one| one.2).collect::<Vec<_>>()
            })
            .collect();
        assert_eq!(given, [204], "5 % once it was calm for 10 s, sent {sent:?}");
        assert!(policy.holds(id(1), Bytes(4 * GIB)));
    }
}

#[test]
fn a_balloon_on_its_way_is_ours_and_one_elsewhere_is_somebody_elses() {
    for (size, ours) in [(3072, true), (3600, true), (4094, true), (2900, false)] {
        let mut policy = resumed(&[taken(1, Some(3072))]);
        policy.step(&host(1, CALM, vec![small(1, size)]));
        assert_eq!(policy.holds(id(1), Bytes(4 * GIB)), ours, "{size}");
        assert_eq!(policy.state.vms[&id(1)].stood_down.is_none(), ours, "{size}");
    }
    // Still inflating when the next run begins.
    let mut policy = resumed(&[taken(1, Some(3072))]);
    for (second, size) in [(1, 3800), (2, 3400), (3, 3072)] {
        policy.step(&host(second, CALM, vec![small(1, size)]));
        assert!(policy.holds(id(1), Bytes(4 * GIB)), "{size}");
    }
    after(&mut policy, 4..6, |second| host(second, CALM, vec![small(1, 3300)]));
    assert!(!policy.holds(id(1), Bytes(4 * GIB)), "somebody else gave it some");
}

#[test]
fn at_the_end_all_goes_back_at_once_if_it_is_free() {
    let mut policy = resumed(&[taken(1, Some(3072)), taken(2, Some(2048))]);
    let farewell = part(&mut policy, 1, CALM, &[small(1, 3072), small(2, 2048)]);
    let moved = moves(&farewell.decisions);
    assert_eq!(moved, [(id(1), "farewell", 1024), (id(2), "farewell", 2048)]);
    assert!(farewell.short.iter().all(|short| short.waits));
    let farewell = part(&mut policy, 2, CALM, &[small(1, 4096), small(2, 3000)]);
    assert_eq!(moves(&farewell.decisions), []);
    assert_eq!(told(&farewell), [(Some(1096), Reason::OnItsWay, true)]);
    assert_eq!(
        part(&mut policy, 3, CALM, &[vm(1), vm(2)]),
        AtExit { decisions: farewell.decisions, short: vec![] }
    );
}

#[test]
fn what_is_not_free_is_not_given_at_the_end_either() {
    // The calm line of 32 GiB is at 8 %.
    let mut policy = resumed(&[]);
    let vms = [small(1, 3072), small(2, 2048)];
    let farewell = part(&mut policy, 1, LINE, &vms);
    assert_eq!(moves(&farewell.decisions), []);
    assert_eq!(told(&farewell)[0], (Some(1024), Reason::NotFree, true));
    let farewell = part(&mut policy, 2, LINE + 300, &vms);
    assert_eq!(moves(&farewell.decisions), [(id(1), "farewell", 100), (id(2), "farewell", 200)]);
    // It arrived and isn't used yet, so that it is promised and not free once more.
    let vms = [small(1, 3172), small(2, 2248)]
        .map(|vm| VmObservation { rss: Some(Bytes(2048 * MIB)), ..vm });
    assert_eq!(moves(&part(&mut policy, 3, LINE + 300, &vms).decisions), []);
    let more = part(&mut policy, 4, LINE + 300 + 600, &vms);
    let sum: i64 = moves(&more.decisions).iter().map(|one| one.2).sum();
    assert!((598..=600).contains(&sum), "{sum}");
}

#[test]
fn who_cannot_be_given_anything_is_not_waited_for() {
    let mut paused = small(1, 3072);
    paused.state = Some(VmState::Paused);
    let mut gone = resumed(&[]);
    let farewell = gone.part(&host(1, CALM, vec![paused]), &[taken(1, None), taken(7, None)]);
    assert_eq!(
        told(&farewell),
        [
            (Some(1024), Reason::NotRunning { state: VmState::Paused }, false),
            (None, Reason::Gone, false)
        ]
    );
    let mut policy = resumed(&[]);
    let mut last = AtExit::default();
    for second in 1..8 {
        last = part(&mut policy, second, CALM, &[small(1, 3072)]);
    }
    let since = Nanos(6 * Nanos::SECOND.0);
    let stuck = Reason::Stuck { since, left: Bytes(GIB), flagged: false };
    assert_eq!(told(&last), [(Some(1024), stuck, false)]);
    let mut unknown = small(1, 3072);
    unknown.actual = None;
    let farewell = part(&mut resumed(&[]), 1, CALM, &[unknown]);
    assert_eq!(told(&farewell), [(None, Reason::SizeUnknown, true)]);
}

#[test]
fn what_one_may_want_nobody_else_gets_at_the_end() {
    let known = small(2, 3072);
    let (mut size, mut state) = (known.clone(), known.clone());
    (size.actual, state.state) = (None, None);
    // 1024 MiB are free, and each of the two wants as many.
    let got = |other: VmObservation| {
        let farewell = part(&mut resumed(&[]), 1, LINE + 1024, &[small(1, 3072), other]);
        let moves = moves(&farewell.decisions);
        moves.iter().map(|one| (one.0, one.2)).collect::<Vec<_>>()
    };
    assert_eq!(got(known), [(id(1), 512), (id(2), 512)]);
    assert_eq!(got(state), [(id(1), 512)]);
    // It may have nothing at all.
    assert_eq!(got(size), [(id(1), 204)]);
}

#[test]
fn other_rules_leave_what_is_remembered_and_what_can_be_measured() {
    let capabilities = crate::policy::Capabilities { psi: false, ..Default::default() };
    let rules = Rules { capabilities, ..Rules::default() };
    let mut policy = Memtrace::resume(rules, Nanos(0), &[taken(1, None)]);
    policy.change(Rules { soft: 30.0, ..Rules::default() });
    assert_eq!((policy.rules.soft, policy.rules.capabilities), (30.0, capabilities));
    assert!(policy.state.vms.contains_key(&id(1)));
}
