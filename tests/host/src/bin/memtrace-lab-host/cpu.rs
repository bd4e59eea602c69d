//! The CPUs of this host.

use anyhow::{Context as _, Result};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Runs on each CPU in turn. The work that brings memory.stat up to date is deferrable
/// (`stats_flush_dwork` in mm/memcontrol.c), so that an idle CPU puts it off for as long as it
/// likes.
///
/// # Errors
/// When the kernel refuses.
pub fn wake_all() -> Result<()> {
    let all = sched_getaffinity(None).context("ask for the CPUs")?;
    for cpu in (0..CpuSet::MAX_CPU).filter(|cpu| all.is_set(*cpu)) {
        let mut one = CpuSet::new();
        one.set(cpu);
        sched_setaffinity(None, &one).with_context(|| format!("go to CPU {cpu}"))?;
    }
    sched_setaffinity(None, &all).context("go back to all CPUs")
}

/// Does something on one CPU, so that what it starts stays there.
///
/// # Errors
/// When the kernel refuses, or what is done fails.
pub fn on_one<T>(number: usize, what: impl FnOnce() -> Result<T>) -> Result<T> {
    let all = sched_getaffinity(None).context("ask for the CPUs")?;
    let cpus: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|cpu| all.is_set(*cpu)).collect();
    let cpu = number.checked_rem(cpus.len()).and_then(|place| cpus.get(place));
    let cpu = *cpu.context("there is no CPU")?;
    let mut one = CpuSet::new();
    one.set(cpu);
    sched_setaffinity(None, &one).with_context(|| format!("go to CPU {cpu}"))?;
    let done = what();
    sched_setaffinity(None, &all).context("go back to all CPUs")?;
    done
}
