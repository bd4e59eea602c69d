//! The OOM killer's victims.

use anyhow::{Result, ensure};
use memtrace_ebpf::EVENT_OOM_KILL;
use memtrace_host::probe::{Belongings, KernelSide};
use memtrace_tests::standin::StandIn;

use crate::Test;
use crate::support::{OTHER, counters, events, open};

pub const TESTS: &[(&str, Test)] = &[
    ("a_victim_counts_once_for_all_its_threads", victim),
    ("a_victim_is_forgotten_when_it_ends", ended),
];

/// Each thread of a victim that runs out of memory as it exits is marked again.
fn victim() -> Result<()> {
    let mut kernel = open()?;
    let pid = std::process::id();
    kernel.track(pid, &Belongings::default())?;
    kernel.events();
    for _ in 0..2 {
        kernel.test_run("oom_victim_pid", &[u64::from(pid)])?;
    }
    let counters = counters(&mut kernel, pid)?;
    let counted = (counters.oom_kills, counters.oom_caused);
    ensure!(counted == (1, 1), "{counted:?} kills and caused ones");
    let told = events(&mut kernel, EVENT_OOM_KILL).len();
    ensure!(told == 1, "told {told} times");
    Ok(())
}

/// Its id may be another process's from then on.
fn ended() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut kernel = open()?;
    let other = StandIn::start(dir.path(), OTHER)?;
    let victim = u64::from(other.pid());
    kernel.test_run("oom_victim_pid", &[victim])?;
    kernel.test_run("oom_victim_pid", &[victim])?;
    other.end()?;
    kernel.test_run("oom_victim_pid", &[victim])?;
    let told = events(&mut kernel, EVENT_OOM_KILL).len();
    ensure!(told == 2, "told {told} times");
    Ok(())
}
