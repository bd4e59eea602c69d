//! Orders and decisions as the journal stores them. Where it is stored is not known here.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::order::{Failure, Order};
use crate::policy::{Decision, Decisions, Reason, RuleId};
use crate::sample::{VmId, VmLabels};
use crate::units::{Bytes, WallNanos};

/// Something to do, and to whom.
#[derive(Clone, Debug, PartialEq)]
pub struct Wanted {
    pub decision: Decision,
    pub pid: u32,
    pub name: String,
}

/// An order and its reason.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Begun {
    pub at: WallNanos,
    pub order: Order,
    pub rule: RuleId,
    #[serde(default)]
    pub reason: Reason,
}

/// Decisions and thoughts of a step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Noted {
    pub at: WallNanos,
    /// Decisions were carried out; else memtrace only observed.
    pub acting: bool,
    pub decisions: Decisions,
    pub names: Vec<Named>,
}

/// What a VM was called.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Named {
    pub vm: VmId,
    pub name: String,
    /// What its platform and its operator call it.
    #[serde(default, skip_serializing_if = "VmLabels::is_empty")]
    pub labels: VmLabels,
}

impl Begun {
    /// The order `id`, as it was wanted.
    pub fn new(at: WallNanos, id: u64, wanted: Wanted) -> Self {
        let Wanted { decision, pid, name } = wanted;
        let order = Order { id, vm: decision.vm, pid, name, action: decision.action };
        Self { at, order, rule: decision.rule, reason: decision.reason }
    }
}

/// An order and its outcome.
#[derive(Clone, Debug, PartialEq)]
pub struct JournalledOrder {
    pub begun: Begun,
    /// When it ended, perhaps after the moment that was asked about. `None`: not known.
    pub ended: Option<(WallNanos, Result<(), Failure>)>,
}

/// Memory that memtrace took from a VM with its balloon.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holding {
    pub vm: VmId,
    pub name: String,
    /// Of the run of the VM that it was taken from. `None`: an older memtrace didn't say.
    #[serde(default)]
    pub pid: Option<u32>,
    /// Its size when memtrace first touched it.
    pub before: Bytes,
    /// Its last target. `None`: an order for it is in flight or failed, so that the target is
    /// unknown.
    pub now: Option<Bytes>,
}

/// What another memtrace does and thinks, read from its journal.
#[derive(Clone, Debug, Default)]
pub struct Followed {
    pub pid: Option<u32>,
    /// `None`: it has noted nothing yet.
    pub noted: Option<Noted>,
    /// Oldest first.
    pub orders: VecDeque<JournalledOrder>,
    /// What it has taken from VMs and not given back.
    pub holdings: Vec<Holding>,
    /// Lines that can't be read.
    pub unreadable: u64,
}
