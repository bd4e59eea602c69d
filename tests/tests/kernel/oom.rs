//! The OOM killer's victims.

use anyhow::{Context, Result, ensure};
use memtrace_ebpf::EVENT_OOM_KILL;
use memtrace_host::probe::{Belongings, KernelSide, Limits};

use crate::{Test, open_with};

pub const TESTS: &[(&str, Test)] = &[("a_victim_counts_once_for_all_its_threads", victim)];

/// Each thread of a victim that runs out of memory as it exits is marked again.
fn victim() -> Result<()> {
    let mut kernel = open_with(Limits::default())?;
    let pid = std::process::id();
    kernel.track(pid, &Belongings::default())?;
    kernel.events();
    for _ in 0..2 {
        kernel.rehearse("oom_victim_pid", &[u64::from(pid)])?;
    }
    let counters = kernel.read().vms.get(&pid).context("no slot")?.counters;
    let counted = (counters.oom_kills, counters.oom_caused);
    ensure!(counted == (1, 1), "{counted:?} kills and caused ones");
    let events = kernel.events();
    let told = events.iter().filter(|arrived| arrived.event.kind == EVENT_OOM_KILL).count();
    ensure!(told == 1, "told {told} times");
    Ok(())
}
