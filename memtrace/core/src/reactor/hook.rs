//! Carries out the last escalation step: a message for the operator's hook.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Fate, Reactor};
use crate::model::Snapshot;
use crate::model::snapshot::VmView;
use crate::order::{Failure, Outcome};
use crate::policy::{Call, Decisions, Level};
use crate::sample::{VmId, VmLabels};
use crate::units::WallNanos;

/// The program that is notified of what the other escalation steps cannot free.
pub trait Hook: Send {
    /// Hands a message over, and returns at once.
    fn tell(&mut self, number: u64, message: &HookMessage);

    /// Outcomes of earlier lines, by number.
    fn ended(&mut self) -> Vec<Outcome>;
}

/// A message to the hook, with the names of the VMs in it.
#[derive(Clone, Debug, PartialEq)]
pub struct HookMessage {
    pub wall: WallNanos,
    pub host: Option<String>,
    pub state: Option<Level>,
    pub call: Call,
    /// Of the VMs in distress. Untrusted text.
    pub names: BTreeMap<VmId, String>,
    /// What their platforms and operators call them, where that is known.
    pub labels: BTreeMap<VmId, VmLabels>,
}

/// The last line to the hook, and its outcome.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Called {
    /// Counts up by one.
    pub number: u64,
    pub wall: WallNanos,
    pub call: Call,
    pub fate: Fate,
}

impl Reactor {
    /// Sets the hook that is notified when memtrace acts.
    #[must_use]
    pub fn telling(self, hook: Box<dyn Hook>) -> Self {
        Self { hook: Some(hook), ..self }
    }

    /// Notifies the hook, if that was decided and is in the ledger.
    pub(super) fn tell(&mut self, wall: WallNanos, decisions: &Decisions, snapshot: &Snapshot) {
        let Some(call) = &decisions.hook else { return };
        let number = self.called.as_ref().map_or(0, |called| called.number.saturating_add(1));
        let acts = self.is_acting();
        let fate = match (&mut self.hook, &self.problem) {
            _ if !acts => Fate::Observed,
            (None, _) => Fate::Failed(Failure::NoCommand),
            (_, Some(problem)) => Fate::Failed(Failure::NoJournal(problem.clone())),
            (Some(hook), None) => {
                hook.tell(number, &message(wall, decisions.state, call, snapshot));
                Fate::InFlight
            }
        };
        self.called = Some(Called { number, wall, call: call.clone(), fate });
    }

    /// Takes in the outcomes of earlier lines.
    pub(super) fn hear(&mut self) {
        let ended = self.hook.as_mut().map(|hook| hook.ended()).unwrap_or_default();
        for outcome in ended {
            if let Err(Failure::Reported(reason)) = &outcome.result {
                tracing::error!("the hook could not be called: {reason}");
            }
            if let Some(called) = self.called.as_mut().filter(|told| told.number == outcome.id) {
                called.fate = outcome.result.map_or_else(Fate::Failed, |()| Fate::Done);
            }
        }
    }
}

fn message(wall: WallNanos, state: Option<Level>, call: &Call, snapshot: &Snapshot) -> HookMessage {
    let suffers = |vm: &&VmView| call.suffering.iter().any(|suffering| suffering.vm == vm.id);
    let vms = || snapshot.vms.iter().filter(suffers);
    let labelled = vms().filter(|vm| !vm.labels.is_empty());
    HookMessage {
        wall,
        host: snapshot.host.hostname.clone(),
        state,
        call: call.clone(),
        names: vms().map(|vm| (vm.id, vm.name.clone())).collect(),
        labels: labelled.map(|vm| (vm.id, vm.labels.clone())).collect(),
    }
}
