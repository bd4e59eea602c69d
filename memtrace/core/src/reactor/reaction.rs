//! What the reactor shows of itself.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Called, Target};
use crate::model::Snapshot;
use crate::order::Failure;
use crate::policy::{Decision, Decisions, Reason};
use crate::sample::VmId;
use crate::units::{Bytes, WallNanos};

/// The mode.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Decides, explains, writes it down, touches nothing.
    #[default]
    Observe,
    /// Carries decisions out.
    Enforce,
}

impl Mode {
    pub const fn word(self) -> &'static str {
        match self {
            Self::Observe => "observe",
            Self::Enforce => "enforce",
        }
    }
}

/// The outcome of a decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// No order was given.
    Observed,
    /// An order whose end isn't known yet.
    InFlight,
    /// The hypervisor or the kernel accepted it. Its effect is seen in the next samples.
    Done,
    Failed(Failure),
}

/// A decision and its outcome.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Counts up by one.
    pub number: u64,
    pub wall: WallNanos,
    /// The VM's. Untrusted text.
    pub name: String,
    pub decision: Decision,
    pub fate: Fate,
}

/// Everything of one step, and the last entries, oldest first. By default nothing was decided.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Reaction {
    pub mode: Mode,
    /// Why nothing can be done at the moment.
    pub problem: Option<String>,
    pub decisions: Decisions,
    /// VMs outside the scope. They are seen, so that what they cause is attributed, and are
    /// neither decided about nor alerted on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outside_scope: Vec<VmId>,
    /// The target of each VM that has one.
    #[serde(default)]
    pub targets: Vec<Target>,
    pub entries: Vec<Entry>,
    /// The last line to the hook.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub called: Option<Called>,
    /// At the end of a run that gives back: what is still owed, to whom. Empty when it is
    /// done.
    #[serde(default)]
    pub farewell: Option<Vec<Owed>>,
}

/// Memory taken from a VM and not yet given back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Owed {
    /// Name of the VM; untrusted.
    pub name: String,
    /// Amount; `null` if it is unknown.
    pub bytes: Option<Bytes>,
    /// As values: its `kind`, and numbers in bytes, nanoseconds and per cent.
    pub reason: Reason,
    /// True: may still be given back; false: there is nothing to wait for.
    pub waits: bool,
}

/// A snapshot, and what was made of it. This is what `memtrace mitigate --json` prints.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    pub snapshot: Arc<Snapshot>,
    pub reaction: Reaction,
}
