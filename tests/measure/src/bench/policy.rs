//! docs/policy.md: memtrace's policy beside those of others on the simulated host. Nothing in
//! it is random, so that the page is the same on every machine.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use memtrace_core::sim::RunOutcome;
use memtrace_lab::{child, paths, progress};
use serde::Deserialize;

use super::table::Table;

/// Where the page is, from the workspace's root.
pub const PAGE: &str = "docs/policy.md";

const OURS: &str = "memtrace";
const INTRODUCTION: &str = include_str!("notes/policy.md");
const PEERS: &str = include_str!("notes/peers.md");
/// Scenarios in which memtrace isn't first, and why. A new one has to be told here.
const REASONS: [(&str, &str); 1] = [(
    "services-start",
    "The newcomer takes 512 MiB a second, more than balloons give, and memtrace leaves it alone \
     while it boots: half a second of waiting. hypeman has none, with 124 orders instead of 6. \
     Without that gate one of memtrace's guests runs out of memory here.",
)];

#[derive(Deserialize)]
struct Document {
    rows: Vec<Row>,
}

#[derive(Clone, Deserialize)]
struct Row {
    scenario: String,
    policy: String,
    outcome: RunOutcome,
    missed: Vec<String>,
}

/// The whole page.
///
/// # Errors
/// When memtrace can't be built or run.
pub fn page() -> Result<String> {
    let rows = simulate()?;
    let mut page = format!("# memtrace's policy beside others\n\n{INTRODUCTION}\n");
    let _ = write!(page, "## Aims\n\n{}", aims(&rows).render());
    for missed in rows.iter().flat_map(|row| &row.missed) {
        let _ = writeln!(page, "\nMissed: {missed}.");
    }
    let _ = write!(page, "\n## All scenarios together\n\n{}", table(&sums(&rows)).render());
    let _ = write!(page, "\n## The others\n\n{PEERS}");
    for scenario in rows.chunk_by(|one, other| one.scenario == other.scenario) {
        let Some(Row { scenario: name, .. }) = scenario.first() else { continue };
        let _ = write!(page, "\n## {name}\n\n{}\n\n{}", about(name)?, table(scenario).render());
        if !is_first(scenario) {
            let stated = REASONS.iter().find(|(scenario, _)| scenario == name);
            let reason =
                stated.map_or_else(|| better(scenario), |(_, reason)| (*reason).to_owned());
            let _ = writeln!(page, "\n{reason}");
        }
    }
    Ok(page)
}

/// Which other rule stalls less in a scenario.
fn better(scenario: &[Row]) -> String {
    let stall = |row: &&Row| row.outcome.stall_seconds;
    let ours = scenario.iter().filter(|row| row.policy == OURS).map(|row| stall(&row)).sum::<f64>();
    let best = scenario.iter().min_by(|one, other| stall(one).total_cmp(&stall(other)));
    best.map_or_else(String::new, |best| {
        format!("{} stalls less here: {:.1} s, {OURS} {ours:.1} s.", best.policy, stall(&best))
    })
}

fn simulate() -> Result<Vec<Row>> {
    progress::say("building memtrace ...");
    let mut cargo = Command::new("cargo");
    cargo.current_dir(paths::workspace()).args(["build", "--release", "--locked", "--quiet"]);
    ensure!(child::status(cargo.args(["--package", "memtrace"]))?.success(), "the build failed");
    let program = paths::target().join("release/memtrace");
    let output = Command::new(program).args(["simulate", "--json"]).output()?;
    let text = String::from_utf8(output.stdout).context("memtrace simulate --json")?;
    // It fails where an expectation is missed, and has printed everything then.
    let document: Document = serde_json::from_str(&text).context("memtrace simulate --json")?;
    Ok(document.rows)
}

/// What a scenario is about, in its own words.
fn about(name: &str) -> Result<String> {
    let path = paths::workspace().join(format!("memtrace/core/src/sim/scenarios/{name}.toml"));
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let line = text.lines().find_map(|line| line.strip_prefix("about = \""));
    let about = line.and_then(|line| line.strip_suffix('"'));
    Ok(about.with_context(|| format!("{name} isn't about anything"))?.to_owned())
}

fn table(rows: &[Row]) -> Table {
    let head = [
        "policy",
        "stall s",
        "swap-in GiB",
        "guest OOMs",
        "kills",
        "relief s",
        "oscillations",
        "needless GiB s",
        "bad orders",
    ];
    let mut table = Table::new(1, &head);
    for Row { policy, outcome, .. } in rows {
        table.row([
            policy.clone(),
            format!("{:.1}", outcome.stall_seconds),
            format!("{:.2}", outcome.swap_in_gib),
            outcome.guest_ooms.to_string(),
            outcome.kills.to_string(),
            outcome.relief_seconds.to_string(),
            outcome.oscillations.to_string(),
            format!("{:.0}", outcome.needless_gib_seconds),
            outcome.breaches.to_string(),
        ]);
    }
    table
}

/// Each policy over all scenarios: sums, and the longest relief.
fn sums(rows: &[Row]) -> Vec<Row> {
    let mut sums: Vec<Row> = Vec::new();
    for row in rows {
        match sums.iter_mut().find(|sum| sum.policy == row.policy) {
            Some(sum) => sum.outcome = sum.outcome.and(&row.outcome),
            None => sums.push(row.clone()),
        }
    }
    sums
}

/// No other policy stalls less than memtrace, as far as the page shows.
fn is_first(scenario: &[Row]) -> bool {
    let shown = |row: &Row| (row.outcome.stall_seconds * 10.0).round();
    let ours = scenario.iter().filter(|row| row.policy == OURS).map(shown).fold(0.0, f64::max);
    scenario.iter().all(|row| ours <= shown(row))
}

fn aims(rows: &[Row]) -> Table {
    let mut by_scenario: BTreeMap<&str, Vec<Row>> = BTreeMap::new();
    for row in rows {
        by_scenario.entry(&row.scenario).or_default().push(row.clone());
    }
    let first = by_scenario.values().filter(|rows| is_first(rows)).count();
    let sums = sums(rows);
    let (ours, others): (Vec<&Row>, Vec<&Row>) = sums.iter().partition(|row| row.policy == OURS);
    let stall = ours.iter().map(|row| row.outcome.stall_seconds).sum::<f64>();
    let best = others
        .into_iter()
        .min_by(|a, b| a.outcome.stall_seconds.total_cmp(&b.outcome.stall_seconds));
    let times = best.map_or(0.0, |best| best.outcome.stall_seconds / stall.max(0.1));
    let best = best.map_or("none", |best| best.policy.as_str());
    let ooms = ours.iter().map(|row| row.outcome.guest_ooms + row.outcome.kills).sum::<u64>();
    let turns = ours.iter().map(|row| row.outcome.oscillations).sum::<u64>();
    let missed = rows.iter().map(|row| row.missed.len()).sum::<usize>();
    let all = by_scenario.len();
    let mut table = Table::new(2, &["aim", "found", "verdict"]);
    for (aim, found, holds) in [
        ("the least stall in every scenario", format!("in {first} of {all}"), first == all),
        (
            "a tenth of the stall of the best of the others, on the whole",
            format!("{times:.1} times less than {best}"),
            times >= 10.0,
        ),
        ("no guest runs out of memory, no VM is killed", ooms.to_string(), ooms == 0),
        ("no balloon goes to and fro within two minutes", turns.to_string(), turns == 0),
        ("every scenario's own expectations", format!("{missed} missed"), missed == 0),
    ] {
        let verdict = if holds { "holds" } else { "**missed**" };
        table.row([aim.to_owned(), found, verdict.to_owned()]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(scenario: &str, policy: &str, stall_seconds: f64) -> Row {
        Row {
            scenario: scenario.to_owned(),
            policy: policy.to_owned(),
            outcome: RunOutcome {
                stall_seconds,
                relief_seconds: 3,
                oscillations: 1,
                ..RunOutcome::default()
            },
            missed: Vec::new(),
        }
    }

    #[test]
    fn aims_are_held_against_the_best_of_the_others() {
        let rows =
            [row("a", "pi", 90.0), row("a", OURS, 0.0), row("b", "pi", 10.0), row("b", OURS, 20.0)];
        let text = aims(&rows).render();
        assert!(text.contains("in 1 of 2") && text.contains("5.0 times less than pi"), "{text}");
        assert_eq!(text.matches("missed**").count(), 3, "{text}");
        assert!(text.contains("0 missed"), "{text}");
    }

    #[test]
    fn every_scenario_tells_what_it_is_about() {
        assert!(about("idle").expect("it does").starts_with("Plenty of memory"));
        assert!(about("nonsense").is_err());
    }

    #[test]
    fn sums_keep_the_longest_relief() {
        let sums = sums(&[row("a", "pi", 1.0), row("b", "pi", 2.0)]);
        assert_eq!(
            (sums.len(), sums[0].outcome.stall_seconds, sums[0].outcome.relief_seconds),
            (1, 3.0, 3)
        );
    }
}
