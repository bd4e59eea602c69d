//! The class of a host, from its scenario alone.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::sim::guest::Guest;
use crate::sim::host::guests;
use crate::sim::scenario::{BalloonKind, Event, Scenario, StatisticsKind};

/// Needs up to this share of the memory for guests (per cent) fit easily.
const EASILY: u64 = 85;
/// Needs are looked at each so many seconds.
const EVERY: usize = 2;

/// Whether what the guests need at any one time (hot, cold and cached again and again) fits
/// into what the host has for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fit {
    /// In 85 % of it.
    Easily,
    Barely,
    Not,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Class {
    pub fit: Fit,
    /// All balloons move, all guests tell, nothing is pinned or migrates, libvirt answers.
    pub cooperative: bool,
}

impl Class {
    pub fn of(scenario: &Scenario) -> Self {
        let fit = match needs_percent(scenario) {
            needs if needs <= EASILY => Fit::Easily,
            needs if needs <= 100 => Fit::Barely,
            _ => Fit::Not,
        };
        Self { fit, cooperative: is_cooperative(scenario) }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fit = match self.fit {
            Fit::Easily => "fits easily",
            Fit::Barely => "fits barely",
            Fit::Not => "does not fit",
        };
        let all =
            if self.cooperative { "all guests cooperate" } else { "not all guests cooperate" };
        write!(f, "{fit}, {all}")
    }
}

/// The guests' largest needs at one time, of what the host has for them.
pub(super) fn needs_percent(scenario: &Scenario) -> u64 {
    let host = &scenario.host;
    let room = host.memory.pages().saturating_sub(host.reserved.pages() + host.cache.pages() / 4);
    let guests = guests(scenario);
    let needs = (1..=scenario.seconds).step_by(EVERY).map(|second| needs(&guests, second));
    needs.max().unwrap_or(0).saturating_mul(100).div_ceil(room.max(1))
}

fn needs(guests: &[Guest], second: u64) -> u64 {
    let running = guests.iter().filter(|guest| guest.runs(second));
    running.map(|guest| guest.needs(second)).sum()
}

fn is_cooperative(scenario: &Scenario) -> bool {
    let troubled = |event: &Event| !matches!(event, Event::SetMemory { .. });
    !scenario.event.iter().any(troubled)
        && scenario.vm.iter().all(|vm| {
            vm.balloon == BalloonKind::Working
                && vm.statistics == StatisticsKind::Honest
                && !vm.pinned
                && vm.migrates.is_none()
        })
}
