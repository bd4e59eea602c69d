//! What a policy wants done, and why.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::reason::{Ahead, Distress, Reason, RuleId, Standing};
use super::state::Level;
use super::thought::Thought;
use crate::sample::VmId;
use crate::units::{Bytes, Nanos, Percent};

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
    /// The last escalation step: a message for the hook.
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
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Decision {
    /// VM to act on.
    pub vm: VmId,
    /// Action.
    pub action: Action,
    /// The rule that led to it.
    pub rule: RuleId,
    /// As values: its `kind`, and numbers in bytes, nanoseconds and per cent.
    ///
    /// Those that it was decided by, and those that would have led to another decision.
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

/// What can be done to a VM; one of these keys. memtrace never kills.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Sets the balloon target; below `from` the balloon inflates.
    Balloon {
        /// Current size.
        from: Bytes,
        /// Target size.
        to: Bytes,
    },
    /// Reclaims from its cgroup, by a write to memory.reclaim.
    Reclaim {
        /// Bytes to reclaim.
        bytes: Bytes,
    },
}

/// What the hook is told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Call {
    /// Memory that must be freed.
    pub need: Bytes,
    /// Part of it that memtrace can't free.
    pub missing: Bytes,
    /// Memory that balloons can still free.
    pub balloons: Bytes,
    /// Memory that the next cgroup reclaim frees.
    pub reclaim: Bytes,
    /// Time since it first was missing.
    pub lasts: Nanos,
    /// Time that it must be missing.
    #[serde(default)]
    pub after: Nanos,
    // Views put the cause into words.
    #[schemars(skip)]
    pub suffering: Vec<Suffering>,
    /// State of the host or scope.
    #[serde(default)]
    pub host: Standing,
    /// VMs of which it is unknown what they could give.
    #[serde(default)]
    pub unknown: usize,
    /// VMs in all.
    #[serde(default)]
    pub vms: usize,
    /// Available memory from which it would not be called.
    #[serde(default)]
    #[schemars(with = "Percent")]
    pub leave: f64,
    /// Missing memory from which it is called.
    #[serde(default)]
    pub least: Bytes,
}

/// A VM in distress, and from what.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Suffering {
    pub vm: VmId,
    pub from: Distress,
}
