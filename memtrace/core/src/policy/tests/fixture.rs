//! Observations in which everything is known and nothing is wrong, until a test says
//! otherwise; and what was decided, in short.

use uuid::Uuid;

use crate::policy::observation::{GuestObservation, Observation, ScopeObservation, VmObservation};
use crate::policy::{Action, Decisions, GateKind, Memtrace, Policy, Reason, Rules};
use crate::sample::{VmId, VmState};
use crate::units::{ByteRate, Bytes, Nanos, Percent, Rate};

pub(super) const MIB: u64 = 1 << 20;
pub(super) const GIB: u64 = 1 << 30;

/// memtrace where the swap is slower than guests' disks.
pub(super) fn slow_swap(rules: Rules) -> Memtrace {
    let mut policy = Memtrace::new(rules);
    policy.state.swap_wait = Some(1e-3);
    policy
}

pub(super) fn id(number: u32) -> VmId {
    VmId::Uuid(Uuid::from_u128(u128::from(number)))
}

/// A VM of 4 GiB that uses 1 GiB of them, and of which the host keeps all.
pub(super) fn vm(number: u32) -> VmObservation {
    VmObservation {
        state: Some(VmState::Running),
        vcpus: Some(2),
        cpu_time: Some(Nanos(100 * Nanos::SECOND.0)),
        actual: Some(Bytes(4 * GIB)),
        maximum: Some(Bytes(4 * GIB)),
        guest: Some(GuestObservation {
            age: Some(Nanos(Nanos::SECOND.0)),
            total: Some(Bytes(4 * GIB - 100 * MIB)),
            free: Some(Bytes(2 * GIB)),
            available: Some(Bytes(3 * GIB)),
            disk_caches: Some(Bytes(GIB)),
            major_faults: Some(Rate(0.0)),
            swap_in: Some(ByteRate(0.0)),
            swap_out: Some(ByteRate(0.0)),
            killed: false,
            rebooted: false,
        }),
        rss: Some(Bytes(4 * GIB)),
        swap: Some(Bytes(0)),
        dead: Some(Bytes(0)),
        swap_in: Some(ByteRate(0.0)),
        async_faults: Some(Rate(0.0)),
        refaults: Some(Rate(0.0)),
        stalled: Some(Percent(0.0)),
        psi_some: Some(Percent(0.0)),
        takes_reclaim: true,
        ..VmObservation::unknown(id(number), format!("vm-{number}"))
    }
}

/// A host of 32 GiB at this second with so much available, in MiB.
pub(super) fn host(second: u64, available: u64, vms: Vec<VmObservation>) -> Observation {
    Observation {
        at: Nanos(second * Nanos::SECOND.0),
        scope: ScopeObservation {
            cgroup: None,
            total: Some(Bytes(32 * GIB)),
            available: Some(Bytes(available * MIB)),
            swap_total: Some(Bytes(8 * GIB)),
            swap_free: Some(Bytes(8 * GIB)),
            psi_some: Some(Percent(0.0)),
            psi_full: Some(Percent(0.0)),
            kswapd: Some(Percent(0.0)),
            direct_reclaims: Some(Rate(0.0)),
            swap_in: Some(ByteRate(0.0)),
            swap_out: Some(ByteRate(0.0)),
        },
        vms,
    }
}

/// The same while tasks wait for memory, so that the host pays for what guests use.
pub(super) fn pressed(second: u64, available: u64, vms: Vec<VmObservation>) -> Observation {
    let mut pressed = host(second, available, vms);
    pressed.scope.psi_some = Some(Percent(20.0));
    pressed
}

/// What is decided at last, when the host has been as it is from second `from` to `to`.
pub(super) fn after(
    policy: &mut Memtrace,
    seconds: std::ops::Range<u64>,
    look: impl Fn(u64) -> Observation,
) -> Decisions {
    seconds.map(|second| policy.step(&look(second))).last().unwrap_or_default()
}

/// VM, rule, and by how many MiB it grows (or, below zero, shrinks).
pub(super) fn moves(decisions: &Decisions) -> Vec<(VmId, &'static str, i64)> {
    let one = |action: Action| match action {
        Action::Balloon { from, to } => (to.0 as i64 - from.0 as i64) / MIB as i64,
        Action::Reclaim { bytes } => -((bytes.0 / MIB) as i64),
    };
    let all = decisions.actions.iter();
    all.map(|decision| (decision.vm, decision.rule.word(), one(decision.action))).collect()
}

/// A gate of a VM: whether it is open, and why.
pub(super) fn gate(decisions: &Decisions, vm: Option<VmId>, kind: GateKind) -> (bool, Reason) {
    let thought = decisions.thoughts.iter().find(|thought| thought.vm == vm);
    let gate = thought.and_then(|thought| thought.gates.iter().find(|gate| gate.kind == kind));
    gate.map(|gate| (gate.open, gate.reason.clone())).expect("there is such a gate")
}
