//! The tests of the eBPF programs (tests/tests/kernel), with the disk as swap and a memory
//! cgroup to press in.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result};
use memtrace_lab_host::scenario::Swap;

use crate::{child, swap};

/// Where the lab puts the tests' binary.
const TESTS: &str = "/bin/kernel-tests";
const LIMIT: Duration = Duration::from_secs(12 * 60);
const CGROUPS: &str = "/sys/fs/cgroup";
/// The tests press in it, and their stand-ins want more.
const POOL: &str = "/sys/fs/cgroup/programs";
const POOL_BYTES: u64 = 128 << 20;
/// Start stand-ins by the hundred, which takes too long where the processor is emulated.
const TOO_LONG: [&str; 2] = ["two_thousand_vms_come_and_go", "slots_survive_churn"];

/// Runs them.
///
/// # Errors
/// When the tests or swap can't run.
pub fn run() -> Result<child::Outcome> {
    let _swap = swap::On::new(Swap::Disk)?;
    make_pool()?;
    let mut tests = Command::new(TESTS);
    tests.args(TOO_LONG.iter().flat_map(|name| ["--skip", name]));
    tests.env("MEMTRACE_TEST_POOL", POOL);
    let outcome = child::run_command(&mut tests, LIMIT);
    fs::remove_dir(POOL).context("remove the cgroup of the tests")?;
    outcome
}

fn make_pool() -> Result<()> {
    fs::create_dir(POOL).context("make a cgroup for the tests")?;
    let write = |folder: &str, file: &str, text: &str| {
        fs::write(Path::new(folder).join(file), text)
            .with_context(|| format!("write {text} to {folder}/{file}"))
    };
    write(CGROUPS, "cgroup.subtree_control", "+memory")?;
    write(POOL, "memory.max", &POOL_BYTES.to_string())?;
    write(POOL, "cgroup.subtree_control", "+memory")
}
