//! docs/attribution.md: for each scenario, signal and kernel how far memtrace was from the
//! kernel's own counter. The text is made here, of what the kernels' reports amount to.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use memtrace_core::accuracy::table::{Row, Rule, Table, Verdict};
use memtrace_core::signal::Quality;
use memtrace_lab::paths;
use memtrace_lab::vm::report::{Scenario, ScenarioState, sentence};
use memtrace_lab_host::scenario;

use super::kept::Kept;

/// What stands above the tables.
const INTRODUCTION: &str = "# Accuracy of memtrace's numbers

Written by `cargo xtask vm --all --write`, which boots each kernel in a VM with real guests
inside and lays memtrace's numbers beside the kernel's own; with single kernels in place of
`--all` only theirs are made anew. `cargo xtask vm 6.12 --test max`
shows one scenario on one kernel, with the numbers themselves, and
`--test programs` runs the tests of the eBPF programs (tests/tests/kernel) on it.

`exact` and `approximate` are what memtrace itself said of the number while it showed it;
behind it stands how far it was from the kernel's counter, of several guests and counters
the farthest. `WRONG` is an exact number beyond its bound, and a bug. `absent`: memtrace
says itself that it has no such number here. `not compared`: it has, and the kernel
doesn't. `-`: there was nothing to count.
";

/// The legend: signal, what it is held against, and how far it may be.
const BOUNDS: &[(&str, &str, &str)] = &[
    (
        "swap_out",
        "swap-outs less swap-ins, against VmSwap; with shared memory also smaps `Swap`",
        "1 % or 16 pages",
    ),
    (
        "swap_in",
        "of all guests: workingset_refault_anon of memory.stat, less what nobody mapped: readahead in vain (swap_ra - swap_ra_hit), or by the swap cache (pgsteal_anon + nr_swapcached - pswpout) where that is more",
        "at least 98 %",
    ),
    ("swap_device", "pswpin and pswpout of memory.stat", "1 % or 4 pages"),
    ("taken", "pages taken less swap-ins, against VmSwap as above", "2 % or 16 pages"),
    (
        "flows",
        "pages by causer against the victim's swap-outs; all of them against pswpout and swpout_zero of vmstat, beyond which may be what lies in the swap cache (nr_swapcached) or came back from it unread (swap-ins less workingset_refault_anon), and pgsteal_anon (reclaim in cgroups included) without unused readahead",
        "equal; at least 98 %, and at most 2 % or so many more; at least 98 %",
    ),
    ("refaults", "workingset_refault_anon and _file of memory.stat", "2 % or 16 pages"),
    ("major_faults", "pgmajfault of memory.stat", "1 % or 4"),
    ("guest_faults", "there are some; none of a TCG guest", "at least 1; 0"),
    ("user_faults", "there are some of a TCG guest", "at least 1"),
    (
        "async_faults",
        "those begun; kvm_async_pf_ready events of the kernel's own tracing",
        "1 that is under way; equal",
    ),
    (
        "async_latency",
        "p50 and p99 against the times of those trace events, once called before memtrace's hooks \
         and once after",
        "no shorter and no longer than the two allow, and half a bucket (a 32nd)",
    ),
    (
        "reclaim_waits",
        "freepages count of the process's taskstats",
        "2 % or 4; at least, less as much, where kernel workers are told apart",
    ),
    (
        "stall_time",
        "freepages delay of taskstats; on a single CPU also PSI `some` of the cgroup",
        "5 % or 4 ms (a timer tick); at most PSI",
    ),
    ("direct_reclaim", "allocstall_* of vmstat", "2 % or 4"),
    (
        "memcg_reclaim",
        "max and high of memory.events, which with zswap have charges without reclaim too",
        "2 % or 4; with zswap at most",
    ),
    ("kswapd", "pageoutrun of vmstat", "2 % or 4"),
    (
        "compaction",
        "compact_stall of vmstat, which leaves out those with nothing to do",
        "at least",
    ),
    ("reclaim_writes", "nr_vmscan_write of vmstat", "1 % or 16 pages"),
    ("huge_pages", "HugetlbPages of /proc/PID/status", "equal"),
    ("oom_kills", "oom_kill of memory.events", "equal"),
    ("lifecycle", "losses that memtrace itself counted", "0"),
];

/// Writes the document.
///
/// # Errors
/// When there is nothing to write, or the disk fails.
pub fn write(outcomes: &[Kept]) -> Result<()> {
    ensure!(!outcomes.is_empty(), "no kernel's report to write");
    let text = document(outcomes);
    let path = path();
    fs::create_dir_all(path.parent().context("no folder for the documentation")?)?;
    fs::write(&path, text).with_context(|| format!("write {}", path.display()))
}

fn path() -> PathBuf {
    paths::workspace().join("docs/attribution.md")
}

/// The document's text.
fn document(outcomes: &[Kept]) -> String {
    let mut notes = Notes::default();
    let mut text = INTRODUCTION.to_owned();
    text.push_str("\nProduced on ");
    let dates: Vec<String> = outcomes.iter().map(date).collect();
    let _ = write!(text, "{}.\n\n## What is compared\n\n", dates.join(", "));
    text.push_str("| signal | held against | within |\n|---|---|---|\n");
    for (signal, against, within) in BOUNDS {
        line(&mut text, &[*signal, *against, *within]);
    }
    let names = scenario::ALL.iter().map(|scenario| (scenario.name, scenario.about));
    for (name, about) in names.chain(scenario::BESIDE.iter().copied()) {
        let _ = write!(text, "\n## {name}: {about}\n\n");
        section(&mut text, name, outcomes, &mut notes);
    }
    text.push_str("\n## What memtrace reports as unavailable\n\n");
    absences(&mut text, outcomes);
    text.push_str("\n## Reasons\n\n");
    for (number, reason) in notes.reasons.iter().enumerate() {
        let _ = writeln!(text, "{}. {reason}", number + 1);
    }
    text
}

fn section(text: &mut String, name: &str, outcomes: &[Kept], notes: &mut Notes) {
    let runs: Vec<Option<&Scenario>> = outcomes
        .iter()
        .map(|outcome| outcome.scenarios.iter().find(|scenario| scenario.name == name))
        .collect();
    let kernels: Vec<&str> = outcomes.iter().map(release).collect();
    let mut head = vec!["signal"];
    head.extend(&kernels);
    line(text, &head);
    line(text, &vec!["---"; head.len()]);
    let whole: Vec<String> = runs.iter().map(|run| state(*run, notes)).collect();
    if whole.iter().any(|cell| !cell.is_empty()) {
        let cells = std::iter::once("(all)".to_owned()).chain(whole).collect::<Vec<_>>();
        line(text, &cells);
    }
    for signal in signals(&runs) {
        let cells = runs.iter().map(|run| match run.map(|run| &run.state) {
            Some(ScenarioState::Compared(table)) => cell(table, &signal, notes),
            _ => String::new(),
        });
        let cells: Vec<String> = std::iter::once(signal.clone()).chain(cells).collect();
        line(text, &cells);
    }
}

/// When a kernel's run was, and those of scenarios that it left out.
fn date(kept: &Kept) -> String {
    let earlier = kept.earlier.iter().map(|(name, date)| format!("; {name} on {date}"));
    format!("{} ({}{})", kept.date, release(kept), earlier.collect::<String>())
}

/// A scenario as a whole, where it gave no table.
fn state(run: Option<&Scenario>, notes: &mut Notes) -> String {
    match run.map(|run| &run.state) {
        Some(ScenarioState::Compared(_)) => String::new(),
        Some(ScenarioState::Tested { passed, skipped: 0, failures, .. }) if failures.is_empty() => {
            format!("{passed} passed")
        }
        Some(ScenarioState::Tested { passed, skipped, reasons, failures })
            if failures.is_empty() =>
        {
            format!("{passed} passed, {skipped} skipped {}", notes.mark(&reasons.join("; ")))
        }
        Some(ScenarioState::Tested { failures, .. }) => {
            format!("FAILED {}", notes.mark(&failures.join("; ")))
        }
        Some(ScenarioState::Skipped(reason)) => format!("skipped {}", notes.mark(reason)),
        Some(ScenarioState::Failed { reason, .. }) => format!("FAILED {}", notes.mark(reason)),
        None => "not run".to_owned(),
    }
}

/// The signals that a scenario's tables know, in the order of the legend.
fn signals(runs: &[Option<&Scenario>]) -> Vec<String> {
    let mut found = BTreeSet::new();
    for run in runs.iter().flatten() {
        if let ScenarioState::Compared(table) = &run.state {
            found.extend(table.rows.iter().map(|row| row.signal.clone()));
        }
    }
    let place = |signal: &String| BOUNDS.iter().position(|(name, ..)| name == signal);
    let mut list: Vec<String> = found.into_iter().collect();
    list.sort_by_key(|signal| (place(signal).unwrap_or(BOUNDS.len()), signal.clone()));
    list
}

/// The worst row of a signal.
fn cell(table: &Table, signal: &str, notes: &mut Notes) -> String {
    let counted = |row: &&Row| row.signal == signal && (row.memtrace != 0.0 || row.kernel != 0.0);
    let worst = table.rows.iter().filter(counted).max_by(|a, b| weight(a).total_cmp(&weight(b)));
    let Some(row) = worst else {
        let of = |named: &str| named == signal;
        if table.rows.iter().any(|row| of(&row.signal)) {
            return "-".to_owned();
        }
        let skipped = table.skipped.iter().find(|skipped| of(&skipped.signal));
        return skipped.map_or_else(String::new, |skipped| {
            format!("not compared {}", notes.mark(&skipped.reason))
        });
    };
    let apart = apart(row);
    match (row.verdict(), &row.quality) {
        (Verdict::Exact, _) => format!("exact ({apart})"),
        (Verdict::Approximate, quality) => {
            format!("approximate ({apart}) {}", notes.mark(quality.reason().unwrap_or_default()))
        }
        (Verdict::Wrong, Quality::Absent(reason)) => {
            format!("**WRONG** ({apart}) {}", notes.mark(reason))
        }
        (Verdict::Wrong, _) => format!("**WRONG** ({apart}) {}", notes.mark(&sentence(row))),
    }
}

/// The worse a row is, the more it weighs.
fn weight(row: &Row) -> f64 {
    let class = match row.verdict() {
        Verdict::Exact => 0.0,
        Verdict::Approximate => 1e9,
        Verdict::Wrong => 2e9,
    };
    let far = match row.rule {
        Rule::Equal(_) => row.difference_percent().unwrap_or(100.0).abs().min(1e6),
        Rule::AtMost | Rule::AtLeast => 0.0,
    };
    class + far
}

fn apart(row: &Row) -> String {
    match (row.rule, row.difference_percent()) {
        (Rule::AtLeast, _) => "at least".to_owned(),
        (Rule::AtMost, _) => "at most".to_owned(),
        (Rule::Equal(_), Some(percent)) => format!("{:+.1} %", percent + 0.0),
        (Rule::Equal(_), None) => format!("{:+.0} against 0", row.difference()),
    }
}

/// Signals that are absent on a kernel, as memtrace says.
fn absences(text: &mut String, outcomes: &[Kept]) {
    line(text, &["kernel", "signal", "why"]);
    line(text, &["---", "---", "---"]);
    for outcome in outcomes {
        for status in &outcome.signals {
            let of = |field: &str| status.get(field).and_then(serde_json::Value::as_str);
            if of("quality") == Some("absent") {
                let why = of("reason").unwrap_or_default();
                line(text, &[release(outcome), of("signal").unwrap_or_default(), why]);
            }
        }
    }
}

fn release(outcome: &Kept) -> &str {
    let release = outcome.kernel.as_deref().unwrap_or("unknown");
    release.strip_suffix("-cloud-amd64").unwrap_or(release)
}

fn line(text: &mut String, cells: &[impl AsRef<str>]) {
    for cell in cells {
        // A bar or a line's end would break the table.
        let cell = cell.as_ref().replace('|', "/").replace('\n', " ");
        let _ = write!(text, "| {cell} ");
    }
    text.push_str("|\n");
}

/// Reasons, each once, told by number.
#[derive(Default)]
struct Notes {
    reasons: Vec<String>,
}

impl Notes {
    fn mark(&mut self, reason: &str) -> String {
        let reason = reason.lines().next().unwrap_or_default().to_owned();
        let place = self.reasons.iter().position(|known| *known == reason).unwrap_or_else(|| {
            self.reasons.push(reason);
            self.reasons.len() - 1
        });
        format!("[{}]", place + 1)
    }
}

#[cfg(test)]
mod tests;
