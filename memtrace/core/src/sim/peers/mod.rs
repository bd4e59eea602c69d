//! The rules of others, to hold memtrace's own against: each written from the description
//! of its rule and of its numbers. They see what memtrace's policy sees, and take of it
//! what they would.

mod clairvoyant;
mod hypeman;
mod mom;
mod nothing;
mod pi;
mod proxmox;
mod squeezed;

use crate::policy::{Action, Decision, Decisions, Policy, Reason, RuleId, VmObservation};
use crate::units::{Bytes, Nanos};

pub use clairvoyant::Clairvoyant;

const MIB: u64 = 1 << 20;

/// All of them, each as it begins; the first does nothing.
pub fn all() -> Vec<Box<dyn Policy>> {
    vec![
        Box::new(nothing::Nothing),
        Box::new(mom::Mom::default()),
        Box::new(proxmox::Proxmox::default()),
        Box::new(squeezed::Squeezed::default()),
        Box::new(hypeman::Hypeman::default()),
        Box::new(pi::Pi::default()),
    ]
}

/// A loop that comes round every so many seconds.
#[derive(Clone, Copy, Debug, Default)]
struct Round {
    last: Option<Nanos>,
}

impl Round {
    fn is_due(&mut self, at: Nanos, seconds: u64) -> bool {
        let period = seconds * Nanos::SECOND.0;
        let due = self.last.is_none_or(|last| at.saturating_sub(last).0 >= period);
        if due {
            self.last = Some(at);
        }
        due
    }
}

/// A VM with a balloon that can be told a size, as far as a peer asks: none of them asks
/// whether it boots, migrates or is pinned.
#[derive(Clone, Copy, Debug)]
struct Ballooned {
    actual: u64,
    maximum: u64,
    /// Free in the guest, as it says, at whatever age.
    free: Option<u64>,
}

fn ballooned(vm: &VmObservation) -> Option<Ballooned> {
    let free = vm.guest.and_then(|guest| guest.free).map(|free| free.0);
    Some(Ballooned { actual: vm.actual?.0, maximum: vm.maximum?.0, free })
}

/// Those of all VMs.
fn all_ballooned(vms: &[VmObservation]) -> Vec<(&VmObservation, Ballooned)> {
    vms.iter().filter_map(|vm| Some((vm, ballooned(vm)?))).collect()
}

/// The order to go to a size; none when it is there already.
fn go(vm: &VmObservation, to: u64) -> Option<Decision> {
    let from = vm.actual?;
    let to = Bytes(to);
    (from != to).then_some(Decision {
        vm: vm.id,
        action: Action::Balloon { from, to },
        rule: RuleId::Other,
        reason: Reason::Unrecorded,
    })
}

fn percent(total: Bytes, percent: u64) -> u64 {
    total.0.saturating_mul(percent) / 100
}

fn acting(actions: impl IntoIterator<Item = Decision>) -> Decisions {
    Decisions { actions: actions.into_iter().collect(), ..Decisions::default() }
}

#[cfg(test)]
mod tests;
