//! Whether decisions differ from those noted before: which gates are open, and which rules fired.
//! Numbers are ignored, because they change each second.

use memtrace_core::policy::{Action, Decisions, GateKind, Level, RuleId};
use memtrace_core::sample::VmId;
use memtrace_core::units::{Nanos, WallNanos};

/// After this long an unchanged decision is noted once more, with its numbers.
const REPEAT: Nanos = Nanos(60_000_000_000);

type Gates = Vec<(GateKind, bool)>;

#[derive(Debug, PartialEq)]
pub(super) struct Fingerprint {
    state: Option<Level>,
    hook: bool,
    actions: Vec<(VmId, ActionKind, RuleId)>,
    thoughts: Vec<(Option<VmId>, Gates)>,
}

#[derive(Debug, PartialEq)]
enum ActionKind {
    Take,
    Give,
    Reclaim,
}

impl Fingerprint {
    pub(super) fn of(decisions: &Decisions) -> Self {
        let actions = decisions.actions.iter();
        let thoughts = decisions.thoughts.iter();
        let gates = |gates: &[memtrace_core::policy::thought::Gate]| {
            gates.iter().map(|gate| (gate.kind, gate.open)).collect()
        };
        Self {
            state: decisions.state,
            hook: decisions.hook.is_some(),
            actions: actions
                .map(|decision| (decision.vm, kind(decision.action), decision.rule))
                .collect(),
            thoughts: thoughts.map(|thought| (thought.vm, gates(&thought.gates))).collect(),
        }
    }

    pub(super) fn tells_nothing_new(
        &self,
        before: &Self,
        since: WallNanos,
        now: WallNanos,
    ) -> bool {
        // A clock that was set back is noted as well.
        // An order to the hook is noted each time.
        !self.hook
            && self == before
            && now.0.checked_sub(since.0).is_some_and(|passed| passed < REPEAT.0)
    }
}

fn kind(action: Action) -> ActionKind {
    match action {
        Action::Balloon { from, to } if to < from => ActionKind::Take,
        Action::Balloon { .. } => ActionKind::Give,
        Action::Reclaim { .. } => ActionKind::Reclaim,
    }
}
