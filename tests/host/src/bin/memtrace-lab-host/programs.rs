//! The tests of the eBPF programs (tests/tests/kernel), with the disk as swap and a memory
//! cgroup to press in.

use std::process::Command;
use std::time::Duration;

use anyhow::Result;
use memtrace_lab_host::scenario::Swap;

use crate::cgroup::Groups;
use crate::{child, swap};

/// Where the lab puts the tests' binary.
const TESTS: &str = "/bin/kernel-tests";
const LIMIT: Duration = Duration::from_secs(12 * 60);
/// The tests press in it, and their stand-ins want more.
const POOL: &str = "/sys/fs/cgroup/programs";
const LIMITS: &[(&str, u32)] = &[("memory.max", 128)];
/// Start stand-ins by the hundred, which takes too long where the processor is emulated.
const TOO_LONG: [&str; 2] = ["two_thousand_vms_come_and_go", "slots_survive_churn"];

/// Runs them.
///
/// # Errors
/// When the tests or swap can't run.
pub fn run() -> Result<child::Ended> {
    let _swap = swap::On::new(Swap::Disk)?;
    let _pool = Groups::pool(POOL.into(), LIMITS)?;
    let mut tests = Command::new(TESTS);
    tests.args(TOO_LONG.iter().flat_map(|name| ["--skip", name]));
    tests.env("MEMTRACE_TEST_POOL", POOL);
    child::run_command(&mut tests, LIMIT)
}
