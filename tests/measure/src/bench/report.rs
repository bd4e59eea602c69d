//! docs/performance.md: the results as tables, each with its aim and whether it holds.

use std::fmt::Write as _;
use std::fs;

use anyhow::Result;
use memtrace_lab::date::today;

use super::hooks::Program;
use super::statistics::{Spread, spread};
use super::table::Table;
use super::{Results, Task, hooks};
use crate::measured::{Latency, Recording, Scale};

mod slower;

/// Where the page is, from the workspace's root.
pub const PAGE: &str = "docs/performance.md";

/// What is behind the numbers, and the reasons where an aim is missed.
const HOOKS: &str = include_str!("notes/hooks.md");
const SLOWDOWN: &str = include_str!("notes/slowdown.md");
const SCALE: &str = include_str!("notes/scale.md");
const FILES: &str = include_str!("notes/files.md");
const RECORD: &str = include_str!("notes/record.md");
const LATENCY: &str = include_str!("notes/latency.md");
const WIRE: &str = include_str!("notes/wire.md");
/// Nanoseconds in which 99 of 100 events are seen, and answered by a command.
const SEEN_WITHIN: u64 = 5_000_000;
const ANSWERED_WITHIN: u64 = 50_000_000;
/// What recording may take of a core, in nanoseconds of a second, and in bytes a day.
const OF_A_CORE: u64 = 10_000_000;
const A_DAY: u64 = 50_000_000;

/// The machine that it was measured on.
pub struct Host {
    pub kernel: String,
    pub cpus: usize,
    pub date: String,
}

impl Host {
    /// Asks this one.
    ///
    /// # Errors
    /// When it doesn't say.
    pub fn look() -> Result<Self> {
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")?.trim().to_owned();
        let cpus = std::thread::available_parallelism()?.get();
        Ok(Self { kernel, cpus, date: today()? })
    }
}

/// The whole page.
pub fn page(results: &Results, host: &Host) -> String {
    let Host { kernel, cpus, date } = host;
    let mut page = format!(
        "# What memtrace costs\n\nWritten by `cargo xtask bench --write` on {date}, Linux {kernel}, {cpus} CPUs.\n\
         Compare ratios, not nanoseconds: they are this machine's. A VM is played by an\n\
         ordinary process under a VMM's name.\n"
    );
    for what in &results.skipped {
        let _ = writeln!(page, "\nNot measured: {what}.");
    }
    page.push_str(&section("Each event", &hook_table(&results.hooks), HOOKS));
    page.push_str(&slowdown(results));
    page.push_str(&section("A tick", &scale_table(&results.scale), SCALE));
    page.push_str(&section("A tick's files", &file_table(&results.scale), FILES));
    page.push_str(&recording(results));
    page.push_str(&latencies(results));
    page
}

/// The section on programs that are slower.
pub fn slowdown(results: &Results) -> String {
    section("Programs that fault and swap", &slower::table(&results.slowdown), SLOWDOWN)
}

/// The section on what recording costs.
pub fn recording(results: &Results) -> String {
    section("A recording", &recording_table(&results.recording), RECORD)
}

/// The sections on time from a hook to what follows.
pub fn latencies(results: &Results) -> String {
    let seen = latency_table(&results.latency, "events", SEEN_WITHIN);
    let answered = latency_table(&results.wire, "commands", ANSWERED_WITHIN);
    section("From the hook to user space", &seen, LATENCY)
        + &section("From the hook to the hypervisor", &answered, WIRE)
}

fn section(title: &str, table: &Table, notes: &str) -> String {
    format!("\n## {title}\n\n{}\n{notes}", table.render())
}

fn hook_table(rows: &[hooks::Row]) -> Table {
    let mut table = Table::new(
        3,
        &[
            "hook",
            "set off by",
            "task",
            "empty",
            "memtrace",
            "bpftrace",
            "net",
            "of bpftrace",
            "aim",
        ],
    );
    for row in rows {
        let of = |program| row.rounds.get(&program).and_then(|rounds| spread(rounds));
        let (empty, ours, theirs) =
            (of(Program::Empty), of(Program::Memtrace), of(Program::Bpftrace));
        if ours.is_none() {
            continue;
        }
        let net = |of: Option<Spread>| Some(of?.median - empty?.median);
        let (net, theirs_net) = (net(ours), net(theirs));
        let share = net.zip(theirs_net).map(|(ours, theirs)| ours / theirs);
        let most = if row.task == Task::Vm { 80.0 } else { 30.0 };
        let holds = net.zip(share).map(|(net, share)| net <= most && share <= 0.25);
        table.row([
            format!("`{}`", row.hook),
            row.load.to_owned(),
            task(row.task).to_owned(),
            nanoseconds(empty),
            nanoseconds(ours),
            nanoseconds(theirs),
            net.map_or_else(unknown, |net| format!("{net:.0}")),
            share.map_or_else(unknown, |share| format!("{:.0} %", share * 100.0)),
            verdict(holds),
        ]);
    }
    table
}

fn scale_table(rows: &[Scale]) -> Table {
    let head = [
        "VMs",
        "that moved",
        "counted",
        "sample",
        "derive",
        "worst tick",
        "each VM",
        "resident",
        "BPF maps",
        "system calls",
        "aim",
    ];
    let mut table = Table::new(0, &head);
    for row in rows {
        let milliseconds = |nanoseconds: u64| format!("{:.1} ms", nanoseconds as f64 / 1e6);
        let mib = |bytes: u64| format!("{:.0} MiB", bytes as f64 / f64::from(1 << 20));
        let each = (row.sample_ns + row.derive_ns) as f64 / 1e3 / f64::from(row.vms.max(1));
        table.row([
            row.vms.to_string(),
            row.moved.to_string(),
            row.counted.to_string(),
            milliseconds(row.sample_ns),
            milliseconds(row.derive_ns),
            milliseconds(row.worst_ns),
            format!("{each:.0} µs"),
            mib(row.resident_bytes),
            mib(row.maps_bytes),
            row.syscalls.map_or_else(unknown, |calls| calls.to_string()),
            verdict(Some(is_cheap(row))),
        ]);
    }
    table
}

/// 1,000 VMs in 10 ms and 40 MiB, and linear beyond that.
fn is_cheap(row: &Scale) -> bool {
    let thousands = (f64::from(row.vms) / 1000.0).max(1.0);
    let (time, memory) = (row.sample_ns + row.derive_ns, row.resident_bytes);
    time as f64 <= 10e6 * thousands && memory as f64 <= 40.0 * f64::from(1 << 20) * thousands
}

fn recording_table(rows: &[Recording]) -> Table {
    let head =
        ["VMs", "that moved", "sample", "derive", "record", "of a core", "each", "a day", "aim"];
    let mut table = Table::new(0, &head);
    for row in rows {
        let milliseconds = |nanoseconds: u64| format!("{:.2} ms", nanoseconds as f64 / 1e6);
        let day = row.bytes * 86_400 + row.first_bytes * 144;
        table.row([
            row.vms.to_string(),
            row.moved.to_string(),
            milliseconds(row.sample_ns),
            milliseconds(row.derive_ns),
            milliseconds(row.record_ns),
            format!("{:.2} %", row.record_ns as f64 / 1e7),
            format!("{} B", row.bytes),
            format!("{:.1} MB", day as f64 / 1e6),
            verdict(Some(row.record_ns <= OF_A_CORE && day <= A_DAY)),
        ]);
    }
    table
}

/// The rows with the most VMs, whose files have left the caches when they come round.
fn file_table(rows: &[Scale]) -> Table {
    let mut table = Table::new(1, &["file", "of quiet VMs", "of busy ones"]);
    let most = |busy| rows.iter().filter(move |row| row.busy == busy).max_by_key(|row| row.vms);
    let (quiet, busy) = (most(false), most(true));
    for cost in quiet.or(busy).iter().flat_map(|row| &row.files) {
        let of = |row: Option<&Scale>| {
            let found = row.and_then(|row| row.files.iter().find(|other| other.file == cost.file));
            found.map_or_else(unknown, |cost| format!("{:.1} µs", cost.ns as f64 / 1e3))
        };
        table.row([format!("`{}`", cost.file), of(quiet), of(busy)]);
    }
    table
}

fn latency_table(rows: &[Latency], what: &'static str, within: u64) -> Table {
    let mut table = Table::new(1, &["host", what, "p50", "p99", "maximum", "aim"]);
    for row in rows {
        let milliseconds = |nanoseconds: u64| format!("{:.2} ms", nanoseconds as f64 / 1e6);
        table.row([
            row.load.clone(),
            row.events.to_string(),
            milliseconds(row.p50_ns),
            milliseconds(row.p99_ns),
            milliseconds(row.max_ns),
            verdict(Some(row.p99_ns <= within)),
        ]);
    }
    table
}

fn task(task: Task) -> &'static str {
    match task {
        Task::Other => "no VM",
        Task::Vm => "VM",
    }
}

fn nanoseconds(spread: Option<Spread>) -> String {
    spread.map_or_else(unknown, |Spread { low, median, high }| {
        format!("{median:.0} ({low:.0}..{high:.0})")
    })
}

fn unknown() -> String {
    "-".to_owned()
}

fn verdict(holds: Option<bool>) -> String {
    holds.map_or("-", |holds| if holds { "holds" } else { "missed" }).to_owned()
}

#[cfg(test)]
mod tests;
