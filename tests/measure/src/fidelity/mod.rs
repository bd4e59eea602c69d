//! `cargo xtask fidelity`: whether the simulator is true. Hosts of the population, made small
//! enough for the lab (`scale`) and kept as scenario files, run with real guests under several
//! rules and in the simulator; then the two are compared.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context as _, Result, bail, ensure};
use memtrace_core::sim::{Scenario, population};
use memtrace_lab::binary::{self, Profile};
use memtrace_lab::local::obstacle;
use memtrace_lab::local::plan::Manager;
use memtrace_lab::setup::{self, Scope};
use memtrace_lab::{interrupt, paths, progress};
use serde::{Deserialize, Serialize};

use crate::live::{self, LiveRun, Rule};
use comparison::{Comparison, Row};

mod comparison;
mod page;
mod plot;
mod rank;
mod scale;
mod simulate;
mod smoke;

pub use smoke::smoke;

/// Rules that hosts run under unless others are named.
const RULES: [Rule; 3] = [Rule::Nothing, Rule::Pi, Rule::Memtrace];
/// Where the hosts are kept, below the workspace.
const HOSTS: &str = "tests/measure/hosts";
/// Where the real runs are kept that docs/simulator.md has, in short.
const RUNS: &str = "tests/measure/runs";

#[derive(clap::Args)]
pub struct Arguments {
    /// Hosts by name, as `host-4`; all that are kept if none is named
    #[arg(value_name = "HOST")]
    names: Vec<String>,
    /// The first so many of them alone
    #[arg(long, value_name = "N")]
    hosts: Option<usize>,
    /// Under these rules alone
    #[arg(long, value_enum, value_name = "RULE", value_delimiter = ',')]
    policy: Vec<Rule>,
    /// Run nothing: compare what was kept
    #[arg(long, conflicts_with = "anew")]
    again: bool,
    /// Run also what was kept of earlier runs
    #[arg(long)]
    anew: bool,
    /// Print a document in place of the table
    #[arg(long)]
    json: bool,
    /// Write docs/simulator.md and its pictures from what comes out, and keep the runs beside the
    /// sources
    #[arg(long)]
    write: bool,
    /// Print a host of the population, scaled for the lab, and run nothing
    #[arg(long, value_name = "SEED", conflicts_with_all = ["names", "write", "json"])]
    draw: Option<u64>,
}

/// Runs what isn't kept, and compares.
///
/// # Errors
/// When a host can't be run, or the user interrupts; what was run is kept.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    interrupt::listen()?;
    if let Some(seed) = arguments.draw {
        print!("{}", scale::scaled(&population::draw(seed)).to_toml()?);
        return Ok(ExitCode::SUCCESS);
    }
    let hosts = hosts(arguments)?;
    let rules = if arguments.policy.is_empty() { RULES.to_vec() } else { arguments.policy.clone() };
    ensure!(!rules.contains(&Rule::Looks), "the simulator has nobody who only looks");
    if !arguments.again {
        let missing = setup::run(Scope::Lab)?;
        ensure!(missing.is_empty(), "the lab can't run without what is missing");
    }
    let comparison = compare(&hosts, &rules, arguments)?;
    if arguments.json {
        println!("{}", serde_json::to_string(&comparison.document())?);
    } else {
        println!("{comparison}");
    }
    if arguments.write {
        page::write(&comparison)?;
    }
    Ok(if comparison.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A host and its file's text.
struct Host {
    scenario: Scenario,
    text: String,
}

fn hosts(arguments: &Arguments) -> Result<Vec<Host>> {
    let folder = paths::workspace().join(HOSTS);
    let mut files: Vec<PathBuf> = fs::read_dir(&folder)
        .with_context(|| format!("read {}", folder.display()))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|ending| ending == "toml"))
        .collect();
    files.sort();
    let mut hosts = Vec::new();
    for path in files {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let text = fs::read_to_string(&path)?;
        let scenario = Scenario::parse(&name, &text)?;
        if arguments.names.is_empty() || arguments.names.contains(&name) {
            hosts.push(Host { scenario, text });
        }
    }
    let unknown =
        arguments.names.iter().find(|name| hosts.iter().all(|host| host.scenario.name != **name));
    if let Some(name) = unknown {
        bail!("no host {name} in {}", folder.display());
    }
    hosts.truncate(arguments.hosts.unwrap_or(hosts.len()));
    Ok(hosts)
}

fn compare(hosts: &[Host], rules: &[Rule], arguments: &Arguments) -> Result<Comparison> {
    let mut runner = Runner { memtrace: None, arguments };
    let all = hosts.len() * rules.len();
    let mut rows = Vec::new();
    let mut number = 0;
    let begun = Instant::now();
    for host in hosts {
        for rule in rules {
            let name = &host.scenario.name;
            number += 1;
            let minutes = begun.elapsed().as_secs() / 60;
            progress::say(&format!("{number} of {all}, {minutes} min: {name}, {}", rule.name()));
            let Some(real) = runner.real(host, *rule)? else {
                progress::say(&format!(
                    "{name} under {} was not kept, and is left out",
                    rule.name()
                ));
                continue;
            };
            if arguments.write {
                keep(host, *rule, &real)?;
            }
            let (outcome, faults) = simulate::simulate(&host.scenario, *rule)?;
            rows.push(Row::new(&host.scenario, *rule, (&outcome, faults), &real));
        }
    }
    Ok(Comparison { rows })
}

/// A run that was kept, and of what: a file that has changed is run anew.
#[derive(Serialize, Deserialize)]
struct Kept {
    text: String,
    run: LiveRun,
}

impl Kept {
    fn of(self, host: &Host) -> Option<LiveRun> {
        (self.text == host.text && self.run.failed.is_none()).then_some(self.run)
    }

    fn write(&self, path: &Path) -> Result<()> {
        fs::create_dir_all(path.parent().unwrap_or(path))?;
        fs::write(path, serde_json::to_string(self)?).context("keep the run")
    }
}

/// Keeps what the page has of a run, without what happened in each second.
fn keep(host: &Host, rule: Rule, run: &LiveRun) -> Result<()> {
    if run.failed.is_some() {
        return Ok(());
    }
    let kept = Kept { text: host.text.clone(), run: run.in_short() };
    kept.write(&paths::workspace().join(RUNS).join(file(host, rule)))
}

struct Runner<'a> {
    /// Built once it is needed.
    memtrace: Option<PathBuf>,
    arguments: &'a Arguments,
}

impl Runner<'_> {
    /// A run of now or of earlier; `None`: of earlier alone, and there is none.
    fn real(&mut self, host: &Host, rule: Rule) -> Result<Option<LiveRun>> {
        let path = paths::target().join("lab/fidelity").join(file(host, rule));
        if !self.arguments.anew {
            for path in [&path, &paths::workspace().join(RUNS).join(file(host, rule))] {
                if let Some(run) = read(path)?.and_then(|kept| kept.of(host)) {
                    return Ok(Some(run));
                }
            }
        }
        if self.arguments.again {
            return Ok(None);
        }
        let (name, rule_name) = (&host.scenario.name, rule.name());
        if let Some(reason) = obstacle::to_lab(Manager::Plain) {
            bail!(reason);
        }
        // The others need none.
        let memtrace = if rule == Rule::Memtrace { self.memtrace()? } else { PathBuf::new() };
        let run = live::run(&host.scenario, rule, &memtrace)?;
        if let Some(why) = &run.failed {
            progress::say(&format!("{name} under {rule_name} failed: {why}"));
        }
        let kept = Kept { text: host.text.clone(), run };
        kept.write(&path)?;
        Ok(Some(kept.run))
    }

    /// memtrace, built, where this machine lets it and the lab's guests run.
    fn memtrace(&mut self) -> Result<PathBuf> {
        if let Some(path) = &self.memtrace {
            return Ok(path.clone());
        }
        let path = binary::build(Profile::Release)?;
        if let Some(reason) = obstacle::to_memtrace(&path)? {
            bail!(reason);
        }
        self.memtrace = Some(path.clone());
        Ok(path)
    }
}

fn file(host: &Host, rule: Rule) -> String {
    format!("{}-{}.json", host.scenario.name, rule.name())
}

/// A run that can't be read is run again.
fn read(path: &Path) -> Result<Option<Kept>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(serde_json::from_str(&text).ok()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("read {}", path.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_of_a_run_is_used_as_long_as_its_host_is_the_same() {
        let host = |text: &str| Host { scenario: Scenario::default(), text: text.to_owned() };
        let run = LiveRun { swapped_in: Some(3.0), ..LiveRun::default() };
        let kept = |run: &LiveRun| Kept { text: "a".to_owned(), run: run.in_short() };
        assert_eq!(kept(&run).of(&host("a")), Some(run.clone()));
        assert_eq!(kept(&run).of(&host("b")), None);
        let failed = LiveRun { failed: Some("no guest".to_owned()), ..run };
        assert_eq!(kept(&failed).of(&host("a")), None);
    }

    #[test]
    fn the_kept_hosts_are_scenarios_that_the_lab_can_run() {
        let folder = paths::workspace().join(HOSTS);
        let mut count = 0;
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            let scenario = Scenario::parse(&name, &fs::read_to_string(&path).unwrap()).unwrap();
            live::plan::layout(&scenario).unwrap();
            assert!((90..=150).contains(&scenario.seconds), "{name}");
            simulate::simulate(&Scenario { seconds: 5, ..scenario }, Rule::Memtrace).unwrap();
            count += 1;
        }
        assert!(count >= 12, "only {count} hosts");
    }
}
