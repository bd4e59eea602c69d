//! `memtrace simulate`: runs scenarios under policies, and prints the results; or replays a
//! recording with another configuration.

pub mod args;
mod explain;
mod replay;

use std::fmt::Write as _;
use std::process::ExitCode;

use anyhow::{Result, bail};

use crate::command::simulate::args::SimulateArguments;
use crate::sys::exit;
use crate::sys::output;
use memtrace_core::policy::{Memtrace, Policy};
use memtrace_core::sim::{Outcome, Row, Scenario, Table, catalogue, peers, run};

/// The policy that scenarios expect something of, and the one that does nothing.
const OURS: &str = "memtrace";
const NOTHING: &str = "nothing";

/// # Errors
/// When there is no such scenario or policy, or the simulation broke.
pub fn simulate(arguments: &SimulateArguments) -> Result<ExitCode> {
    if let Some(path) = &arguments.replay {
        replay::run(arguments, path)?;
        return Ok(ExitCode::SUCCESS);
    }
    let scenarios = scenarios(&arguments.scenarios)?;
    let names = names(&arguments.policy)?;
    if arguments.list {
        output::print(&list(&scenarios, &names))?;
        return Ok(ExitCode::SUCCESS);
    }
    if let (Some(vm), Some(second)) = (&arguments.explain, arguments.at) {
        output::print(&explain::explain(&scenarios, vm, second)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = Table::default();
    for scenario in &scenarios {
        table.rows.extend(rows(scenario, &names)?);
    }
    let text = if arguments.json {
        format!("{}\n", serde_json::to_string(&table)?)
    } else {
        table.to_string()
    };
    output::print(&text)?;
    let missed = table.rows.iter().any(|row| !row.missed.is_empty());
    Ok(if missed { ExitCode::from(exit::FAILED) } else { ExitCode::SUCCESS })
}

/// Each as it begins.
fn policies() -> Vec<Box<dyn Policy>> {
    let mut policies = peers::all();
    policies.push(Box::new(Memtrace::default()));
    policies
}

fn scenarios(wanted: &[String]) -> Result<Vec<Scenario>> {
    if let Some(name) = wanted.iter().find(|name| !catalogue::names().any(|known| known == *name)) {
        let known: Vec<&str> = catalogue::names().collect();
        bail!("unknown scenario {name}; scenarios: {}", known.join(", "));
    }
    let mut scenarios = catalogue::all()?;
    scenarios.retain(|scenario| wanted.is_empty() || wanted.contains(&scenario.name));
    Ok(scenarios)
}

fn names(wanted: &[String]) -> Result<Vec<&'static str>> {
    let mut names: Vec<&'static str> = policies().iter().map(|policy| policy.name()).collect();
    if let Some(name) = wanted.iter().find(|name| !names.contains(&name.as_str())) {
        bail!("unknown policy {name}; policies: {}", names.join(", "));
    }
    names.retain(|name| wanted.is_empty() || wanted.iter().any(|wanted| wanted == name));
    Ok(names)
}

fn list(scenarios: &[Scenario], names: &[&str]) -> String {
    let width = scenarios.iter().map(|scenario| scenario.name.len()).max().unwrap_or(0);
    let mut text = String::from("Scenarios:\n");
    for Scenario { name, about, .. } in scenarios {
        // Writing to a string can't fail.
        let _ = writeln!(text, "  {name:width$}  {about}");
    }
    let _ = writeln!(text, "\nPolicies:\n  {}", names.join(", "));
    text
}

/// A scenario under each policy.
fn rows(scenario: &Scenario, names: &[&str]) -> Result<Vec<Row>> {
    let mut nothing: Option<Outcome> = None;
    let mut rows = Vec::new();
    for mut policy in policies() {
        let name = policy.name();
        let shown = names.contains(&name);
        // Some expectations are relative to the run without a policy.
        let compared = name == NOTHING && names.contains(&OURS);
        if !(shown || compared) {
            continue;
        }
        let outcome = run(scenario, policy.as_mut())?;
        if name == NOTHING {
            nothing = Some(outcome);
        }
        let missed = match nothing {
            Some(nothing) if name == OURS => scenario.expect.missed(&outcome, &nothing),
            _ => Vec::new(),
        };
        if shown {
            let (scenario, policy) = (scenario.name.clone(), name.to_owned());
            rows.push(Row { scenario, policy, outcome, missed });
        }
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_exist_is_answered_with_what_does() {
        let error = scenarios(&["nonsense".into()]).expect_err("there is none").to_string();
        assert!(error.contains("idle, night-batch"), "{error}");
        let error = names(&["nonsense".into()]).expect_err("there is none").to_string();
        assert!(error.contains("nothing, mom"), "{error}");
    }

    #[test]
    fn the_list_names_scenarios_and_policies() {
        let text = list(&scenarios(&[]).expect("they are read"), &names(&[]).expect("all"));
        assert!(text.contains("  idle ") && text.contains("hypeman"), "{text}");
    }

    #[test]
    fn an_idle_host_gives_the_same_rows_for_all() {
        let idle = scenarios(&["idle".into()]).expect("it is there");
        let names = names(&["nothing".into(), "hypeman".into()]).expect("they are there");
        let rows = rows(&idle[0], &names).expect("it runs");
        let policies: Vec<&str> = rows.iter().map(|row| row.policy.as_str()).collect();
        assert_eq!(policies, names);
        assert_eq!(rows[0].outcome, rows[1].outcome);
    }
}
