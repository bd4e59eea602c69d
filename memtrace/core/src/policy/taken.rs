//! What memtrace has taken from VMs, as its journal knows it, so that a policy that starts
//! anew goes on where the one before ended.

use std::collections::{BTreeMap, VecDeque};

use super::state::{Ordered, PolicyState, VmState};
use crate::sample::VmId;
use crate::units::{Bytes, Nanos};

/// Taken from a VM and not given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    pub vm: VmId,
    /// Its size when memtrace first touched it.
    pub before: Bytes,
    /// Its last balloon target. `None`: unknown whether the order arrived.
    pub sent: Option<Bytes>,
}

impl PolicyState {
    /// The state of one that starts at this moment, after another one took this.
    pub fn resume(at: Nanos, taken: &[Taken]) -> Self {
        let vms = taken.iter().map(|taken| (taken.vm, resumed(at, *taken)));
        Self { vms: vms.collect::<BTreeMap<_, _>>(), ..Self::default() }
    }

    /// Whether memory taken from a VM that had `before` is still to be returned: the same run of
    /// the VM, and no other program moved the balloon.
    pub fn holds(&self, vm: VmId, before: Bytes) -> bool {
        self.vms.get(&vm).is_none_or(|vm| {
            vm.stood_down.is_none_or(|stood| stood.open)
                && vm.base.is_none_or(|base| base >= before)
        })
    }
}

/// The state as if the size had been seen before the order: a balloon between its former size and
/// the target is in flight, and one anywhere else was moved by another program.
fn resumed(at: Nanos, Taken { before, sent, .. }: Taken) -> VmState {
    let mut vm = VmState { seen: at, base: Some(before), ..VmState::default() };
    if let Some(to) = sent {
        let nearest = Bytes(before.0.abs_diff(to.0));
        vm.order = Some(Ordered { at, from: before, to, progressed: at, nearest });
        vm.sizes = VecDeque::from([(Nanos(0), before)]);
    }
    vm
}
