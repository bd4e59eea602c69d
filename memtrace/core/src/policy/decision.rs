//! What a policy wants done, and why.

use serde::{Deserialize, Serialize};

use super::reason::{Ahead, Distress, Reason, RuleId, Standing};
use super::state::Level;
use super::thought::Thought;
use crate::sample::VmId;
use crate::units::{Bytes, Nanos};

/// Everything that came out of one step.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Decisions {
    /// The scope's. `None`: not known, or a peer's, which has none.
    #[serde(default)]
    pub state: Option<Level>,
    /// What comes within ten minutes if it goes on like this, the nearest first.
    #[serde(default)]
    pub ahead: Vec<Ahead>,
    /// What balloons could give now, above the floors of VMs that nothing forbids to shrink. VMs
    /// of which too little is known count as nothing. `None`: nobody asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reclaimable: Option<Bytes>,
    pub actions: Vec<Decision>,
    /// The last rung: what somebody else is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hook: Option<Call>,
    /// What was considered of the scope and of each VM, whether it acts or not. Empty for
    /// peers, which can't explain themselves.
    pub thoughts: Vec<Thought>,
    /// VMs whose balloon has not moved for so long that an operator should know.
    #[serde(default)]
    pub flagged: Vec<VmId>,
}

/// Something to do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    pub vm: VmId,
    pub action: Action,
    pub rule: RuleId,
    /// The numbers that it was decided by, and those that would have led to another decision.
    #[serde(default)]
    pub reason: Reason,
}

impl Decision {
    /// How much it moves, in bytes.
    pub(super) fn size(&self) -> u64 {
        match self.action {
            Action::Balloon { from, to } => from.0.abs_diff(to.0),
            Action::Reclaim { bytes } => bytes.0,
        }
    }
}

/// What can be done to a VM. memtrace never kills.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Sets its logical size; less than `from` inflates the balloon.
    Balloon { from: Bytes, to: Bytes },
    /// Has its cgroup give back so much (`memory.reclaim`).
    Reclaim { bytes: Bytes },
}

/// What the hook is told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Call {
    /// What is to be freed.
    pub need: Bytes,
    /// What of it no rung can give.
    pub missing: Bytes,
    /// What balloons can still give, and the next step of reclaim.
    pub balloons: Bytes,
    pub reclaim: Bytes,
    /// So long it has been missing, and has to be missing.
    pub lasts: Nanos,
    #[serde(default)]
    pub after: Nanos,
    pub suffering: Vec<Suffering>,
    #[serde(default)]
    pub host: Standing,
    /// VMs of which it is not known what they could give, of so many.
    #[serde(default)]
    pub unknown: usize,
    #[serde(default)]
    pub vms: usize,
    /// From so much available, per cent, or with less missing, it would not be called.
    #[serde(default)]
    pub leave: f64,
    #[serde(default)]
    pub least: Bytes,
}

/// A VM in distress, and from what.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Suffering {
    pub vm: VmId,
    pub from: Distress,
}
