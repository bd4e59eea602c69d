//! What the reactor shows of itself.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Called, Target};
use crate::model::Snapshot;
use crate::policy::{Decision, Decisions, Reason};
use crate::units::{Bytes, WallNanos};

/// Whether anything is touched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Decides, explains, writes it down, touches nothing.
    #[default]
    Observe,
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

/// What became of a decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// Nobody was told to do it.
    Observed,
    InFlight,
    /// The hypervisor or the kernel took it. What it did is seen in the next samples.
    Done,
    Failed(String),
}

/// A decision, and what became of it.
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
    /// The size of each VM that has one to come to.
    #[serde(default)]
    pub targets: Vec<Target>,
    pub entries: Vec<Entry>,
    /// What the hook was told last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub called: Option<Called>,
    /// At the end of a run that gives back: what is still owed, to whom. Empty when it is
    /// done.
    #[serde(default)]
    pub farewell: Option<Vec<Owed>>,
}

/// What was taken from a VM and isn't given back yet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Owed {
    /// The VM's. Untrusted text.
    pub name: String,
    /// `None`: nobody knows how much.
    pub bytes: Option<Bytes>,
    pub reason: Reason,
    /// It may still be given; else there is nothing to wait for.
    pub waits: bool,
}

/// A snapshot, and what was made of it. This is what `memtrace mitigate --json` prints.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    pub snapshot: Arc<Snapshot>,
    pub reaction: Reaction,
}
