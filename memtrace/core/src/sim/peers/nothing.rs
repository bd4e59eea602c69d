//! What most hosts do: nothing.

use crate::policy::{Decisions, Observation, Policy};

pub(super) struct Nothing;

impl Policy for Nothing {
    fn name(&self) -> &'static str {
        "nothing"
    }

    fn step(&mut self, _observation: &Observation) -> Decisions {
        Decisions::default()
    }
}
