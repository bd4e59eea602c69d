//! The last rung, carried out: a line of JSON for whoever listens.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Fate, Reactor};
use crate::model::Snapshot;
use crate::order::Outcome;
use crate::policy::{Call, Decisions};
use crate::sample::VmId;
use crate::units::WallNanos;

/// Somebody who is told what the other rungs can't win back.
pub trait Hook: Send {
    /// Hands a line over, and returns at once.
    fn tell(&mut self, number: u64, line: String);

    /// What came of those before, by number.
    fn ended(&mut self) -> Vec<Outcome>;
}

/// What the hook was told last, and what became of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Called {
    /// Counts up by one.
    pub number: u64,
    pub wall: WallNanos,
    pub call: Call,
    pub fate: Fate,
}

impl Reactor {
    /// Tells this one what the other rungs can't win back, when it acts.
    #[must_use]
    pub fn telling(self, hook: Box<dyn Hook>) -> Self {
        Self { hook: Some(hook), ..self }
    }

    /// Tells it, if that was decided and is in the ledger.
    pub(super) fn tell(&mut self, wall: WallNanos, decisions: &Decisions, snapshot: &Snapshot) {
        let Some(call) = &decisions.hook else { return };
        let number = self.called.as_ref().map_or(0, |called| called.number.saturating_add(1));
        let acts = self.is_acting();
        let fate = match (&mut self.hook, &self.problem) {
            _ if !acts => Fate::Observed,
            (None, _) => Fate::Failed("there is no command".to_owned()),
            (_, Some(problem)) => {
                Fate::Failed(format!("not told, because the journal can't be written: {problem}"))
            }
            (Some(hook), None) => {
                let state = decisions.state.as_deref();
                hook.tell(number, line(wall, state, call, snapshot).to_string());
                Fate::InFlight
            }
        };
        self.called = Some(Called { number, wall, call: call.clone(), fate });
    }

    /// Takes in what came of earlier lines.
    pub(super) fn hear(&mut self) {
        let ended = self.hook.as_mut().map(|hook| hook.ended()).unwrap_or_default();
        for outcome in ended {
            if let Err(reason) = &outcome.result {
                tracing::error!("the hook could not be told: {reason}");
            }
            if let Some(called) = self.called.as_mut().filter(|told| told.number == outcome.id) {
                called.fate = outcome.result.map_or_else(Fate::Failed, |()| Fate::Done);
            }
        }
    }
}

/// Amounts in bytes, times in seconds and RFC 3339.
fn line(wall: WallNanos, state: Option<&str>, call: &Call, snapshot: &Snapshot) -> Value {
    let name = |id: VmId| {
        let vm = snapshot.vms.iter().find(|vm| vm.id == id);
        vm.map(|vm| vm.name.clone())
    };
    let suffering = call.suffering.iter().map(|suffering| {
        let id = suffering.vm.to_string();
        json!({ "vm": name(suffering.vm), "vm_id": id, "from": suffering.from })
    });
    let time = Timestamp::from_nanosecond(i128::from(wall.0)).ok();
    json!({
        "time": time.map(|time| time.to_string()),
        "host": snapshot.host.hostname,
        "state": state,
        "need": call.need.0,
        "missing": call.missing.0,
        "balloons": call.balloons.0,
        "reclaim": call.reclaim.0,
        "seconds": call.lasts.seconds(),
        "suffering": suffering.collect::<Vec<Value>>(),
        "text": call.because,
    })
}
