//! Results of policies over many hosts, by class of host.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;

use super::class::{Class, needs_percent};
use super::score::{CLAIRVOYANT, NOTHING};
use crate::format::several;
use crate::sim::outcome::RunOutcome;
use crate::sim::scenario::Scenario;
use crate::sim::size::GIB;

/// So many of the worst hosts of a policy are named.
const NAMED: usize = 5;

/// A policy's run of a host.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Run {
    pub policy: String,
    pub outcome: RunOutcome,
}

/// A host and what policies made of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct HostResult {
    pub seed: u64,
    #[serde(flatten)]
    pub class: Class,
    pub memory_gib: f64,
    pub vms: usize,
    /// The guests' largest needs at one time, of what the host has for them.
    pub needs_percent: u64,
    pub runs: Vec<Run>,
}

impl HostResult {
    /// Before any run.
    pub fn of(seed: u64, scenario: &Scenario) -> Self {
        Self {
            seed,
            class: Class::of(scenario),
            memory_gib: scenario.host.memory.0.0 as f64 / GIB as f64,
            vms: scenario.vm.len(),
            needs_percent: needs_percent(scenario),
            runs: Vec::new(),
        }
    }
}

/// A policy over the hosts of a class. What compares with runs that weren't made is `None`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Line {
    pub policy: String,
    pub outcome: RunOutcome,
    pub work_percent: f64,
    /// Stall beyond the clairvoyant's: of the host in the middle, of the one that nine of ten
    /// are below, and of the worst.
    pub regret_seconds: Option<[f64; 3]>,
    /// Share of hosts on which no other rule is better.
    pub best_percent: Option<f64>,
    /// Share of hosts on which doing nothing is better, and by how many times at most.
    pub worse_percent: Option<f64>,
    pub worst_factor: Option<f64>,
    /// Share of hosts on which doing nothing is better and lets no more VMs be killed.
    pub harmed_percent: Option<f64>,
}

/// Hosts of a class; `None`: all.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Section {
    #[serde(flatten)]
    pub class: Option<Class>,
    pub hosts: usize,
    pub policies: Vec<Line>,
}

/// Where a policy did worst beside doing nothing.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Worst {
    pub policy: String,
    pub seed: u64,
    pub stall_seconds: f64,
    pub nothing_seconds: f64,
    /// VMs that are killed if nothing is done, and are not under the policy.
    pub vms_saved: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    pub sections: Vec<Section>,
    pub worst: Vec<Worst>,
}

impl Summary {
    pub fn of(hosts: &[HostResult]) -> Self {
        let classes: BTreeSet<Class> = hosts.iter().map(|host| host.class).collect();
        let mut sections: Vec<Section> = classes
            .into_iter()
            .map(|class| {
                let hosts: Vec<&HostResult> =
                    hosts.iter().filter(|host| host.class == class).collect();
                section(Some(class), &hosts)
            })
            .collect();
        sections.push(section(None, &hosts.iter().collect::<Vec<_>>()));
        Self { sections, worst: worst(hosts) }
    }
}

fn section(class: Option<Class>, hosts: &[&HostResult]) -> Section {
    let policies = policies(hosts.iter().copied());
    let policies = policies.iter().map(|policy| line(policy, hosts)).collect();
    Section { class, hosts: hosts.len(), policies }
}

/// In the order in which they ran.
fn policies<'a>(mut hosts: impl Iterator<Item = &'a HostResult>) -> Vec<String> {
    let first = hosts.next().map(|host| host.runs.iter().map(|run| run.policy.clone()).collect());
    first.unwrap_or_default()
}

fn line(policy: &str, hosts: &[&HostResult]) -> Line {
    let outcomes = hosts.iter().filter_map(|host| host.outcome(policy));
    let outcome = outcomes.fold(RunOutcome::default(), |sum, outcome| sum.and(outcome));
    let percent = |count: usize| count as f64 * 100.0 / hosts.len().max(1) as f64;
    let share = |of: fn(&HostResult, &str) -> Option<bool>| {
        let all: Option<Vec<bool>> = hosts.iter().map(|host| of(host, policy)).collect();
        all.map(|all| percent(all.iter().filter(|is| **is).count()))
    };
    Line {
        policy: policy.to_owned(),
        outcome,
        work_percent: outcome.work_percent(),
        regret_seconds: regret(policy, hosts),
        best_percent: share(HostResult::is_best),
        worse_percent: share(HostResult::is_worse),
        harmed_percent: share(HostResult::is_harmed),
        worst_factor: hosts.iter().filter_map(|host| host.factor(policy)).max_by(f64::total_cmp),
    }
}

fn regret(policy: &str, hosts: &[&HostResult]) -> Option<[f64; 3]> {
    let mut regret: Vec<f64> = hosts.iter().filter_map(|host| host.regret(policy)).collect();
    regret.sort_by(f64::total_cmp);
    let last = regret.len().checked_sub(1)?;
    Some([last / 2, last * 9 / 10, last].map(|at| regret[at]))
}

fn worst(hosts: &[HostResult]) -> Vec<Worst> {
    let mut worst = Vec::new();
    for policy in policies(hosts.iter()) {
        let mut worse: Vec<(f64, Worst)> =
            hosts.iter().filter_map(|host| worse_than_nothing(host, &policy)).collect();
        worse.sort_by(|(one, _), (other, _)| other.total_cmp(one));
        worst.extend(worse.into_iter().take(NAMED).map(|(_, worst)| worst));
    }
    worst
}

/// By how much, and what.
fn worse_than_nothing(host: &HostResult, policy: &str) -> Option<(f64, Worst)> {
    let (is, nothing) = (host.outcome(policy)?, host.outcome(NOTHING)?);
    let worst = Worst {
        policy: policy.to_owned(),
        seed: host.seed,
        stall_seconds: is.stall_seconds,
        nothing_seconds: nothing.stall_seconds,
        vms_saved: nothing.kills.saturating_sub(is.kills),
    };
    host.is_worse(policy)?.then_some((host.excess(policy)?, worst))
}

const HEADINGS: [&str; 14] = [
    "stall s",
    "swap-in GiB",
    "guest OOMs",
    "refused",
    "kills",
    "oscillations",
    "work %",
    "regret med",
    "p90",
    "worst",
    "best %",
    "worse %",
    "factor",
    "harmed %",
];

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for section in &self.sections {
            let name = section.class.map_or_else(|| "all".to_owned(), |class| class.to_string());
            writeln!(f, "{name}: {}", several(section.hosts as u64, "host"))?;
            write!(f, "  {:12}", "policy")?;
            HEADINGS.iter().try_for_each(|heading| write!(f, "{heading:>13}"))?;
            writeln!(f)?;
            for line in &section.policies {
                write!(f, "  {:12}", line.policy)?;
                cells(line).iter().try_for_each(|cell| write!(f, "{cell:>13}"))?;
                writeln!(f)?;
            }
            writeln!(f)?;
        }
        // Without that run nothing can be said.
        if self
            .sections
            .iter()
            .all(|of| of.policies.iter().all(|line| line.worse_percent.is_none()))
        {
            return Ok(());
        }
        writeln!(f, "hosts where doing nothing is better, the worst first:")?;
        if self.worst.is_empty() {
            writeln!(f, "  none")?;
        }
        self.worst.iter().try_for_each(|worst| {
            let Worst { policy, seed, stall_seconds, nothing_seconds, vms_saved } = worst;
            let saved = match vms_saved {
                0 => String::new(),
                saved => format!("; saves {}", several(*saved, "VM")),
            };
            writeln!(
                f,
                "  {policy:12} seed {seed}: {stall_seconds:.1} s, not {nothing_seconds:.1} s{saved}"
            )
        })
    }
}

fn cells(line: &Line) -> [String; HEADINGS.len()] {
    let RunOutcome { stall_seconds, swap_in_gib, guest_ooms, refused_allocations, kills, .. } =
        line.outcome;
    let [median, most, worst] = line.regret_seconds.map_or([None; 3], |regret| regret.map(Some));
    let known =
        |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.1}"));
    let rule = line.policy != CLAIRVOYANT;
    let best = line.best_percent.filter(|_| rule);
    [
        format!("{stall_seconds:.0}"),
        format!("{swap_in_gib:.0}"),
        guest_ooms.to_string(),
        refused_allocations.to_string(),
        kills.to_string(),
        line.outcome.oscillations.to_string(),
        format!("{:.2}", line.work_percent),
        known(median),
        known(most),
        known(worst),
        known(best),
        known(line.worse_percent),
        known(line.worst_factor),
        known(line.harmed_percent),
    ]
}
