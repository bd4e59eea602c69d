//! Why something is decided, as values. Amounts are in bytes, shares in per cent, times in
//! nanoseconds; `limit`, `pause` and the like are the rules that the numbers are held against.
//! Views make sentences of them, so that a sentence can be improved without touching the policy.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::state::Level;
use crate::sample::VmState as Running;
use crate::units::{Bytes, Nanos, Percent};

/// A condition, in the order in which those of a VM are asked; then the escalation steps.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum GateKind {
    /// The operator lets it be touched.
    Allowed,
    /// It runs.
    Running,
    /// Its balloon can be moved.
    Balloon,
    /// Its memory isn't pinned.
    Unpinned,
    /// It has run for long enough.
    Booted,
    /// Its statistics are fresh, whole and not contradicted.
    Statistics,
    /// It is not in distress, and wasn't lately.
    #[serde(rename = "at ease")]
    AtEase,
    /// No order is in flight.
    Moving,
    /// No other program moved its balloon.
    #[serde(rename = "ours alone")]
    OursAlone,
    /// It wasn't shrunk just now.
    #[serde(rename = "cooled down")]
    CooledDown,
    /// There is something above its floor.
    Room,
    /// Reclaim of its cold pages backs off.
    #[serde(rename = "cold pages")]
    ColdPages,
    /// Escalation step: an alert.
    Alert,
    /// Escalation step: balloons inflate.
    Inflate,
    /// Escalation step: cold pages are reclaimed.
    Reclaim,
    /// Escalation step: the operator's hook is called.
    Hook,
    /// Of another version of memtrace.
    #[serde(other)]
    Other,
}

/// The rule that led to a decision.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum RuleId {
    /// A VM in distress gets memory.
    Distress,
    /// The scope is short, and a VM gives.
    Pressure,
    /// The same, of memory that its guest has free.
    Dead,
    /// The scope is about to be short.
    Forecast,
    /// It is calm, and a VM gets back what was taken.
    Calm,
    /// Cold pages are reclaimed through the cgroup.
    Reclaim,
    /// memtrace ends, and gives back.
    #[serde(rename = "farewell")]
    AtExit,
    /// Of another policy, or another version of memtrace.
    #[default]
    #[serde(other)]
    Other,
}

/// Why a gate is open or closed, why a VM wants nothing, or why something was decided.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Reason {
    /// Switched off among the safety features.
    NotAsked,
    SwitchedOff,
    /// What an adapter says of the VM: why it has no balloon.
    Reported {
        text: String,
    },

    // What is not known.
    ScopeUnknown,
    StateUnknown,
    SizeUnknown,
    MaximumUnknown,
    CpuTimeUnknown,
    FloorUnknown,
    NoStatistics,
    StatisticsAgeUnknown,
    HostSideUnknown,
    FreeUnknown,
    MajorFaultsUnknown,
    /// Whether it is in distress, for want of these. None of them: of guest statistics.
    DistressUnknown {
        unknown: Vec<SymptomKind>,
    },
    /// The guest doesn't tell this.
    GuestLacks {
        what: GuestMemory,
    },

    // The operator, and what runs.
    DuplicateId,
    Excluded,
    WeightZero,
    Allowed {
        weight: u32,
    },
    Runs,
    NotRunning {
        state: Running,
    },
    Gone,
    /// There is nothing to ask its hypervisor through.
    NoConnection,

    // What keeps a balloon from freeing memory.
    Unpinned,
    Encrypted,
    PassedThrough,
    DevicesUnknown,
    LockedUnknown,
    Locked {
        bytes: Bytes,
    },
    HugePages {
        bytes: Bytes,
    },
    Booted {
        time: Nanos,
        needed: Nanos,
    },

    // Sizes, and the guest's statistics.
    Size {
        actual: Bytes,
        maximum: Bytes,
    },
    AboveMaximum {
        actual: Bytes,
        maximum: Bytes,
    },
    Used {
        used: Bytes,
        size: Bytes,
        available: Bytes,
    },
    Stale {
        age: Nanos,
        limit: Nanos,
    },
    /// What the guest claims can't be.
    Contradicted {
        claim: Claim,
        claimed: Bytes,
        most: Bytes,
    },
    /// It uses more than the host shows of it.
    UsesUncounted {
        why: Uncounted,
    },
    /// Its balloon leaves it less than the host keeps of it.
    BalloonFreesNothing {
        size: Bytes,
        rss: Bytes,
    },

    // Distress.
    InDistress {
        symptoms: Vec<Symptom>,
    },
    LittleLeft {
        symptoms: Vec<Symptom>,
    },
    WasInDistress {
        since: Nanos,
        pause: Nanos,
    },
    KeepsGift {
        since: Nanos,
        pause: Nanos,
    },
    NoDistress,

    // The balloon's way.
    NothingInFlight,
    InFlight {
        left: Bytes,
    },
    Stuck {
        since: Nanos,
        left: Bytes,
        flagged: bool,
    },
    OursAlone,
    MovedByOthers {
        from: Bytes,
        to: Bytes,
        since: Nanos,
    },
    NeverShrunk,
    Shrunk {
        since: Nanos,
        pause: Nanos,
    },
    Room {
        room: Bytes,
        floor: FloorTerms,
    },
    /// Inflating would free nothing: beside what the guest uses the host keeps at most the
    /// VMM's own memory.
    NothingToFree {
        used: Bytes,
        vmm: Bytes,
    },

    // Receiving.
    HasAll {
        ceiling: Bytes,
    },
    GuestHas {
        share: f64,
    },
    HasReceived {
        grown: Bytes,
    },
    OnItsWay,
    NotFree,

    // Escalation.
    LevelIs {
        level: Level,
        from: Level,
    },
    LevelNow {
        level: Level,
    },
    /// Balloons have had nothing to give for so long, at this level; reclaim begins under
    /// `kept` available with a VM in distress, after `patience`.
    BalloonsEmpty {
        level: Level,
        since: Nanos,
        kept: Bytes,
        patience: Nanos,
    },
    /// What was reclaimed came back within `within`.
    Refaulted {
        since: Nanos,
        within: Nanos,
        rest: Nanos,
        times: u32,
    },
    NoHookCommand,
    Missing {
        level: Level,
        missing: Bytes,
        lasts: Nanos,
        least: Bytes,
        after: Nanos,
    },
    HookCalled {
        since: Nanos,
        pause: Nanos,
    },

    // Decisions; what would have led to another one is among the numbers.
    /// Of the rules `pressure`, `dead` and `forecast`. `keeps`: at this size it gives nothing.
    Short {
        host: Standing,
        need: Bytes,
        room: Bytes,
        dead: Bytes,
        soft: f64,
        keeps: Bytes,
    },
    /// `share`: its part of what is `free`.
    Relief {
        from: Distress,
        wanted: Bytes,
        share: Bytes,
        free: Bytes,
    },
    /// The last step that took from it costs its guest more than it spares all VMs, in seconds
    /// waited a second.
    Undone {
        from: Distress,
        step: Bytes,
        costs: f64,
        spares: f64,
    },
    /// Its guest has only so much available, per cent of its size, less than `low`, while
    /// `taken` is kept from it.
    RunsOut {
        has: f64,
        low: f64,
        taken: Bytes,
    },
    /// `before`: the size that it had.
    Calm {
        free: Bytes,
        before: Bytes,
    },
    ColdPages {
        psi: f64,
        limit: f64,
        bytes: Bytes,
        rss: Bytes,
    },
    Ending {
        free: Bytes,
        before: Bytes,
    },

    /// Nothing is known of it, or it is of another version of memtrace.
    #[default]
    #[serde(other)]
    Unrecorded,
}

/// Any object: each kind has values of its own, which are no part of the stream's schema.
impl JsonSchema for Reason {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Reason".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "object" })
    }
}

/// Why RSS and swap of a VM's process don't show all that its guest uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Uncounted {
    /// Its memory is shared, and what of it is in swap belongs to no address space.
    Shared,
    /// It was started from another's state, without its pages of zeros.
    Incoming,
    /// KSM merges its pages of zeros with the kernel's own.
    MergedZeros,
}

/// The host, or the scope, as it stood when something was decided.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Standing {
    /// Available memory.
    #[schemars(with = "Percent")]
    pub share: f64,
    /// Total memory.
    pub total: Bytes,
    /// State.
    pub level: Level,
}

/// What a floor is the largest of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FloorTerms {
    pub floor: Bytes,
    pub bounds: Bytes,
    /// What the guest uses and has touched since, times `factor`.
    pub used: Bytes,
    pub factor: f64,
    pub burst: Bytes,
    pub learnt: Bytes,
}

/// Part of a guest's statistics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GuestMemory {
    Total,
    Free,
    Available,
}

/// What a guest claims, and what contradicts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Claim {
    /// A total above its maximum.
    TotalOverMaximum,
    /// Free or available above its total.
    FreeOverTotal,
    /// Available above its size.
    AvailableOverSize,
    /// In use, more than the host has ever kept of it.
    UsedOverHost,
}

/// What shows distress.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SymptomKind {
    /// Bytes per second.
    HostSwapIn,
    /// Asynchronous faults per second.
    AsyncFaults,
    /// Per cent of the time.
    Stalled,
    /// Bytes per second, in or out.
    GuestSwap,
    /// Per second.
    GuestMajorFaults,
    /// Per cent of its size; the only one of which less is worse.
    GuestAvailable,
    /// Its OOM killer struck.
    GuestOomKill,
}

/// A number over its limit (or under it), in the unit of its kind.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Symptom {
    pub kind: SymptomKind,
    pub value: f64,
    pub limit: f64,
}

/// From what a VM suffers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Distress {
    Symptoms(Vec<Symptom>),
    /// As far as is known; these are not.
    Unknown(Vec<SymptomKind>),
    /// So much of it is available to the guest, per cent.
    Available(f64),
}

/// Where the trend of available memory leads.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Ahead {
    /// Host state, or swap in use.
    pub what: Coming,
    /// Seconds until then.
    #[schemars(extend("unit" = "seconds"))]
    pub seconds: f64,
}

/// What may come.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Coming {
    Soft,
    Hard,
    Low,
    Swap,
}

impl GateKind {
    /// Its name in a view, and in JSON.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Running => "running",
            Self::Balloon => "balloon",
            Self::Unpinned => "unpinned",
            Self::Booted => "booted",
            Self::Statistics => "statistics",
            Self::AtEase => "at ease",
            Self::Moving => "moving",
            Self::OursAlone => "ours alone",
            Self::CooledDown => "cooled down",
            Self::Room => "room",
            Self::ColdPages => "cold pages",
            Self::Alert => "alert",
            Self::Inflate => "inflate",
            Self::Reclaim => "reclaim",
            Self::Hook => "hook",
            Self::Other => "other",
        }
    }
}

impl RuleId {
    /// Its name in JSON.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Distress => "distress",
            Self::Pressure => "pressure",
            Self::Dead => "dead",
            Self::Forecast => "forecast",
            Self::Calm => "calm",
            Self::Reclaim => "reclaim",
            Self::AtExit => "farewell",
            Self::Other => "other",
        }
    }
}

impl Coming {
    /// From what [`Self::word`] gives.
    pub fn of_word(word: &str) -> Option<Self> {
        [Self::Soft, Self::Hard, Self::Low, Self::Swap].into_iter().find(|one| one.word() == word)
    }

    /// Its name in a view, and in JSON.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Soft => "soft",
            Self::Hard => "hard",
            Self::Low => "low",
            Self::Swap => "swap",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_the_same_in_a_view_and_in_json() {
        let json = |value: serde_json::Value| value.as_str().map(str::to_owned);
        for kind in [
            GateKind::Allowed,
            GateKind::AtEase,
            GateKind::OursAlone,
            GateKind::CooledDown,
            GateKind::ColdPages,
            GateKind::Hook,
            GateKind::Other,
        ] {
            let written = serde_json::to_value(kind).expect("it serialises");
            assert_eq!(json(written).as_deref(), Some(kind.word()));
        }
        for rule in [RuleId::Distress, RuleId::Dead, RuleId::AtExit, RuleId::Other] {
            let written = serde_json::to_value(rule).expect("it serialises");
            assert_eq!(json(written).as_deref(), Some(rule.word()));
        }
        for coming in [Coming::Soft, Coming::Swap] {
            let written = serde_json::to_value(coming).expect("it serialises");
            assert_eq!(json(written).as_deref(), Some(coming.word()));
        }
    }

    #[test]
    fn what_another_version_says_is_not_guessed_at() {
        let reason: Reason =
            serde_json::from_str(r#"{"kind":"moon_phase","full":true}"#).expect("it reads");
        assert_eq!(reason, Reason::Unrecorded);
        let gate: GateKind = serde_json::from_str(r#""sun""#).expect("it reads");
        assert_eq!(gate, GateKind::Other);
    }
}
