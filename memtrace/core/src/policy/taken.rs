//! What memtrace has taken from VMs, as its journal knows it, so that a policy that starts
//! anew goes on where the one before ended.

use std::collections::{BTreeMap, VecDeque};

use super::state::{Ordered, State, VmState};
use crate::sample::VmId;
use crate::units::{Bytes, Nanos};

/// Taken from a VM and not given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    pub vm: VmId,
    /// Its size when memtrace first touched it.
    pub before: Bytes,
    /// Where its balloon was last sent. `None`: nobody knows whether it heard of it.
    pub sent: Option<Bytes>,
}

impl State {
    /// The state of one that starts at this moment, after another one took this.
    pub fn resume(at: Nanos, taken: &[Taken]) -> Self {
        let vms = taken.iter().map(|taken| (taken.vm, resumed(at, *taken)));
        Self { vms: vms.collect::<BTreeMap<_, _>>(), ..Self::default() }
    }

    /// Whether what memtrace once took from a VM that had `before` is its business still:
    /// nobody else moved the balloon, and it is the same run of the VM.
    pub fn holds(&self, vm: VmId, before: Bytes) -> bool {
        self.vms.get(&vm).is_none_or(|vm| {
            vm.stood_down.is_none_or(|stood| stood.open)
                && vm.base.is_none_or(|base| base >= before)
        })
    }
}

/// As if its size had been seen before the order: so a balloon anywhere between where it was
/// and where it was sent is on its way, and elsewhere somebody else has moved it.
fn resumed(at: Nanos, Taken { before, sent, .. }: Taken) -> VmState {
    let mut vm = VmState { seen: at, base: Some(before), ..VmState::default() };
    if let Some(to) = sent {
        let nearest = Bytes(before.0.abs_diff(to.0));
        vm.order = Some(Ordered { at, from: before, to, progressed: at, nearest });
        vm.sizes = VecDeque::from([(Nanos(0), before)]);
    }
    vm
}
