//! Compares one run of a host with the other runs of the same host.

use super::summary::HostResult;
use crate::sim::outcome::RunOutcome;

pub(super) const NOTHING: &str = "nothing";
pub(super) const CLAIRVOYANT: &str = "clairvoyant";

/// A stall that exceeds another's by this share and this many seconds is worse; less is a tie.
const SHARE: f64 = 0.05;
const SECONDS: f64 = 1.0;

impl HostResult {
    pub(super) fn outcome(&self, policy: &str) -> Option<&RunOutcome> {
        self.runs.iter().find(|run| run.policy == policy).map(|run| &run.outcome)
    }

    /// Seconds of stall beyond the clairvoyant's.
    pub(super) fn regret(&self, policy: &str) -> Option<f64> {
        let bound = self.outcome(CLAIRVOYANT)?;
        Some(self.outcome(policy)?.stall_seconds - bound.stall_seconds)
    }

    /// Seconds of stall beyond those without any policy.
    pub(super) fn excess(&self, policy: &str) -> Option<f64> {
        let nothing = self.outcome(NOTHING)?;
        Some(self.outcome(policy)?.stall_seconds - nothing.stall_seconds)
    }

    /// Whether it would have been better to do nothing.
    pub(super) fn is_worse(&self, policy: &str) -> Option<bool> {
        Some(is_worse(self.outcome(policy)?, self.outcome(NOTHING)?))
    }

    /// The same, where the policy saved no VM. One that is killed frees memory for the others, who
    /// may stall less than if it were kept.
    pub(super) fn is_harmed(&self, policy: &str) -> Option<bool> {
        let saves = self.outcome(NOTHING)?.kills > self.outcome(policy)?.kills;
        Some(self.is_worse(policy)? && !saves)
    }

    /// How many times the stall without any policy, where it is worse.
    pub(super) fn factor(&self, policy: &str) -> Option<f64> {
        let (outcome, nothing) = (self.outcome(policy)?, self.outcome(NOTHING)?);
        let worse = is_worse(outcome, nothing);
        worse.then(|| outcome.stall_seconds / nothing.stall_seconds.max(SECONDS))
    }

    /// Whether no other rule is better; the clairvoyant is none. `None`: no other ran.
    pub(super) fn is_best(&self, policy: &str) -> Option<bool> {
        let outcome = self.outcome(policy)?;
        let rule = |name: &str| name != CLAIRVOYANT && name != policy;
        let mut others = self.runs.iter().filter(|run| rule(&run.policy)).peekable();
        others.peek()?;
        Some(others.all(|run| !is_worse(outcome, &run.outcome)))
    }
}

fn is_worse(outcome: &RunOutcome, other: &RunOutcome) -> bool {
    let more = outcome.stall_seconds - other.stall_seconds;
    more > other.stall_seconds * SHARE && more > SECONDS
}
