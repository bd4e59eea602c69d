//! How much more CPU time a program takes that faults or swaps: with memtrace off, with it on and
//! the program no VM, and with it on and the program a VM.

use anyhow::Result;

use super::worker::Memtrace;
use super::{Bench, Task};
use crate::{interrupt, progress};

/// Page faults: this much memory, page by page.
const FAULTS: &str = "fault 512";
/// Repeated within a round, the fastest counts: what disturbs only makes slower.
const REPEATS: u32 = 3;

/// One benchmark with one kind of task: nanoseconds of CPU time without and with memtrace, in pairs.
#[derive(Clone, Debug)]
pub struct Row {
    pub load: &'static str,
    pub task: Task,
    pub pairs: Vec<(f64, f64)>,
}

/// Measures in so many rounds, every other one with memtrace first.
///
/// # Errors
/// When memtrace can't run, or the user interrupts.
pub fn measure(bench: &mut Bench, rounds: u32) -> Result<Vec<Row>> {
    let mut rows: Vec<Row> = Vec::new();
    for round in 1..=rounds {
        progress::say(&format!("slowdown: round {round} of {rounds} ..."));
        let (off, on) = if round % 2 == 0 {
            let on = with_memtrace(bench)?;
            (times(bench)?, on)
        } else {
            (times(bench)?, with_memtrace(bench)?)
        };
        for ((load, task, off), (_, _, on)) in off.into_iter().zip(on) {
            match rows.iter_mut().find(|row| row.load == load && row.task == task) {
                Some(row) => row.pairs.push((off, on)),
                None => rows.push(Row { load, task, pairs: vec![(off, on)] }),
            }
        }
    }
    Ok(rows)
}

fn with_memtrace(bench: &mut Bench) -> Result<Vec<(&'static str, Task, f64)>> {
    let memtrace = Memtrace::start(&bench.memtrace, &bench.vms())?;
    let times = times(bench)?;
    memtrace.stop()?;
    Ok(times)
}

fn times(bench: &mut Bench) -> Result<Vec<(&'static str, Task, f64)>> {
    let mut times = Vec::new();
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
