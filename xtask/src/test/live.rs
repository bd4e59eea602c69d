//! The steps with real VMs. Where they can't run, they say why and count as skipped.

use std::collections::BTreeSet;
use std::process::{Command, Stdio};

use anyhow::Result;

use super::tally::Outcome;
use crate::demo::{self, Profile};
use crate::lab::cgroup::Hierarchy;
use crate::lab::plan::Manager;
use crate::setup::kernel;
use crate::{interrupt, vm};

/// Seconds of pressure; some ten thousand pages are swapped in that time.
const SECONDS: u64 = 15;
/// `memtrace doctor`'s exit code for a kernel or permissions that it can't work with.
const UNUSABLE: i32 = 2;

/// memtrace against the kernel, on plain qemu guests.
///
/// # Errors
/// When the lab or memtrace fails.
pub fn plain() -> Result<Outcome> {
    check(Manager::Plain, &["qemu-system-x86_64", "mkswap", "swapon"])
}

/// The same on libvirt domains.
///
/// # Errors
/// When the lab or memtrace fails.
pub fn libvirt() -> Result<Outcome> {
    check(Manager::Libvirt, &["qemu-system-x86_64", "mkswap", "swapon", "virsh", "libvirtd"])
}

/// Every scenario of level 2 on a kernel of the matrix.
///
/// # Errors
/// When memtrace or the host's programs don't build, or the user interrupts.
pub fn level_2(kernel: &str) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    if let Err(why) = vm::find_qemu() {
        return Ok(Outcome::skipped(format!("{why:#}")));
    }
    if let Err(why) = vm::fetch(kernel) {
        interrupt::check()?;
        return Ok(Outcome::skipped(format!("{why:#}")));
    }
    let report = vm::kernel(kernel, &vm::Programs::build()?, &vm::names(), false)?;
    println!("\n{report}");
    let mut reasons = BTreeSet::new();
    for table in report.tables() {
        outcome.passed += u64::try_from(table.passed())?;
        outcome.skipped += u64::try_from(table.skipped.len())?;
        reasons.extend(table.skipped.iter().map(|skipped| skipped.reason.clone()));
    }
    for reason in report.skipped() {
        outcome.skipped += 1;
        reasons.insert(reason.to_owned());
    }
    outcome.failed = u64::try_from(report.problems())?;
    // A host that died says so nowhere else.
    if outcome.failed == 0 && !report.good() {
        outcome.failed = 1;
    }
    outcome.reasons = reasons.into_iter().collect();
    Ok(outcome)
}

fn check(manager: Manager, tools: &[&str]) -> Result<Outcome> {
    if let Some(reason) = obstacle(tools) {
        return Ok(Outcome::skipped(reason));
    }
    let memtrace = demo::build(Profile::Debug)?;
    let doctor = Command::new(&memtrace).arg("doctor").stdout(Stdio::null()).status()?;
    if doctor.code() == Some(UNUSABLE) {
        return Ok(Outcome::skipped("memtrace doctor: this kernel lets no eBPF program run"));
    }
    let table = demo::check::run(&memtrace, manager, SECONDS)?;
    println!("\n{table}");
    Ok(Outcome {
        passed: u64::try_from(table.passed())?,
        failed: u64::try_from(table.failed())?,
        skipped: u64::try_from(table.skipped.len())?,
        reasons: table.skipped.iter().map(|skipped| skipped.reason.clone()).collect(),
    })
}

/// Why there can be no lab on this machine.
fn obstacle(tools: &[&str]) -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("the lab needs root".to_owned());
    }
    if let Err(why) = Hierarchy::find() {
        return Some(format!("{why:#}"));
    }
    if let Err(why) = kernel::find() {
        return Some(format!("{why:#}"));
    }
    let absent = tools.iter().find(|tool| !on_path(tool))?;
    Some(format!("{absent} isn't installed"))
}

fn on_path(tool: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(tool).is_file())
}
