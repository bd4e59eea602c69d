//! Trials of memtrace's integrations with the real programs that they are for: Prometheus,
//! Alertmanager, node_exporter, Zabbix' agent and server and the monitoring plugins, beside real
//! VMs under pressure. Everything is on addresses of this machine or in network namespaces of its
//! own.

use std::path::Path;
use std::time::Instant;

use anyhow::{Result, ensure};
use memtrace_lab::binary::{self, Profile};
use memtrace_lab::local::plan::Manager;
use memtrace_lab::local::{Lab, obstacle};
use memtrace_lab::outcome::Outcome;
use memtrace_lab::setup::programs::Program;
use memtrace_lab::setup::{self, Scope};
use memtrace_lab::{interrupt, progress};

mod advise;
mod alertmanager;
mod dashboard;
mod fleet;
mod http;
mod nagios;
mod network;
mod oom;
mod prometheus;
mod scene;
mod service;
mod textfile;
mod zabbix;

use scene::Scene;

#[derive(clap::Args)]
pub struct Arguments {}

/// What has to hold, for people; the programs that it takes; and how it is tried.
struct Trial {
    what: &'static str,
    programs: &'static [Program],
    run: fn(&mut Scene<'_>) -> Result<()>,
}

/// Those that want pressure come first; those after which a guest or a memtrace is gone, last.
const TRIALS: &[Trial] = &[
    Trial {
        what: "Prometheus scrapes three hosts, and refuses nothing that they tell",
        programs: &[Program::Prometheus],
        run: prometheus::scrapes,
    },
    Trial {
        what: "every query of the dashboard runs on Prometheus, and has data where it must",
        programs: &[Program::Prometheus],
        run: prometheus::dashboard,
    },
    Trial {
        what: "the alert rules are loaded, and well",
        programs: &[Program::Prometheus],
        run: prometheus::rules,
    },
    Trial {
        what: "fleet shows three hosts with their states",
        programs: &[Program::Prometheus],
        run: fleet::shows,
    },
    Trial {
        what: "fleet says of each host whether one more VM fits",
        programs: &[Program::Prometheus],
        run: fleet::fits,
    },
    Trial {
        what: "node_exporter serves what is written for it",
        programs: &[Program::NodeExporter],
        run: textfile::served,
    },
    Trial {
        what: "a check's line and exit code pass through negate",
        programs: &[Program::Negate],
        run: nagios::passed_on,
    },
    Trial {
        what: "Zabbix' agent discovers the VMs, and has a value for each item",
        programs: &[Program::ZabbixAgent, Program::ZabbixGet],
        run: zabbix::items,
    },
    Trial {
        what: "Zabbix' server takes both templates, and has a value for each of their items",
        programs: &[
            Program::ZabbixAgent,
            Program::ZabbixGet,
            Program::ZabbixServer,
            Program::ZabbixPages,
            Program::Php,
            Program::Initdb,
            Program::Postgres,
            Program::Psql,
        ],
        run: zabbix::collected,
    },
    Trial {
        what: "the rule of stalled VMs fires of a guest that stalls",
        programs: &[Program::Prometheus],
        run: prometheus::stalls,
    },
    Trial {
        what: "Alertmanager has an alert while a guest swaps, and no longer",
        programs: &[Program::Alertmanager],
        run: alertmanager::told,
    },
    Trial {
        what: "advice by Prometheus' history knows the guests, and that this is too little",
        programs: &[Program::Prometheus],
        run: advise::says_how_little,
    },
    Trial {
        what: "in Zabbix an item of a VM that is gone is unsupported, with the reason",
        programs: &[Program::ZabbixAgent, Program::ZabbixGet],
        run: zabbix::gone,
    },
    Trial {
        what: "a guest that the OOM killer took is counted when it is gone, and the rule tells of it",
        programs: &[Program::Prometheus],
        run: oom::counted,
    },
    Trial {
        what: "fleet says of a host whose memtrace was killed that it is unknown, and why",
        programs: &[Program::Prometheus],
        run: fleet::loses,
    },
];

/// Sets up, and tries.
///
/// # Errors
/// When something is missing, or a trial fails.
pub fn run(Arguments {}: &Arguments) -> Result<()> {
    interrupt::listen()?;
    let missing = setup::run(Scope::Lab)?;
    ensure!(missing.is_empty(), "there are no trials without what is missing");
    let outcome = all()?;
    for reason in &outcome.reasons {
        println!("skipped: {reason}");
    }
    println!("{} passed, {} skipped", outcome.passed, outcome.skipped);
    ensure!(outcome.failures.is_empty(), "failed:\n{}", outcome.failures.join("\n"));
    Ok(())
}

/// All trials, one after the other on one scene.
///
/// # Errors
/// When the scene can't be had; a trial that fails is in the outcome.
pub fn all() -> Result<Outcome> {
    if let Some(reason) = obstacle::to_lab(Manager::Plain) {
        return Ok(Outcome::skipped(reason));
    }
    let mut outcome = Outcome::default();
    let mut possible = Vec::new();
    for trial in TRIALS {
        match lacking(trial) {
            None => possible.push(trial),
            Some(why) => {
                interrupt::check()?;
                outcome.absorb(Outcome::skipped(format!("{}: {why}", trial.what)));
            }
        }
    }
    if possible.is_empty() {
        return Ok(outcome);
    }
    let memtrace = binary::build(Profile::Debug)?;
    if let Some(reason) = obstacle::to_memtrace(&memtrace)? {
        return Ok(Outcome::skipped(reason));
    }
    outcome.absorb(try_all(&possible, &memtrace)?);
    Ok(outcome)
}

/// Why it can't be tried here, if so.
fn lacking(trial: &Trial) -> Option<String> {
    trial.programs.iter().find_map(|program| program.obstacle())
}

fn try_all(trials: &[&Trial], memtrace: &Path) -> Result<Outcome> {
    let mut lab = Lab::up(Manager::Plain, &[])?;
    let mut scene = Scene::set(&mut lab, memtrace)?;
    let mut outcome = Outcome::default();
    for Trial { what, run, .. } in trials {
        interrupt::check()?;
        let begun = Instant::now();
        match run(&mut scene) {
            Ok(()) => {
                outcome.passed += 1;
                let seconds = begun.elapsed().as_secs_f64();
                progress::say(&format!("trial: {what}: {seconds:.1} s"));
            }
            Err(error) => {
                interrupt::check()?;
                outcome.failed += 1;
                outcome.failures.push(format!("{what}: {error:#}"));
                progress::say(&format!("trial: {what}: failed: {error:#}"));
            }
        }
    }
    drop(scene);
    lab.down()?;
    Ok(outcome)
}
