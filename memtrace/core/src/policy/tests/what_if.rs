//! What it says would have to change.

use super::fixture::{GIB, after, host, id, pressed, slow_swap, vm};
use crate::policy::thought::Thought;
use crate::policy::thought::{Change, WhatIf};
use crate::policy::{Action, Decision, Decisions, GateKind, Level, Reason, Rules, VmObservation};
use crate::units::{Bytes, Percent};

/// What is said at last of the host and the first VM, with so many MiB available.
fn said(available: u64, vms: &[VmObservation]) -> (Decisions, Thought, Thought) {
    let mut policy = slow_swap(Rules::default());
    let decisions = after(&mut policy, 1..4, |second| host(second, available, vms.to_vec()));
    let of = |vm| decisions.thoughts.iter().find(|thought| thought.vm == vm).cloned();
    let (scope, thought) = (of(None).expect("of the host"), of(Some(id(1))).expect("of it"));
    (decisions, scope, thought)
}

#[test]
fn on_a_calm_host_it_says_when_memory_would_be_taken() {
    let smaller = VmObservation { maximum: Some(Bytes(6 * GIB)), ..vm(1) };
    let (_, scope, thought) = said(16 * 1024, &[smaller]);
    assert_eq!(scope.otherwise, [WhatIf::Worse { state: Level::Soft, limit: 20.0 }]);
    assert_eq!(
        thought.otherwise,
        [
            WhatIf::Gives { changes: vec![Change::Shortage { soft: 20.0, share: 50.0 }] },
            WhatIf::ReceivesUnder { limit: 20.0, reason: Reason::GuestHas { share: 75.0 } },
        ]
    );
}

#[test]
fn what_cannot_get_more_is_not_told_to_suffer() {
    let (_, _, thought) = said(16 * 1024, &[vm(1)]);
    assert_eq!(
        thought.otherwise[1],
        WhatIf::NeverReceives { reason: Reason::HasAll { ceiling: Bytes(4 * GIB) } }
    );
}

#[test]
fn closed_gates_are_named() {
    let stalled = Some(Percent(5.0));
    let silent = VmObservation { guest: None, stalled, maximum: Some(Bytes(6 * GIB)), ..vm(1) };
    let (decisions, _, thought) = said(4 * 1024, &[silent]);
    assert!(decisions.actions.is_empty());
    let closed = vec![GateKind::Statistics, GateKind::AtEase, GateKind::Room];
    let shortage = Change::Shortage { soft: 5.0, share: 12.5 };
    let changes = vec![shortage, Change::Gates { closed }];
    assert_eq!(thought.otherwise[0], WhatIf::Gives { changes });
    assert!(matches!(thought.otherwise[1], WhatIf::NeedUnknown { .. }), "{thought:?}");
}

#[test]
fn where_nobody_waits_that_is_what_would_have_to_change() {
    let (decisions, _, thought) = said(1500, &[vm(1)]);
    assert!(decisions.actions.is_empty());
    assert_eq!(thought.otherwise[0], WhatIf::Gives { changes: vec![Change::Waits] });
}

#[test]
fn of_what_is_decided_the_decision_speaks_itself() {
    let mut policy = slow_swap(Rules::default());
    let mut speaks = |seconds: std::ops::Range<u64>| {
        let decisions =
            after(&mut policy, seconds, |second| pressed(second, 4 * 1024, vec![vm(1)]));
        let thought = decisions.thoughts.iter().find(|thought| thought.vm == Some(id(1)));
        let lines = &thought.expect("it was thought of").otherwise;
        (decisions.actions.len(), lines.iter().any(|line| matches!(line, WhatIf::Gives { .. })))
    };
    // Its part is what it was a look ago.
    assert_eq!(speaks(1..2), (0, true));
    assert_eq!(speaks(2..3), (1, false));
    assert_eq!(speaks(3..4), (0, true), "it cools down");
}

#[test]
fn what_was_taken_comes_back_on_a_condition() {
    let mut policy = slow_swap(Rules::default());
    let decided = after(&mut policy, 1..3, |second| pressed(second, 4 * 1024, vec![vm(1)]));
    let Some(&Decision { action: Action::Balloon { from, to }, .. }) = decided.actions.first()
    else {
        panic!("nothing was taken: {decided:?}");
    };
    let smaller = VmObservation { actual: Some(to), ..vm(1) };
    let decisions =
        after(&mut policy, 3..5, |second| host(second, 6 * 1024, vec![smaller.clone()]));
    let thought = decisions.thoughts.iter().find(|thought| thought.vm == Some(id(1)));
    let lines = &thought.expect("it was thought of").otherwise;
    let taken = Bytes(from.0 - to.0);
    let is_it = |line: &WhatIf| matches!(line, WhatIf::GetsBack { bytes, .. } if *bytes == taken);
    assert!(lines.iter().any(is_it), "{taken:?}: {lines:?}");
}
