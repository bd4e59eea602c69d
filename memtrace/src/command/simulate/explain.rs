//! `memtrace simulate SCENARIO --explain VM --at TIME`: explains memtrace's decision at that
//! second.

use anyhow::{Result, bail};

use super::scenarios;
use crate::sys::exit::Misused;
use memtrace_core::policy::{Memtrace, Rules, inputs};
use memtrace_core::sim::{Look, Scenario, watch};
use memtrace_view::export::reaction::explanation;
use memtrace_view::summary;

/// Stands for the host as a whole.
const HOST: &str = "host";

/// # Errors
/// When it isn't one scenario that is meant, or there is no such second or VM in it.
pub(super) fn explain(
    scenarios: &[Scenario],
    vm: &str,
    second: u64,
    rules: &Rules,
) -> Result<String> {
    let scenario = scenarios::one(scenarios)?;
    let Scenario { name, seconds, .. } = scenario;
    if !(1..=*seconds).contains(&second) {
        return Err(Misused(format!("seconds of {name} are 1 to {seconds}")).into());
    }
    let mut found = None;
    // Later seconds are not needed.
    let until = Scenario { seconds: second, ..scenario.clone() };
    watch(&until, &mut Memtrace::new(rules.clone()), |look| {
        if look.second == second {
            found = Some(told(look, vm));
        }
    })?;
    match found {
        Some(Ok(text)) => Ok(format!("{name}, second {second}: {text}")),
        Some(Err(names)) => {
            Err(Misused(format!("no VM {vm:?} at that time; VMs: {HOST}, {names}")).into())
        }
        None => bail!("{name} has no second {second}"),
    }
}

/// What was thought of it, or which VMs there are.
fn told(look: &Look<'_>, vm: &str) -> Result<String, String> {
    let mut decisions = look.decisions.clone();
    inputs::attach(&mut decisions, look.observation, look.snapshot);
    let known = look.sample.vms.iter().find(|known| known.name == vm).map(|known| known.id);
    if known.is_none() && vm != HOST {
        let names: Vec<&str> = look.sample.vms.iter().map(|vm| vm.name.as_str()).collect();
        return Err(names.join(", "));
    }
    let thought = decisions.thoughts.iter().find(|thought| thought.vm == known);
    let decision = decisions.actions.iter().find(|decision| Some(decision.vm) == known);
    let state = summary::state(decisions.state);
    Ok(format!("host state: {state}\n{}", explanation(vm, thought, decision)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use memtrace_core::sim::catalogue;

    fn text(vm: &str, second: u64) -> Result<String> {
        let scenarios = catalogue::all()?;
        let idle: Vec<Scenario> =
            scenarios.into_iter().filter(|scenario| scenario.name == "idle").collect();
        explain(&idle, vm, second, &Rules::default())
    }

    #[test]
    fn a_moment_is_explained_with_what_was_seen_then() {
        let text = text("guest-2", 20).expect("there is one");
        assert!(text.starts_with("idle, second 20: host state: calm\nguest-2\n"), "{text}");
        for part in ["RSS", "statistics", "decision: none"] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }

    #[test]
    fn the_host_is_explained_too() {
        let text = text("host", 20).expect("there is always one");
        assert!(text.contains("escalation steps"), "{text}");
    }

    #[test]
    fn what_is_not_there_is_answered_with_what_is() {
        let wrong = |vm, second| text(vm, second).expect_err("there is none").to_string();
        assert!(wrong("guest", 20).contains("host, guest-1, guest-2"));
        assert!(wrong("host", 0).contains("are 1 to 600"));
        let all = catalogue::all().expect("they are scenarios");
        assert!(explain(&all, "host", 1, &Rules::default()).is_err());
    }
}
