//! What each event costs at each hook: memtrace's program beside an empty one and beside
//! bpftrace counting by pid, for a task that is no VM and for a VM.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result};
use memtrace_lab::{interrupt, progress, wait};

use super::runs::{self, Runs};
use super::worker::{Memtrace, Worker};
use super::{Bench, Task};
use crate::bpftrace::Bpftrace;

/// What is set off, and which hooks it fires often enough.
const LOADS: &[Load] = &[
    Load {
        name: "page faults",
        order: "fault 128",
        squeezed: false,
        hooks: &["exceptions:page_fault_user", "kmem:rss_stat", "memcg:count_memcg_events"],
    },
    Load {
        name: "faults of the kernel",
        order: "zero 64",
        squeezed: false,
        hooks: &["exceptions:page_fault_kernel"],
    },
    Load {
        name: "swap in and out",
        order: "walk",
        squeezed: true,
        hooks: &[
            "kmem:rss_stat",
            "memcg:count_memcg_events",
            "vmscan:mm_vmscan_write_folio",
            "vmscan:mm_vmscan_memcg_reclaim_begin",
            "vmscan:mm_vmscan_memcg_reclaim_end",
        ],
    },
    Load {
        name: "processes",
        order: "spawn 60",
        squeezed: false,
        hooks: &["sched:sched_process_exec", "sched:sched_process_exit"],
    },
];

/// For bpftrace, which compiles its script.
const LOADED: Duration = Duration::from_secs(10);

struct Load {
    name: &'static str,
    order: &'static str,
    /// In the cgroup that is too small.
    squeezed: bool,
    hooks: &'static [&'static str],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Program {
    Empty,
    Memtrace,
    Bpftrace,
}

/// What was measured of one hook: nanoseconds an event, a number for each round.
#[derive(Clone, Debug, Default)]
pub struct Row {
    pub hook: &'static str,
    pub load: &'static str,
    pub task: Task,
    pub rounds: BTreeMap<Program, Vec<f64>>,
}

/// Measures in this many rounds, the three programs in turn.
///
/// # Errors
/// When memtrace can't run, or the user interrupts. Without bpftrace its columns and the
/// empty program's stay empty; the second value says why.
pub fn measure(bench: &mut Bench, rounds: u32) -> Result<(Vec<Row>, Option<String>)> {
    let mut rows: Vec<Row> = Vec::new();
    let mut problem = None;
    for round in 1..=rounds {
        progress::say(&format!("hooks: round {round} of {rounds} ..."));
        interrupt::check()?;
        let memtrace = Memtrace::start(&bench.memtrace, &bench.vms())?;
        let pid = memtrace.pid();
        let hooks = attached(pid)?;
        run(
            bench,
            Program::Memtrace,
            &mut rows,
            || {
                let runs = runs::raw_tracepoints(pid)?;
                Ok(hooks
                    .iter()
                    .map(|hook| runs.get(name(hook)).copied().unwrap_or_default())
                    .collect())
            },
            &hooks,
        )?;
        memtrace.stop()?;
        for (program, body) in
            [(Program::Empty, "{ 1 }"), (Program::Bpftrace, "{ @HOOK[pid] = count(); }")]
        {
            let done = start(&hooks, body).and_then(|bpftrace| {
                let pid = bpftrace.pid();
                run(bench, program, &mut rows, || runs::tracepoints(pid), &hooks)
            });
            interrupt::check()?;
            problem = problem.or(done.err().map(|error| format!("{error:#}")));
        }
    }
    Ok((rows, problem))
}

/// The hooks of all loads that memtrace, this process, is attached to here.
///
/// # Errors
/// When it is gone.
pub fn attached(memtrace: u32) -> Result<Vec<&'static str>> {
    let known = runs::raw_tracepoints(memtrace)?;
    let mut hooks: Vec<_> = LOADS.iter().flat_map(|load| load.hooks).copied().collect();
    hooks.sort_unstable();
    hooks.dedup();
    hooks.retain(|hook| known.contains_key(name(hook)));
    Ok(hooks)
}

/// A tracepoint's own name, without its group's.
pub fn name(hook: &'static str) -> &'static str {
    hook.rsplit(':').next().unwrap_or(hook)
}

/// Starts bpftrace with this body on each hook, and waits until all are loaded.
fn start(hooks: &[&str], body: &str) -> Result<Bpftrace> {
    let probe = |(index, hook): (usize, &&str)| {
        format!("tracepoint:{hook} {}", body.replace("HOOK", &format!("a{index}")))
    };
    let script: Vec<String> = hooks.iter().enumerate().map(probe).collect();
    let bpftrace = Bpftrace::start(&script.join(" "))?;
    wait::answer("bpftrace to load a program for each hook", LOADED, || {
        Ok((runs::tracepoints(bpftrace.pid())?.len() == hooks.len()).then_some(()))
    })?;
    Ok(bpftrace)
}

fn run(
    bench: &mut Bench,
    program: Program,
    rows: &mut Vec<Row>,
    read: impl Fn() -> Result<Vec<Runs>>,
    hooks: &[&'static str],
) -> Result<()> {
    for load in LOADS {
        for task in [Task::Other, Task::Vm] {
            let Some(worker) = worker(bench, load, task) else { continue };
            let before = read()?;
            worker.tell(load.order)?;
            let grown = read()?.into_iter().zip(before).map(|(after, before)| after - before);
            for (hook, runs) in hooks.iter().copied().zip(grown) {
                if !load.hooks.contains(&hook) {
                    continue;
                }
                let row = row(rows, hook, load.name, task)?;
                row.rounds.entry(program).or_default().extend(runs.each());
            }
        }
    }
    Ok(())
}

fn worker<'a>(bench: &'a mut Bench, load: &Load, task: Task) -> Option<&'a mut Worker> {
    let pair = if load.squeezed { bench.squeezed.as_mut()? } else { &mut bench.free };
    Some(pair.of(task))
}

fn row<'a>(
    rows: &'a mut Vec<Row>,
    hook: &'static str,
    load: &'static str,
    task: Task,
) -> Result<&'a mut Row> {
    let same = |row: &Row| row.hook == hook && row.load == load && row.task == task;
    if !rows.iter().any(same) {
        rows.push(Row { hook, load, task, ..Row::default() });
    }
    rows.iter_mut().find(|row| same(row)).context("a row that was just made")
}
