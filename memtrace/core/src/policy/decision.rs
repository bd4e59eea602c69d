//! What a policy wants done, and why. The same text is what `explain`, the view, the
//! journal and the metrics show.

use serde::{Deserialize, Serialize};

use super::hook::Call;
use crate::sample::VmId;
use crate::units::Bytes;

/// Everything that came out of one step.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Decisions {
    /// The scope's, in a word: calm, soft, hard, low. `None`: not known, or a peer's, which
    /// has none.
    #[serde(default)]
    pub state: Option<String>,
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
    /// What it thought of the scope and of each VM, whether it acts or not. Empty for
    /// peers, which can't explain themselves.
    pub thoughts: Vec<Thought>,
    /// VMs whose balloon has not moved for so long that an operator should know.
    #[serde(default)]
    pub flagged: Vec<VmId>,
}

/// Where the trend of available memory leads.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ahead {
    /// A state, or `swap`.
    pub what: String,
    pub seconds: f64,
}

/// Something to do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    pub vm: VmId,
    pub action: Action,
    /// The rule that fired, in one word (`distress`, `pressure`, `calm`, `dead`, ...).
    pub rule: String,
    /// Why, with the numbers that it saw, a sentence.
    pub because: String,
    /// What would have led to another decision.
    pub unless: String,
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

/// What was considered of the scope (`vm` is `None`) or of a VM.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Thought {
    pub vm: Option<VmId>,
    /// What was seen, a line each: how old it is where that is known, and why it isn't exact.
    #[serde(default)]
    pub inputs: Vec<String>,
    /// Gates in the order in which they are asked; a VM gives only when all are open.
    pub gates: Vec<Gate>,
    /// The arithmetic with its numbers, a line each.
    pub arithmetic: Vec<String>,
    /// What would have to change for another decision, a line each.
    #[serde(default)]
    pub otherwise: Vec<String>,
}

/// The gate that is closed once somebody else has moved a VM's balloon.
pub const OURS: &str = "ours alone";

/// One condition for taking memory from a VM.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Gate {
    pub name: String,
    pub open: bool,
    /// Why it is open or closed, with the numbers.
    pub because: String,
}
