//! `memtrace simulate`: runs scenarios or drawn hosts under policies, memtrace's by a configuration
//! where one is given, and prints the results; or replays a recording with another configuration.

pub(crate) mod args;
mod explain;
mod population;
mod recorded;
mod replay;
mod scenarios;

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;

use crate::command::simulate::args::SimulateArguments;
use crate::config;
use crate::sys::exit::{self, Misused};
use crate::sys::interrupt::Interrupted;
use crate::sys::output;
use memtrace_core::policy::{Memtrace, Policy, Rules};
use memtrace_core::sim::{Row, RunOutcome, Scenario, Table, peers, run};

/// The policy that scenarios expect something of, the one that does nothing, and the bound.
const OURS: &str = "memtrace";
const NOTHING: &str = "nothing";
const CLAIRVOYANT: &str = "clairvoyant";

/// # Errors
/// When there is no such scenario or policy, a file can't be read, or the simulation broke.
pub fn simulate(arguments: &SimulateArguments) -> Result<ExitCode> {
    let done = dispatch(arguments);
    match done.as_ref().map_err(|error| error.downcast_ref::<Interrupted>()) {
        Err(Some(interrupted)) => Ok(ExitCode::from(interrupted.code())),
        _ => done,
    }
}

fn dispatch(arguments: &SimulateArguments) -> Result<ExitCode> {
    if let Some(path) = &arguments.replay {
        replay::run(arguments, path)?;
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(path) = &arguments.from_recording {
        recorded::run(path)?;
        return Ok(ExitCode::SUCCESS);
    }
    let rules = rules(arguments.config.as_deref())?;
    if let Some(hosts) = arguments.population {
        population::run(arguments, hosts, &rules)?;
        return Ok(ExitCode::SUCCESS);
    }
    let scenarios = match arguments.population_host {
        Some(seed) => vec![population::host(seed, arguments.reporting)?],
        None => scenarios::scenarios(&arguments.scenarios)?,
    };
    let names = names(&arguments.policy, arguments.population_host.is_some())?;
    if let Some(text) = asked(arguments, &scenarios, &names, &rules)? {
        output::print(&text)?;
        return Ok(ExitCode::SUCCESS);
    }
    let table = table(&scenarios, &names, &rules)?;
    let text = if arguments.json {
        format!("{}\n", serde_json::to_string(&table)?)
    } else {
        let about = arguments.population_host.map(|seed| population::about(seed, &scenarios));
        format!("{}{table}", about.unwrap_or_default())
    };
    output::print(&text)?;
    let missed = table.rows.iter().any(|row| !row.missed.is_empty());
    Ok(if missed { ExitCode::from(exit::FAILED) } else { ExitCode::SUCCESS })
}

/// What is asked for that needs no run of all policies.
fn asked(
    arguments: &SimulateArguments,
    scenarios: &[Scenario],
    names: &[&str],
    rules: &Rules,
) -> Result<Option<String>> {
    if arguments.list {
        return Ok(Some(scenarios::list(scenarios, names)));
    }
    if arguments.show {
        return Ok(Some(scenarios::one(scenarios)?.to_toml()?));
    }
    match (&arguments.explain, arguments.at) {
        (Some(vm), Some(second)) => Ok(Some(explain::explain(scenarios, vm, second, rules)?)),
        _ => Ok(None),
    }
}

/// memtrace's own. A simulation is the same on every host, so that of this one counts only where it
/// is asked for.
fn rules(file: Option<&Path>) -> Result<Rules> {
    file.map_or_else(|| Ok(Rules::default()), |file| Ok(config::chosen(Some(file))?.rules))
}

/// Each as it begins, but for the bound.
fn policies(rules: &Rules) -> Vec<Box<dyn Policy>> {
    let mut policies = peers::all();
    policies.push(Box::new(Memtrace::new(rules.clone())));
    policies
}

/// The named ones for a scenario, as they begin, in the order of tables.
fn policies_for(
    scenario: &Scenario,
    names: &[&str],
    rules: &Rules,
) -> Result<Vec<Box<dyn Policy>>> {
    let mut policies = policies(rules);
    policies.retain(|policy| names.contains(&policy.name()));
    if names.contains(&CLAIRVOYANT) {
        policies.push(Box::new(peers::Clairvoyant::new(scenario)?));
    }
    Ok(policies)
}

/// All, if none is wanted by name; the bound only where it `bounds`.
fn names(wanted: &[String], bounds: bool) -> Result<Vec<&'static str>> {
    let known = policies(&Rules::default());
    let mut names: Vec<&'static str> = known.iter().map(|policy| policy.name()).collect();
    names.push(CLAIRVOYANT);
    if let Some(name) = wanted.iter().find(|name| !names.contains(&name.as_str())) {
        let known = names.join(", ");
        return Err(Misused(format!("unknown policy {name}; policies: {known}")).into());
    }
    names.retain(|name| match wanted {
        [] => bounds || *name != CLAIRVOYANT,
        _ => wanted.iter().any(|wanted| wanted == name),
    });
    Ok(names)
}

fn table(scenarios: &[Scenario], names: &[&str], rules: &Rules) -> Result<Table> {
    let mut table = Table::default();
    for scenario in scenarios {
        table.rows.extend(rows(scenario, names, rules)?);
    }
    Ok(table)
}

/// A scenario under each policy.
fn rows(scenario: &Scenario, names: &[&str], rules: &Rules) -> Result<Vec<Row>> {
    // Some expectations are relative to the run without a policy.
    let mut run_too = names.to_vec();
    if names.contains(&OURS) && !names.contains(&NOTHING) {
        run_too.push(NOTHING);
    }
    let mut nothing: Option<RunOutcome> = None;
    let mut rows = Vec::new();
    for mut policy in policies_for(scenario, &run_too, rules)? {
        let name = policy.name();
        let outcome = run(scenario, policy.as_mut())?;
        if name == NOTHING {
            nothing = Some(outcome);
        }
        let missed = match nothing {
            Some(nothing) if name == OURS => scenario.expect.missed(&outcome, &nothing),
            _ => Vec::new(),
        };
        if names.contains(&name) {
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
    fn an_unknown_policy_is_answered_with_the_known_ones() {
        let error = names(&["nonsense".into()], false).expect_err("there is none");
        assert!(error.to_string().contains("nothing, mom"), "{error}");
        assert!(error.downcast_ref::<Misused>().is_some());
    }

    #[test]
    fn the_bound_is_no_rule_among_others_unless_it_is_asked_for() {
        let has = |wanted: &[String], bounds| {
            names(wanted, bounds).expect("they are known").contains(&CLAIRVOYANT)
        };
        assert!(!has(&[], false) && has(&[], true) && has(&[CLAIRVOYANT.into()], false));
    }

    #[test]
    fn an_idle_host_gives_the_same_rows_for_all() {
        let idle = scenarios::scenarios(&["idle".into()]).expect("it is there");
        let wanted = ["nothing", "hypeman", "clairvoyant"].map(String::from);
        let names = names(&wanted, false).expect("they are there");
        let rows = rows(&idle[0], &names, &Rules::default()).expect("it runs");
        let policies: Vec<&str> = rows.iter().map(|row| row.policy.as_str()).collect();
        assert_eq!(policies, names);
        assert!(rows.iter().all(|row| row.outcome == rows[0].outcome));
    }
}
