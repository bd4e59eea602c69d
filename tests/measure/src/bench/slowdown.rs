//! Extra CPU time of a program that faults or swaps: with memtrace off, with it on and the program
//! no VM, and with it on and the program a VM. Empty programs on the same hooks show the cost of
//! firing alone, which no tracer at these hooks can save.

use anyhow::Result;
use memtrace_lab::{interrupt, progress};

use super::worker::{Empty, Memtrace};
use super::{Bench, Task, hooks};

/// Page faults: this much memory, page by page.
const FAULTS: &str = "fault 512";
/// The fastest of the repetitions within a round counts, because disturbances only slow down.
const REPEATS: u32 = 3;

/// What is attached while the benchmarks run.
#[derive(Clone, Copy)]
enum Attached {
    Nothing,
    Empty,
    Memtrace,
}

/// Which goes first takes turns, as a machine changes within a round too.
const ORDERS: [[Attached; 3]; 3] = [
    [Attached::Nothing, Attached::Empty, Attached::Memtrace],
    [Attached::Memtrace, Attached::Nothing, Attached::Empty],
    [Attached::Empty, Attached::Memtrace, Attached::Nothing],
];

/// Nanoseconds of CPU time in one round.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Round {
    pub off: f64,
    /// With empty programs.
    pub empty: f64,
    pub on: f64,
}

/// One benchmark with one kind of task.
#[derive(Clone, Debug)]
pub struct Row {
    pub load: &'static str,
    pub task: Task,
    pub rounds: Vec<Round>,
}

/// One time of each benchmark, always in the same order.
type Times = Vec<(&'static str, Task, f64)>;

/// Measures in this many rounds.
///
/// # Errors
/// When memtrace can't run, or the user interrupts.
pub fn measure(bench: &mut Bench, rounds: u32) -> Result<Vec<Row>> {
    let tracepoints = tracepoints(bench)?;
    let mut rows: Vec<Row> = Vec::new();
    for (round, order) in (1..=rounds).zip(ORDERS.iter().cycle()) {
        progress::say(&format!("slowdown: round {round} of {rounds} ..."));
        let (mut off, mut empty, mut on) = (Times::new(), Times::new(), Times::new());
        for attached in order {
            match attached {
                Attached::Nothing => off = times(bench)?,
                Attached::Memtrace => on = with_memtrace(bench)?,
                Attached::Empty => empty = with_empty(bench, &tracepoints)?,
            }
        }
        for (((load, task, off), (_, _, empty)), (_, _, on)) in off.into_iter().zip(empty).zip(on) {
            let round = Round { off, empty, on };
            match rows.iter_mut().find(|row| row.load == load && row.task == task) {
                Some(row) => row.rounds.push(round),
                None => rows.push(Row { load, task, rounds: vec![round] }),
            }
        }
    }
    Ok(rows)
}

/// The tracepoints that memtrace is at here, as far as the benchmarks fire them often.
fn tracepoints(bench: &Bench) -> Result<Vec<&'static str>> {
    let memtrace = Memtrace::start(&bench.memtrace, &bench.vms())?;
    let hooks = hooks::attached(memtrace.pid())?;
    memtrace.stop()?;
    Ok(hooks.into_iter().map(hooks::name).collect())
}

fn with_empty(bench: &mut Bench, tracepoints: &[&str]) -> Result<Times> {
    let _attached = Empty::start(&super::release("memtrace-bench"), tracepoints)?;
    times(bench)
}

fn with_memtrace(bench: &mut Bench) -> Result<Times> {
    let memtrace = Memtrace::start(&bench.memtrace, &bench.vms())?;
    let times = times(bench)?;
    memtrace.stop()?;
    Ok(times)
}

fn times(bench: &mut Bench) -> Result<Times> {
    let mut times = Times::new();
    for task in [Task::Other, Task::Vm] {
        interrupt::check()?;
        let mut best = f64::INFINITY;
        for _ in 0..REPEATS {
            best = best.min(bench.free.of(task).tell(FAULTS)?);
        }
        times.push(("page faults, 512 MiB", task, best));
        if let Some(squeezed) = &mut bench.squeezed {
            times.push(("swap thrash", task, squeezed.of(task).tell("walk")?));
        }
    }
    Ok(times)
}
