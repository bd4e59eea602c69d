//! Decisions on this host, for the views: those of this memtrace, or those of another one that
//! mitigates here, which take precedence. Pure.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Entry, Fate, Mode, Reaction, Target, Targets, aim};
use crate::model::Snapshot;
use crate::order::Order;
use crate::policy::thought::Thought;
use crate::policy::{Action, Decision};
use crate::reactor::entry::{Begun, Followed, JournalledOrder};
use crate::sample::VmId;
use crate::units::WallNanos;

/// The decisions, if known.
#[derive(Clone, Debug)]
pub enum Decided {
    /// Nothing, for this reason.
    Not(Arc<str>),
    Report(Arc<Report>),
}

/// A reaction, and whose it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    pub author: Author,
    /// When it was thought.
    pub at: WallNanos,
    #[serde(flatten)]
    pub reaction: Reaction,
}

/// Who decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Author {
    /// This memtrace.
    Ourselves,
    /// The `memtrace mitigate` on this host, holder of the journal.
    Another {
        /// Process id.
        pid: Option<u32>,
    },
}

impl Decided {
    /// Writes the targets of VMs into `snapshot`, which isn't copied for nothing.
    pub fn aim(&self, snapshot: &mut Arc<Snapshot>) {
        let targets = self.report().map_or(&[][..], |report| &report.reaction.targets);
        let has_some = snapshot.vms.iter().any(|vm| vm.balloon_target.value.is_some());
        if has_some || !targets.is_empty() {
            aim(Arc::make_mut(snapshot), targets);
        }
    }

    pub fn report(&self) -> Option<&Report> {
        match self {
            Self::Not(_) => None,
            Self::Report(report) => Some(report),
        }
    }
}

impl Report {
    /// Of another memtrace, from its journal. `None` before it has noted anything.
    pub fn of_another(followed: &Followed) -> Option<Self> {
        let noted = followed.noted.as_ref()?;
        let mode = if noted.acting { Mode::Enforce } else { Mode::Observe };
        let entries = (0..).zip(&followed.orders).map(|(number, told)| entry(number, told));
        let entries: Vec<Entry> = entries.collect();
        Some(Self {
            author: Author::Another { pid: followed.pid },
            at: noted.at,
            reaction: Reaction {
                mode,
                decisions: noted.decisions.clone(),
                targets: targets_of(followed, &entries),
                entries,
                ..Reaction::default()
            },
        })
    }

    /// Thoughts about a VM, or about the host.
    pub fn thought(&self, vm: Option<VmId>) -> Option<&Thought> {
        self.reaction.decisions.thoughts.iter().find(|thought| thought.vm == vm)
    }

    /// What was decided for a VM in the newest step.
    pub fn decision(&self, vm: VmId) -> Option<&Decision> {
        self.reaction.decisions.actions.iter().find(|decision| decision.vm == vm)
    }
}

/// An order in another's journal.
fn entry(number: u64, told: &JournalledOrder) -> Entry {
    let JournalledOrder { begun, ended } = told;
    let Begun { at, order, rule, reason } = begun.clone();
    let Order { vm, name, action, .. } = order;
    let fate = match ended {
        None => Fate::InFlight,
        Some((_, Ok(()))) => Fate::Done,
        Some((_, Err(reason))) => Fate::Failed(reason.clone()),
    };
    Entry { number, wall: at, name, decision: Decision { vm, action, rule, reason }, fate }
}

/// Where VMs were sent of which memory is still held, and those that are on their way.
fn targets_of(followed: &Followed, entries: &[Entry]) -> Vec<Target> {
    let mut targets = Targets::default();
    for held in &followed.holdings {
        let sent = entries.iter().rev().find(|entry| {
            let Entry { decision, fate, .. } = entry;
            decision.vm == held.vm
                && matches!(decision.action, Action::Balloon { .. })
                && !matches!(fate, Fate::Failed(_))
        });
        let at = sent.map_or(WallNanos(0), |entry| entry.wall);
        match (held.now, sent) {
            (Some(to), _) => targets.set(at, held.vm, Action::Balloon { from: to, to }, true),
            (None, Some(Entry { decision, fate: Fate::InFlight, .. })) => {
                targets.set(at, held.vm, decision.action, true);
            }
            (None, _) => {}
        }
    }
    targets.all()
}
