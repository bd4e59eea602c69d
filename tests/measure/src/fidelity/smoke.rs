//! A short run with real guests, for the full test run: whether all of what `fidelity` measures
//! can be measured here.

use std::path::Path;

use anyhow::Result;
use memtrace_core::sim::Scenario;
use memtrace_lab::local::obstacle;
use memtrace_lab::local::plan::Manager;
use memtrace_lab::outcome::Outcome;

use crate::live::{self, LiveRun, Rule};

const SCENARIO: &str = include_str!("smoke.toml");

/// Runs it under `pi`, which needs no memtrace.
///
/// # Errors
/// When the lab fails, or the user interrupts.
pub fn smoke() -> Result<Outcome> {
    if let Some(reason) = obstacle::to_lab(Manager::Plain) {
        return Ok(Outcome::skipped(reason));
    }
    let scenario = Scenario::parse("smoke", SCENARIO)?;
    let run = live::run(&scenario, Rule::Pi, Path::new(""))?;
    let failures = failures(&run);
    let mut outcome = Outcome::of(failures.is_empty());
    outcome.failures = failures;
    Ok(outcome)
}

fn failures(run: &LiveRun) -> Vec<String> {
    if let Some(why) = &run.failed {
        return vec![why.clone()];
    }
    let [grows, asks] = run.guests.as_slice() else {
        return vec![format!("{} guests", run.guests.len())];
    };
    let checks = [
        ("a guest grows and reads files", grows.touched.is_some_and(|mib| mib > 100.0)),
        ("who is granted memory isn't refused", grows.refused == Some(0)),
        ("who asks for too much is refused once", asks.refused == Some(1)),
        ("waits for the host are known", run.sum(|guest| guest.waited).is_some()),
        ("waits within are known", run.sum(|guest| guest.waited_within).is_some()),
        ("guests' faults are known", run.count(|guest| guest.guest_faults).is_some()),
        ("swap is known", run.swapped_in.is_some()),
        ("sizes are known", has_sizes(run)),
    ];
    let wrong = checks.into_iter().filter(|(_, holds)| !holds);
    wrong.map(|(what, _)| format!("not so: {what}")).collect()
}

fn has_sizes(run: &LiveRun) -> bool {
    let mut guests = run.moments.iter().flat_map(|moment| &moment.guests);
    guests.any(|[size, ..]| size.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scenario_is_one_that_the_lab_can_run() {
        let scenario = Scenario::parse("smoke", SCENARIO).unwrap();
        assert!(live::plan::layout(&scenario).is_ok() && scenario.seconds <= 15);
    }

    #[test]
    fn a_run_without_numbers_fails() {
        let run = LiveRun::default();
        assert_eq!(failures(&run), ["0 guests"]);
        let guest = live::OfGuest::default();
        let run = LiveRun { guests: vec![guest.clone(), guest], ..run };
        assert_eq!(failures(&run).len(), 8);
        let failed = LiveRun { failed: Some("why".to_owned()), ..run };
        assert_eq!(failures(&failed), ["why"]);
    }
}
