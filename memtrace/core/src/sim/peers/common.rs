//! What the peers share: when they act, which VMs they see, and their orders.

use crate::policy::{Action, Decision, Decisions, Reason, RuleId, VmObservation};
use crate::units::{Bytes, Nanos};

pub(super) const MIB: u64 = 1 << 20;

/// A loop that comes round every so many seconds.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Round {
    last: Option<Nanos>,
}

impl Round {
    pub(super) fn is_due(&mut self, at: Nanos, seconds: u64) -> bool {
        let period = seconds * Nanos::SECOND.0;
        let due = self.last.is_none_or(|last| at.saturating_sub(last).0 >= period);
        if due {
            self.last = Some(at);
        }
        due
    }
}

/// A VM whose balloon accepts a target. Peers check no more: none of them asks whether a VM boots,
/// migrates or is pinned.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ballooned {
    pub(super) actual: u64,
    pub(super) maximum: u64,
    /// Free in the guest, as it says, at whatever age.
    pub(super) free: Option<u64>,
}

pub(super) fn ballooned(vm: &VmObservation) -> Option<Ballooned> {
    let free = vm.guest.and_then(|guest| guest.free).map(|free| free.0);
    Some(Ballooned { actual: vm.actual?.0, maximum: vm.maximum?.0, free })
}

/// Those of all VMs.
pub(super) fn all_ballooned(vms: &[VmObservation]) -> Vec<(&VmObservation, Ballooned)> {
    vms.iter().filter_map(|vm| Some((vm, ballooned(vm)?))).collect()
}

/// The order to go to a size; none when it is there already.
pub(super) fn go(vm: &VmObservation, to: u64) -> Option<Decision> {
    let from = vm.actual?;
    let to = Bytes(to);
    (from != to).then_some(Decision {
        vm: vm.id,
        action: Action::Balloon { from, to },
        rule: RuleId::Other,
        reason: Reason::Unrecorded,
    })
}

pub(super) fn percent(total: Bytes, percent: u64) -> u64 {
    total.0.saturating_mul(percent) / 100
}

pub(super) fn acting(actions: impl IntoIterator<Item = Decision>) -> Decisions {
    Decisions { actions: actions.into_iter().collect(), ..Decisions::default() }
}
