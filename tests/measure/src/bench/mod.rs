//! `cargo xtask bench`: what memtrace costs, in ratios, and docs/performance.md from it.
//! Never a test: its numbers are the machine's, and of the moment.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use memtrace_lab::local::Lab;
use memtrace_lab::setup::{self, Scope};
use memtrace_lab::{child, interrupt, paths, progress};
use serde::de::DeserializeOwned;

mod hooks;
mod policy;
mod report;
mod runs;
mod slowdown;
mod statistics;
mod table;
mod worker;

use crate::measured::{Latency, Recording, Scale};
use worker::Worker;

/// Limit of the cgroup in which the swap benchmarks run, and what they hold in it.
const LIMIT_MIB: u32 = 64;
const HELD_MIB: u32 = 80;
/// Room for the stand-ins of the scale benchmark, the kernel's memory for them included.
const HERD_MIB: u32 = 8192;
const HOOK_ROUNDS: u32 = 7;
const SLOWDOWN_ROUNDS: u32 = 18;
/// Numbers of VMs.
const SCALE: [&str; 4] = ["10", "100", "1000", "4000"];
/// VMs that are recorded.
const RECORDED: &str = "100";
/// Idle, and again as long under load.
const LATENCY_SECONDS: &str = "12";
/// Commands to a hypervisor, idle, and as many under load.
const COMMANDS: &str = "100";
const STATISTICS: &str = "/proc/sys/kernel/bpf_stats_enabled";

#[derive(clap::Args)]
pub struct Arguments {
    /// Write docs/performance.md (policy: docs/policy.md) instead of printing it
    #[arg(long, global = true)]
    write: bool,
    #[command(subcommand)]
    what: Option<What>,
}

#[derive(Clone, Copy, clap::Subcommand)]
enum What {
    /// memtrace's balloon policy beside those of others, on the simulated host
    Policy,
    /// The latencies alone; prints their sections of docs/performance.md
    Latency,
    /// What recording costs, alone; prints its section of docs/performance.md
    Record,
    /// By how much programs are slower, alone; prints its section of docs/performance.md
    Slowdown,
}

/// Whose events they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Task {
    #[default]
    Other,
    Vm,
}

/// A worker that is no VM, and one that memtrace takes for one.
struct Workers {
    other: Worker,
    vm: Worker,
}

impl Workers {
    fn of(&mut self, task: Task) -> &mut Worker {
        match task {
            Task::Other => &mut self.other,
            Task::Vm => &mut self.vm,
        }
    }
}

/// What the benchmarks work with.
struct Bench {
    memtrace: PathBuf,
    free: Workers,
    /// In cgroups that are too small for them. `None`: there is no pool.
    squeezed: Option<Workers>,
}

impl Bench {
    fn vms(&self) -> Vec<u32> {
        let squeezed = self.squeezed.as_ref().map(|workers| workers.vm.pid());
        std::iter::once(self.free.vm.pid()).chain(squeezed).collect()
    }
}

/// All that was measured.
#[derive(Default)]
struct Results {
    hooks: Vec<hooks::Row>,
    slowdown: Vec<slowdown::Row>,
    scale: Vec<Scale>,
    recording: Vec<Recording>,
    latency: Vec<Latency>,
    wire: Vec<Latency>,
    /// What could not be measured, and why.
    skipped: Vec<String>,
}

/// Measures everything, and prints or writes the page.
///
/// # Errors
/// When memtrace can't run here, or the user interrupts.
pub fn run(arguments: &Arguments) -> Result<()> {
    interrupt::listen()?;
    let (page, path) = match arguments.what {
        Some(What::Policy) => (policy::page()?, policy::PAGE),
        Some(part @ (What::Latency | What::Record | What::Slowdown)) => {
            ensure!(!arguments.write, "docs/performance.md is written with all of its parts");
            setup::run(Scope::Bench)?;
            build()?;
            print!("{}", measure_part(part)?);
            return Ok(());
        }
        None => {
            setup::run(Scope::Bench)?;
            build()?;
            (report::page(&measure()?, &report::Host::look()?), report::PAGE)
        }
    };
    if !arguments.write {
        print!("{page}");
        return Ok(());
    }
    let path = paths::workspace().join(path);
    fs::create_dir_all(path.parent().context("a folder")?)?;
    fs::write(&path, page).with_context(|| format!("write {}", path.display()))?;
    progress::say(&format!("written: {}", path.display()));
    Ok(())
}

/// One part's sections of the page.
fn measure_part(part: What) -> Result<String> {
    let mut results = Results::default();
    let pool = Lab::pool(LIMIT_MIB)?;
    Ok(match part {
        What::Record => {
            measure_recording(&pool, &mut results)?;
            pool.down()?;
            report::recording(&results)
        }
        What::Slowdown => {
            let folder = tempfile::tempdir()?;
            let mut bench = start(folder.path(), pool.parent())?;
            results.slowdown = slowdown::measure(&mut bench, SLOWDOWN_ROUNDS)?;
            drop(bench);
            pool.down()?;
            report::slowdown(&results)
        }
        What::Latency | What::Policy => {
            measure_latencies(pool, &mut results)?;
            report::latencies(&results)
        }
    })
}

/// As users have it: optimised.
fn build() -> Result<()> {
    progress::say("building memtrace and its benchmarks ...");
    let mut cargo = Command::new("cargo");
    cargo.current_dir(paths::workspace()).args(["build", "--release", "--locked", "--quiet"]);
    cargo.args(["--package", "memtrace", "--package", "memtrace-tests", "--bins"]);
    ensure!(child::status(&mut cargo)?.success(), "the build failed");
    Ok(())
}

fn measure() -> Result<Results> {
    let mut pool = Lab::pool(LIMIT_MIB)?;
    let folder = tempfile::tempdir()?;
    let mut results = Results::default();
    let mut bench = start(folder.path(), pool.parent())?;
    pool.set(Path::new(STATISTICS), "1")?;
    let (rows, problem) = hooks::measure(&mut bench, HOOK_ROUNDS)?;
    results.hooks = rows;
    results.skipped.extend(problem.map(|why| format!("bpftrace and the empty program: {why}")));
    // Counting costs time of its own. The lab puts back what was there.
    fs::write(STATISTICS, "0")?;
    results.slowdown = slowdown::measure(&mut bench, SLOWDOWN_ROUNDS)?;
    drop(bench);
    let parent = pool.parent().context("the pool's cgroup")?.to_path_buf();
    pool.hierarchy.set_limit(&parent, HERD_MIB)?;
    progress::say("scale ...");
    for vms in SCALE {
        for how in ["quiet", "busy"] {
            // A process each, as memory that was freed stays with it.
            let mut bench = program("memtrace-bench");
            bench.arg("scale").arg(&parent).args([vms, how]);
            results.scale.extend(documents(&mut bench)?);
        }
    }
    measure_recording(&pool, &mut results)?;
    measure_latencies(pool, &mut results)?;
    Ok(results)
}

/// With room for the herd, which the pool hasn't got otherwise.
fn measure_recording(pool: &Lab, results: &mut Results) -> Result<()> {
    progress::say("recording ...");
    let parent = pool.parent().context("the pool's cgroup")?;
    pool.hierarchy.set_limit(parent, HERD_MIB)?;
    for how in ["quiet", "busy"] {
        let mut bench = program("memtrace-bench");
        results.recording.extend(documents(bench.arg("record").arg(parent).args([RECORDED, how]))?);
    }
    pool.hierarchy.set_limit(parent, LIMIT_MIB)
}

/// Takes the pool down when it is through.
fn measure_latencies(pool: Lab, results: &mut Results) -> Result<()> {
    progress::say("latency ...");
    results.latency = documents(program("memtrace-bench").args(["latency", LATENCY_SECONDS]))?;
    let parent = pool.parent().context("the pool's cgroup")?;
    let mut wire = program("memtrace-bench");
    results.wire = documents(wire.arg("wire").arg(parent).arg(COMMANDS))?;
    pool.down()
}

fn program(name: &str) -> Command {
    Command::new(release(name))
}

/// A program as users have it.
fn release(name: &str) -> PathBuf {
    paths::target().join("release").join(name)
}

fn start(folder: &Path, pool: Option<&Path>) -> Result<Bench> {
    let other = worker::rename(&release("memtrace-bench"), folder, "ordinary")?;
    let vm = worker::rename(&other, folder, "qemu-system-bench")?;
    let pair = |cgroup: Option<&Path>| -> Result<Workers> {
        let inside = |name: &str| cgroup.map(|pool| pool.join(name));
        Ok(Workers {
            other: Worker::start(&other, inside("ordinary").as_deref())?,
            vm: Worker::start(&vm, inside("vm").as_deref())?,
        })
    };
    let free = pair(None)?;
    let mut squeezed = pool.map(|pool| pair(Some(pool))).transpose()?;
    if let Some(workers) = &mut squeezed {
        for task in [Task::Other, Task::Vm] {
            workers.of(task).tell(&format!("hold {HELD_MIB}"))?;
        }
    }
    Ok(Bench { memtrace: release("memtrace"), free, squeezed })
}

/// Runs a program that prints JSON, a document a line.
fn documents<T: DeserializeOwned>(command: &mut Command) -> Result<Vec<T>> {
    let mut found = Vec::new();
    let status = child::lines(command, |line| {
        progress::say(&format!("  {line}"));
        found.push(serde_json::from_str(line).with_context(|| format!("{line:?}")));
    })?;
    ensure!(status.success(), "{command:?}: {status}");
    found.into_iter().collect()
}
