//! The last target of each VM, ordered or proposed. Pure.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::snapshot::untouched;
use crate::model::{Measured, Snapshot};
use crate::policy::GateKind;
use crate::policy::{Action, Decisions};
use crate::sample::VmId;
use crate::units::{Bytes, Nanos, WallNanos};

/// A proposed target is dropped after this long: three of the pauses between two steps, in which
/// it would have been proposed again.
const PROPOSAL_LASTS: Nanos = Nanos(15 * Nanos::SECOND.0);

/// A balloon target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Target {
    /// VM.
    pub vm: VmId,
    /// Target size.
    pub to: Bytes,
    /// Time it was set.
    pub at: WallNanos,
    /// True: ordered; false: proposed only (observe mode).
    pub ordered: bool,
}

/// The targets of all VMs.
#[derive(Clone, Debug, Default)]
pub struct Targets(BTreeMap<VmId, Target>);

impl Targets {
    /// Takes in an order or a proposal.
    pub fn set(&mut self, at: WallNanos, vm: VmId, action: Action, ordered: bool) {
        if let Action::Balloon { to, .. } = action {
            self.0.insert(vm, Target { vm, to, at, ordered });
        }
    }

    /// An order failed: the target is unknown.
    pub fn forget(&mut self, vm: VmId) {
        self.0.remove(&vm);
    }

    /// Drops targets that no longer hold: of VMs that are gone, of those whose balloon another
    /// program moved, and old proposals.
    pub fn settle(&mut self, now: WallNanos, decisions: &Decisions) {
        let thoughts = decisions.thoughts.iter();
        let moved = thoughts.filter(|thought| thought.gate(GateKind::OursAlone) == Some(false));
        let moved: BTreeSet<VmId> = moved.filter_map(|thought| thought.vm).collect();
        let is_old = |at: WallNanos| now.0.saturating_sub(at.0) >= PROPOSAL_LASTS.0;
        self.0.retain(|vm, target| (target.ordered || !is_old(target.at)) && !moved.contains(vm));
    }

    /// Drops those of VMs that are missing.
    pub fn keep(&mut self, there: impl IntoIterator<Item = VmId>) {
        let there: BTreeSet<VmId> = there.into_iter().collect();
        self.0.retain(|vm, _| there.contains(vm));
    }

    pub fn all(&self) -> Vec<Target> {
        self.0.values().copied().collect()
    }
}

/// Writes the targets beside the sizes that they are to change.
pub fn aim(snapshot: &mut Snapshot, targets: &[Target]) {
    let targets: BTreeMap<VmId, Target> =
        targets.iter().map(|target| (target.vm, *target)).collect();
    for vm in &mut snapshot.vms {
        vm.balloon_target = match targets.get(&vm.id) {
            None => untouched(),
            Some(target) if target.ordered => Measured::exact(target.to),
            Some(target) => Measured::approximate(target.to, "not ordered: memtrace only observes"),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{self, MIB, WALL};
    use crate::policy::Reason;
    use crate::policy::thought::{Gate, Thought};
    use crate::signal::Quality;

    const LATER: WallNanos = WallNanos(WALL.0 + PROPOSAL_LASTS.0);

    fn sent(to: u64) -> Action {
        Action::Balloon { from: Bytes(512 * MIB), to: Bytes(to * MIB) }
    }

    /// Thoughts with this gate of the VM open or closed.
    fn thoughts(vm: VmId, kind: GateKind, open: bool) -> Decisions {
        let gate = Gate { kind, open, reason: Reason::Unrecorded };
        let thought = Thought { vm: Some(vm), gates: vec![gate], ..Thought::default() };
        Decisions { thoughts: vec![thought], ..Decisions::default() }
    }

    #[test]
    fn an_order_holds_and_a_wish_passes() {
        let (ordered, wished) = (fixture::vm("a", 1).id, fixture::vm("b", 2).id);
        let mut targets = Targets::default();
        targets.set(WALL, ordered, sent(448), true);
        targets.set(WALL, wished, sent(384), false);
        targets.set(WALL, wished, Action::Reclaim { bytes: Bytes(MIB) }, false);
        let to = |targets: &Targets| targets.all().iter().map(|t| t.to.0 / MIB).collect::<Vec<_>>();
        assert_eq!(to(&targets), [448, 384]);
        targets.settle(LATER, &Decisions::default());
        assert_eq!(to(&targets), [448]);
        targets.keep([wished]);
        assert_eq!(to(&targets), [0; 0]);
    }

    #[test]
    fn a_balloon_that_another_program_moved_has_no_target() {
        let vm = fixture::vm("a", 1).id;
        let mut targets = Targets::default();
        targets.set(WALL, vm, sent(448), true);
        targets.settle(WALL, &thoughts(vm, GateKind::AtEase, false));
        targets.settle(WALL, &thoughts(vm, GateKind::OursAlone, true));
        assert_eq!(targets.all().len(), 1);
        targets.settle(WALL, &thoughts(vm, GateKind::OursAlone, false));
        assert_eq!(targets.all(), []);
    }

    #[test]
    fn a_wish_isnt_shown_as_an_order() {
        let mut snapshot = fixture::snapshot(vec![fixture::vm("a", 1), fixture::vm("b", 2)]);
        let target = |vm, ordered| Target { vm, to: Bytes(448 * MIB), at: WALL, ordered };
        let targets = [target(snapshot.vms[0].id, true), target(snapshot.vms[1].id, false)];
        aim(&mut snapshot, &targets);
        assert_eq!(snapshot.vms[0].balloon_target, Measured::exact(Bytes(448 * MIB)));
        assert!(matches!(snapshot.vms[1].balloon_target.quality, Quality::Approximate(_)));
        aim(&mut snapshot, &[]);
        assert_eq!(snapshot.vms[0].balloon_target, untouched());
    }
}
