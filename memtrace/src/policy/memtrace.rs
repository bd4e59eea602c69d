//! memtrace's own policy: the pure step with what it remembers.

use super::Policy;
use super::decision::Decisions;
use super::observation::Observation;
use super::rules::Rules;
use super::state::State;
use super::step::step;
use crate::sample::VmId;

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Memtrace {
    pub rules: Rules,
    pub state: State,
}

impl Memtrace {
    pub fn new(rules: Rules) -> Self {
        Self { rules, state: State::default() }
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

    fn withdraw(&mut self, vm: VmId) {
        if let Some(memory) = self.state.vms.get_mut(&vm) {
            memory.order = None;
            memory.promise = None;
        }
    }
}
