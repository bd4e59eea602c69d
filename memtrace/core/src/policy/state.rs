//! What the policy remembers from one step to the next. Plain data that can be kept.

use std::collections::{BTreeMap, VecDeque};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::policy::promise::Promises;
use crate::policy::reclaim_backoff::Backoff;
use crate::policy::rules::Rules;
use crate::sample::VmId;
use crate::units::{Bytes, Nanos};

/// A VM that isn't seen for so long is forgotten.
const FORGET: Nanos = Nanos(600_000_000_000);
/// Looks at the scope that are kept for the trend.
const LOOKS: usize = 64;
/// Sizes of a VM that are kept, for statistics that are some seconds old.
const SIZES: usize = 32;

/// How pressed the scope is.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    #[default]
    Calm,
    Soft,
    Hard,
    Low,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PolicyState {
    /// Of the last step; it doesn't begin before the first one.
    pub at: Option<Nanos>,
    pub level: Level,
    /// Since when it is calm and nothing is needed.
    pub quiet_since: Option<Nanos>,
    /// Since when the need exceeds what balloons give.
    pub unmet_since: Option<Nanos>,
    /// Since when all escalation steps together cannot meet the need.
    pub short_since: Option<Nanos>,
    /// Since when next to nothing is available.
    #[serde(default)]
    pub exhausted_since: Option<Nanos>,
    /// Seconds that VMs lately waited for a page of the host's swap.
    #[serde(default)]
    pub swap_wait: Option<f64>,
    /// The size of the swap that they waited for.
    #[serde(default)]
    pub swap_total: Option<Bytes>,
    /// When the hook was last told.
    pub told: Option<Nanos>,
    /// Moments and what was available then, newest last.
    pub looks: VecDeque<(Nanos, Bytes)>,
    /// What steady shortage adds to the need, in bytes.
    pub held: f64,
    /// What VMs in distress wanted and didn't get, as the host saw them suffer.
    pub owed: Bytes,
    /// Somebody in distress wanted more than there was to give.
    pub waiting: bool,
    #[serde(with = "pairs")]
    pub vms: BTreeMap<VmId, VmState>,
}

/// What is remembered of a VM.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct VmState {
    pub seen: Nanos,
    pub cpu_time: Option<Nanos>,
    /// The CPU time of its process when its guest booted again within it.
    #[serde(default)]
    pub booted_from: Option<Nanos>,
    /// The size that it had before memtrace shrank it, and gets back when it is calm.
    pub base: Option<Bytes>,
    /// Its sizes lately, newest last.
    pub sizes: VecDeque<(Nanos, Bytes)>,
    /// What the host kept of it lately, in RSS or swap, newest last.
    #[serde(default)]
    pub kept: VecDeque<(Nanos, Bytes)>,
    /// The least that the host kept beyond what the guest uses. Includes the VMM's own memory,
    /// which no balloon frees.
    #[serde(default)]
    pub beside: Option<Bytes>,
    pub order: Option<Ordered>,
    /// Without an order in flight: the last target and when the VM grew beyond it by itself. The
    /// device keeps the target, so its driver may return to it.
    #[serde(default)]
    pub sent: Option<(Bytes, Nanos)>,
    pub stood_down: Option<StoodDown>,
    pub shrunk: Option<Nanos>,
    pub grown: Option<Nanos>,
    pub reclaimed: Option<Nanos>,
    /// Refaults after reclaim.
    #[serde(default)]
    pub backoff: Backoff,
    pub hurt: Option<Nanos>,
    /// When it last got memory.
    pub given: Option<Nanos>,
    /// Ratio of its size to its used memory while in distress, with the margin, and the time.
    pub learnt: Option<(f64, Nanos)>,
    /// The largest size at which its guest was in distress while memtrace kept memory from it, and
    /// the time.
    #[serde(default)]
    pub too_small: Option<(Bytes, Nanos)>,
    /// What its guest used, and when it said so.
    pub used: Option<(Bytes, Nanos)>,
    /// Peak of a sudden rise of used memory, and the time.
    pub burst: Option<(Bytes, Nanos)>,
    /// Memory in use that the last step took, less what was given since.
    #[serde(default)]
    pub step: Option<(Nanos, Bytes)>,
    /// Its part in giving; nothing when a gate was closed.
    pub capacity: f64,
    /// Memory given that may not be used yet.
    #[serde(default)]
    pub promises: Promises,
}

/// The last size that was ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ordered {
    pub at: Nanos,
    pub from: Bytes,
    pub to: Bytes,
    /// When it last came nearer, and how near.
    pub progressed: Nanos,
    pub nearest: Bytes,
}

/// Another program moved its balloon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoodDown {
    pub at: Nanos,
    /// The first of moves of which none was forgiven.
    #[serde(default)]
    pub since: Nanos,
    pub from: Bytes,
    pub to: Bytes,
    /// It may have been the guest's own driver; its next statistics tell.
    #[serde(default)]
    pub open: bool,
}

impl Level {
    /// From what [`Self::word`] gives.
    pub fn of_word(word: &str) -> Option<Self> {
        [Self::Calm, Self::Soft, Self::Hard, Self::Low].into_iter().find(|one| one.word() == word)
    }

    pub const fn word(self) -> &'static str {
        match self {
            Self::Calm => "calm",
            Self::Soft => "soft",
            Self::Hard => "hard",
            Self::Low => "low",
        }
    }
}

impl Level {
    /// Of what is said for soft (and calm), hard and low.
    pub(super) fn pick<T>(self, [soft, hard, low]: [T; 3]) -> T {
        match self {
            Self::Calm | Self::Soft => soft,
            Self::Hard => hard,
            Self::Low => low,
        }
    }
}

impl PolicyState {
    pub(super) fn look(&mut self, at: Nanos, available: Option<Bytes>) {
        if let Some(available) = available {
            self.looks.push_back((at, available));
        }
        while self.looks.len() > LOOKS {
            self.looks.pop_front();
        }
    }

    pub(super) fn forget(&mut self, at: Nanos) {
        self.vms.retain(|_, vm| at.saturating_sub(vm.seen) < FORGET);
    }
}

impl VmState {
    /// The largest size at which its guest lately suffered; 0 without one.
    pub(super) fn was_too_small(&self, rules: &Rules, at: Nanos) -> Bytes {
        let recent = |(_, then): &(Bytes, Nanos)| at.saturating_sub(*then) < rules.too_small_lasts;
        self.too_small.filter(recent).map_or(Bytes(0), |(size, _)| size)
    }

    /// CPU time since its guest last began to boot.
    pub(super) fn since_boot(&self, cpu_time: Option<Nanos>) -> Option<Nanos> {
        Some(cpu_time?.saturating_sub(self.booted_from.unwrap_or_default()))
    }

    pub(super) fn size(&mut self, at: Nanos, actual: Bytes) {
        note(&mut self.sizes, at, actual);
    }

    /// Keeps the newest looks, and of older ones one per second.
    pub(super) fn keep(&mut self, at: Nanos, kept: Bytes) {
        let near = |(then, _): &(Nanos, Bytes)| at.saturating_sub(*then) < Nanos::SECOND;
        if self.kept.iter().rev().nth(1).is_some_and(near) {
            self.kept.pop_back();
        }
        note(&mut self.kept, at, kept);
    }

    /// How much it has grown since `then`, at least.
    pub(super) fn grown_since(&self, then: Nanos) -> Bytes {
        grown(&self.sizes, then)
    }

    /// How much more of it the host keeps than it did at `then`: touched since. Where `then`
    /// lies before the first look, since that one.
    pub(super) fn touched_since(&self, then: Nanos) -> Bytes {
        let first = self.kept.front().map_or(then, |(at, _)| *at);
        grown(&self.kept, then.max(first))
    }

    /// The largest size since `then`, counting the one that it had at `then`: statistics
    /// from that time are about one of those.
    pub(super) fn largest_since(&self, then: Nanos) -> Option<Bytes> {
        let mut largest = None;
        for &(at, size) in self.sizes.iter().rev() {
            largest = largest.max(Some(size));
            if at <= then {
                return largest;
            }
        }
        largest
    }
}

fn note(values: &mut VecDeque<(Nanos, Bytes)>, at: Nanos, value: Bytes) {
    values.push_back((at, value));
    while values.len() > SIZES {
        values.pop_front();
    }
}

fn grown(values: &VecDeque<(Nanos, Bytes)>, then: Nanos) -> Bytes {
    let Some(&(_, now)) = values.back() else { return Bytes(0) };
    let before = values.iter().rev().find(|(at, _)| *at <= then);
    before.map_or(Bytes(0), |(_, before)| now.saturating_sub(*before))
}

/// As a list, because keys of JSON are text.
mod pairs {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::VmState;
    use crate::sample::VmId;

    pub(super) fn serialize<S: Serializer>(
        map: &BTreeMap<VmId, VmState>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        map.iter().collect::<Vec<_>>().serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<VmId, VmState>, D::Error> {
        Ok(Vec::<(VmId, VmState)>::deserialize(deserializer)?.into_iter().collect())
    }
}
