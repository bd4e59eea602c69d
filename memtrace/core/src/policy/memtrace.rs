//! memtrace's own policy: the pure step with what it remembers.

use super::Policy;
use super::decision::{Action, Decisions};
use super::observation::Observation;
use super::rules::Rules;
use super::state::PolicyState;
use super::step::step;
use super::taken::Taken;
use crate::policy::give_back::{AtExit, at_exit};
use crate::sample::VmId;
use crate::units::{Bytes, Nanos};

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Memtrace {
    pub rules: Rules,
    pub state: PolicyState,
}

impl Memtrace {
    pub fn new(rules: Rules) -> Self {
        Self { rules, state: PolicyState::default() }
    }

    /// One that starts at this moment, after another one took this.
    pub fn resume(rules: Rules, at: Nanos, taken: &[Taken]) -> Self {
        Self { rules, state: PolicyState::resume(at, taken) }
    }
}

impl Policy for Memtrace {
    fn name(&self) -> &'static str {
        "memtrace"
    }

    fn step(&mut self, observation: &Observation) -> Decisions {
        let (state, decisions) = step(&self.rules, std::mem::take(&mut self.state), observation);
        self.state = state;
        decisions
    }

    fn withdraw(&mut self, vm: VmId, action: &Action) {
        let Some(memory) = self.state.vms.get_mut(&vm) else { return };
        let &Action::Balloon { from, to } = action else { return };
        // Another order may have taken its place.
        if memory.order.is_some_and(|order| (order.from, order.to) == (from, to)) {
            memory.order = None;
            memory.promises.take_back(to.saturating_sub(from));
        }
    }

    fn change(&mut self, rules: Rules) {
        self.rules = Rules { capabilities: self.rules.capabilities, ..rules };
    }

    fn holds(&self, vm: VmId, before: Bytes) -> bool {
        self.state.holds(vm, before)
    }

    fn part(&mut self, observation: &Observation, taken: &[Taken]) -> AtExit {
        let state = std::mem::take(&mut self.state);
        let (state, given_back) = at_exit(&self.rules, state, observation, taken);
        self.state = state;
        given_back
    }
}
