//! What to do about memory pressure: pure, deterministic, independent of the order of VMs.
//! It gets an [`Observation`] and what it remembered, and gives [`Decisions`], each with
//! its reasons. Must not know files, clocks, hypervisors, or who carries a decision out.

mod balloon_motion;
mod capabilities;
mod costs;
pub mod decision;
mod distress;
mod escalation;
mod floor;
mod gate;
mod give;
mod give_back;
mod guest_rates;
mod hook;
mod host;
pub mod inputs;
mod memtrace;
mod need;
pub mod observation;
mod observe;
mod promise;
pub mod reason;
mod receive;
pub mod reclaim_backoff;
pub mod rules;
mod scope;
pub mod state;
mod step;
mod taken;
#[cfg(test)]
mod tests;
pub mod thought;
mod tri_state;
mod undo;
mod update;
mod vm;
mod what_if;

pub use balloon_motion::{SAME, is_foreign};
pub use capabilities::Capabilities;
pub use decision::{Action, Call, Decision, Decisions};
pub use give_back::{AtExit, Short, at_exit};
pub use host::FAR;
pub use memtrace::Memtrace;
pub use observation::{GuestObservation, Observation, ScopeObservation, VmObservation};
pub use observe::{Observer, PINNED_SHARE};
pub use reason::{Ahead, GateKind, Reason, RuleId};
pub use rules::Rules;
pub use scope::{is_outside, shared};
pub use state::{Level, PolicyState};
pub use step::step;
pub use taken::Taken;

use crate::sample::VmId;
use crate::units::Bytes;

/// A rule for balloons: memtrace's own, or a peer's to compare it with.
pub trait Policy {
    /// Its name in tables.
    fn name(&self) -> &'static str;

    /// One step. Whatever it remembers, it keeps itself; nothing else goes in.
    fn step(&mut self, observation: &Observation) -> Decisions;

    /// What was last decided for a VM isn't carried out, so that its balloon isn't taken for
    /// stuck. Its cool-down goes on.
    fn withdraw(&mut self, _vm: VmId, _action: &Action) {}

    /// Goes by other rules from now on. What this host can measure stays as it is.
    fn change(&mut self, _: Rules) {}

    /// Whether what was taken from a VM that had `before` may still be given back: nobody
    /// else moved its balloon, and it did not start anew.
    fn holds(&self, _vm: VmId, _before: Bytes) -> bool {
        true
    }

    /// A step of the end: gives back what was taken, and takes nothing. A rule that keeps
    /// no account gives nothing.
    fn part(&mut self, _: &Observation, _taken: &[Taken]) -> AtExit {
        AtExit::default()
    }
}
