//! What was considered before something was decided: what was seen, the gates, the arithmetic,
//! and what would have to change. Data alone.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::reason::{Ahead, GateKind, Reason, Standing};
use super::state::Level;
use crate::sample::{VmId, VmState};
use crate::units::{Bytes, Nanos};

/// What was considered of the scope (`vm` is `None`) or of a VM.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Thought {
    pub vm: Option<VmId>,
    /// What was seen.
    #[serde(default)]
    pub inputs: Vec<Input>,
    /// Gates in the order in which they are asked; a VM gives only when all are open.
    pub gates: Vec<Gate>,
    pub arithmetic: Vec<Term>,
    /// What would have to change for another decision.
    #[serde(default)]
    pub otherwise: Vec<WhatIf>,
}

/// One condition for taking memory from a VM, or an escalation step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Gate {
    /// Name.
    #[serde(rename = "name")]
    pub kind: GateKind,
    /// Whether it holds.
    pub open: bool,
    /// As values: its `kind`, and numbers in bytes, nanoseconds and per cent.
    #[serde(default)]
    pub reason: Reason,
}

/// Recorded before it was asked.
const fn paid() -> bool {
    true
}

impl Thought {
    /// Whether this gate is among its gates, and how it stands.
    pub fn gate(&self, kind: GateKind) -> Option<bool> {
        self.gates.iter().find(|gate| gate.kind == kind).map(|gate| gate.open)
    }
}

/// A line of the arithmetic.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Term {
    ScopeUnknown,
    /// The limits are shares of the total; a state is left `leave` points above.
    State {
        available: Bytes,
        host: Standing,
        soft: f64,
        hard: f64,
        low: f64,
        leave: f64,
    },
    /// 0 to 1, by PSI some (per cent) and direct reclaims (per second).
    Effort {
        psi: Option<f64>,
        direct: Option<f64>,
        kswapd: Option<f64>,
        effort: f64,
    },
    /// Bytes a second that available falls.
    Trend {
        fall: Bytes,
        ahead: Vec<Ahead>,
    },
    Need {
        need: Bytes,
        short: Bytes,
        aim: Bytes,
        soft: f64,
        trend: Bytes,
        horizon: Nanos,
        pressure: Bytes,
        held: Bytes,
        owed: Bytes,
        in_flight: Bytes,
        /// Of the need, what may be taken from memory in use.
        #[serde(default)]
        in_use: Bytes,
        /// Being short costs something; else what is short isn't taken from that.
        #[serde(default = "paid")]
        pays: bool,
        /// The host's swap is as fast as guests' disks, so that nothing of it is taken.
        #[serde(default)]
        fast_swap: bool,
        /// It is worth a command.
        enough: bool,
    },
    Budget {
        relief: Bytes,
        calm: Bytes,
        kept: Bytes,
        promised: Bytes,
        /// Part of the relief that the host has to swap for.
        #[serde(default)]
        beyond: Bytes,
    },
    /// Seconds waited in a second: by all VMs for the host, and by guests for files that their
    /// balloons left no room for. `swap_wait`: seconds for a page of the host's swap, lately.
    Costs {
        host: Option<f64>,
        guests: Option<f64>,
        swap_wait: Option<f64>,
    },
    /// Of a VM that gives. `part` and `parts` in bytes.
    Share {
        share: Bytes,
        need: Bytes,
        part: f64,
        parts: f64,
        step: Bytes,
        room: Bytes,
        gives: Bytes,
    },
    Wants {
        wanted: Bytes,
        given: Bytes,
    },
    WantsNothing {
        reason: Reason,
    },
    MayWant {
        reason: Reason,
    },
    Missing {
        missing: Bytes,
        need: Bytes,
        balloons: Bytes,
        reclaim: Bytes,
    },
    #[serde(other)]
    Other,
}

/// What would have to change for another decision.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum WhatIf {
    /// Under so much available, per cent, the scope would be in this state.
    Worse {
        state: Level,
        limit: f64,
    },
    /// From so much available it would be in a better state than this.
    Better {
        state: Level,
        limit: f64,
    },
    /// It would give memory if all of these changed.
    Gives {
        changes: Vec<Change>,
    },
    /// More would have to be free.
    ReceivesIfFree {
        wanted: Bytes,
    },
    /// Its guest would have to have less available than this, per cent.
    ReceivesUnder {
        limit: f64,
        reason: Reason,
    },
    NeverReceives {
        reason: Reason,
    },
    NeedUnknown {
        reason: Reason,
    },
    /// In steps, once the scope has been calm for so long.
    GetsBack {
        bytes: Bytes,
        quiet: Nanos,
    },
    #[serde(other)]
    Other,
}

/// A part of what keeps a VM from giving.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Change {
    Inflating,
    /// VMs would have to wait for memory, or guests to thrash.
    Waits,
    /// A page of the host's swap would have to take longer than guests' disks take, in seconds.
    SlowSwap {
        limit: f64,
    },
    /// The scope would have to be short: under `soft`, where it is at `share`.
    Shortage {
        soft: f64,
        share: f64,
    },
    /// These gates would have to be open.
    Gates {
        closed: Vec<GateKind>,
    },
    /// Its share of the need would have to be worth a command.
    Share {
        need: Bytes,
        least: Bytes,
    },
}

/// A number that was seen, before anything was made of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Input {
    pub what: Seen,
    /// `None`: not known.
    pub value: Option<Quantity>,
    /// Why it isn't exact, or isn't known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<String>,
}

/// What was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Seen {
    /// The time that rates are over.
    Interval,
    Available,
    SwapFree,
    PsiSome,
    Kswapd,
    DirectReclaims,
    SwappedIn,
    SwappedOut,
    State,
    Size,
    Rss,
    InSwap,
    Dead,
    AsyncFaults,
    Stalled,
    CgroupPsiSome,
    GuestStatistics,
    GuestAvailable,
    GuestFree,
    GuestTotal,
    GuestMajorFaults,
    GuestSwapsIn,
    GuestSwapsOut,
    #[serde(other)]
    Other,
}

/// A value with its unit.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Quantity {
    Bytes(Bytes),
    /// A part of a whole.
    Of(Bytes, Bytes),
    BytesPerSecond(f64),
    PerSecond(f64),
    /// Per cent.
    Share(f64),
    Time(Nanos),
    State(VmState),
}
